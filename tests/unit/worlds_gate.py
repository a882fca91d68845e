"""The clock of the world in memory and the gate that every call into it goes through."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.errors import Permanent, ServiceError, Transient

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REGION = "eu-west-1"
THROTTLED = Transient("AWS is slowing us down (Route 53).", code="Throttling")
DENIED = Permanent("AWS denies route53:ListHostedZones.", hint="Allow it in the bot's IAM policy.", code="AccessDenied")


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> datetime:
        """Move on by so many seconds, minutes, hours."""
        self.now += timedelta(**amount)
        return self.now


class Crash(BaseException):
    """The process dies here: nothing after it happens, nothing before it is undone."""


@dataclass
class Fault:
    """The nth call of an operation (and all after it, if it `lasts`) fails, before it has any effect."""

    operation: str
    error: ServiceError
    nth: int = 1
    lasts: bool = False


@dataclass
class Gate:
    """Every call goes through here: counted, failed, or the last one that the process ever made."""

    calls: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    before: dict[str, list[Callable[[], None]]] = field(default_factory=dict)  #: done once, just before the next call
    effects: list[str] = field(default_factory=list)
    points: int = 0
    crash_at: int | None = None  #: the point, counted from 1, after which the process is dead

    def enter(self, operation: str) -> None:
        """One call begins."""
        self.calls[operation] += 1
        for act in self.before.pop(operation, []):
            act()
        for fault in self.faults:
            seen = self.calls[operation]
            if fault.operation == operation and (seen == fault.nth or (fault.lasts and seen > fault.nth)):
                raise fault.error

    def effect(self, operation: str) -> None:
        """Something outside was changed."""
        self.effects.append(operation)
        self.point()

    def point(self) -> None:
        """A place where the process may die."""
        self.points += 1
        if self.crash_at is not None and self.points == self.crash_at:
            raise Crash(f"point {self.points}")

    def fail(self, operation: str, error: ServiceError, nth: int = 1, *, lasts: bool = False) -> None:
        """Let the nth call from now on fail."""
        self.faults.append(Fault(operation, error, self.calls[operation] + nth, lasts))

    def mend(self) -> None:
        """Nothing fails any more."""
        self.faults.clear()

    def aws_calls(self) -> int:
        """Calls to AWS so far."""
        return sum(n for operation, n in self.calls.items() if operation.startswith(("acm.", "route53.", "elbv2.")))
