"""The three kinds of error that may cross a port, and nothing else may.

Adapters translate foreign errors into these, once, by code. Waiting is not an error: steps say it with `Wait`.
"""


class ServiceError(Exception):
    """Base of the three kinds. `sentence` is for people; `code` is the foreign error code, for logs and tests."""

    def __init__(self, sentence: str, *, hint: str = "", code: str = "", reference: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint  #: what to do next, one sentence, or empty
        self.code = code
        self.reference = reference  #: the foreign request id, so that a provider's support can find the call


class Transient(ServiceError):
    """The same call may succeed later: throttling, time-out, 5xx, a lost connection. `after`: seconds, if known."""

    def __init__(self, sentence: str, *, after: float | None = None, code: str = "", reference: str = "") -> None:
        super().__init__(sentence, code=code, reference=reference)
        self.after = after


class Permanent(ServiceError):
    """The same call fails again until somebody changes something outside: permission, quota, credentials."""


class Refused(ServiceError):
    """The world or a rule says no to this very change: a foreign record, another manager's field, policy, bad input."""
