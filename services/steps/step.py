"""The shape of a rung, and what every rung is told about a request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from services.errors import ServiceError
from services.model import Act, Decision, Facts, Spec

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Item:
    """One request as a rung sees it."""

    request_id: str
    endpoint_id: str
    generation: int
    spec: Spec
    facts: Facts
    since: datetime  #: when this rung was reached
    now: datetime
    kept_certificate: str = ""  #: ARN that the endpoint uses already


class Step(Protocol):
    """A rung: observe the world for many requests at once, decide for each, act on the one decided change."""

    name: str

    def observe(self, batch: Sequence[Item]) -> Mapping[str, Any]:
        """What is there, by request id; a ServiceError as the value where the look for one request failed.

        Raises ServiceError if the look failed for all of them.
        """
        ...

    def decide(self, item: Item, seen: Any) -> Decision:
        """Pure: from what was seen to what comes next."""
        ...

    def act(self, batch: Sequence[tuple[Item, Act]]) -> Mapping[str, Facts | ServiceError]:
        """Make the changes; what is known after each, or why it was not made."""
        ...


def each(batch: Sequence[Item], look: Callable[[Item], Seen]) -> dict[str, Seen | ServiceError]:
    """One look for each request, by request id; the error as the value where a look failed."""
    seen: dict[str, Seen | ServiceError] = {}
    for item in batch:
        try:
            seen[item.request_id] = look(item)
        except ServiceError as error:
            seen[item.request_id] = error
    return seen


def pace(age: timedelta) -> timedelta:
    """How long until the next look at something that has been under way for `age` (domain.md §7b, quicker at first)."""
    for limit, pause in ((30, 1), (60, 3), (300, 15), (3600, 60)):
        if age < timedelta(seconds=limit):
            return timedelta(seconds=pause)
    return timedelta(minutes=10)
