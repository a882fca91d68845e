"""A place beside the stand-ins from which each call is seen twice: before it is carried out, and before it is answered.

For tests that end a client at exactly such a moment, or change the world there. The hook runs in the stand-in's own
thread and holds the call up for as long as it takes; it must not ask the same stand-in over HTTP where that has but
one thread (Kubernetes, Slack).
"""

from collections.abc import Callable
from enum import StrEnum


class Phase(StrEnum):
    """Which of the two moments."""

    BEFORE = "before"  #: nothing came of the call yet
    AFTER = "after"  #: carried out; its answer is not on its way yet


class CallLost(Exception):
    """Raised by a hook before a call: it is not carried out. Its caller, if it still lives, is answered with 503."""


#: Told of service ("acm", "kubernetes", "slack" …), operation ("RequestCertificate", "apply services",
#: "chat.postMessage" …) and phase.
OnCall = Callable[[str, str, Phase], None]


def nobody(service: str, operation: str, phase: Phase) -> None:
    """The hook where nobody looks."""
