"""Permissions that lapse: trigger ids (once, 3 seconds) and response URLs (five uses, 30 minutes)."""

import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass

TRIGGER_SECONDS = 3.0
RESPONSE_USES = 5
RESPONSE_SECONDS = 30 * 60.0


class LapsedError(Exception):
    """The ticket is unknown, used up or too old; says Slack's code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class _Trigger:
    user: str
    until: float
    used: bool = False


@dataclass
class ResponseTicket:
    """What a response URL leads to: a person, a place, and the message that was acted on, if one was."""

    user: str
    channel: str
    until: float
    message_ts: str | None = None
    uses_left: int = RESPONSE_USES


class Tickets:
    """All trigger ids and response URLs that were handed out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._triggers: dict[str, _Trigger] = {}
        self._responses: dict[str, ResponseTicket] = {}
        self._numbers = itertools.count(1_000_000_000_001)

    def trigger(self, user: str) -> str:
        """A trigger id for what that person just did."""
        trigger_id = f"{next(self._numbers)}.1000000000001.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = _Trigger(user, self._clock() + TRIGGER_SECONDS)
        return trigger_id

    def exchange(self, trigger_id: str) -> str:
        """Use a trigger id up; the person whose it was. Raises LapsedError."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise LapsedError("invalid_trigger_id")
        if trigger.used:
            raise LapsedError("exchanged_trigger_id")
        if self._clock() > trigger.until:
            raise LapsedError("expired_trigger_id")
        trigger.used = True
        return trigger.user

    def response(self, user: str, channel: str, message_ts: str | None = None) -> str:
        """The secret part of a new response URL."""
        secret = secrets.token_hex(12)
        self._responses[secret] = ResponseTicket(user, channel, self._clock() + RESPONSE_SECONDS, message_ts)
        return secret

    def respond(self, secret: str) -> ResponseTicket:
        """Use a response URL once. Raises LapsedError."""
        ticket = self._responses.get(secret)
        if ticket is None:
            raise LapsedError("invalid_url")
        if self._clock() > ticket.until:
            raise LapsedError("expired_url")
        if ticket.uses_left == 0:
            raise LapsedError("used_url")
        ticket.uses_left -= 1
        return ticket
