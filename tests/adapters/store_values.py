"""Values and a clock for the tests of the store."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.model import Endpoint, EndpointState, Event, Facts, Request

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class SetClock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default=NOON)

    def __call__(self) -> datetime:
        return self.now


def an_endpoint(id_: str = "e1", hostname: str = "app.example.com", **more: Any) -> Endpoint:
    """An endpoint that nothing is known of yet."""
    values = {"state": EndpointState.PENDING, "generation": 1, "spec": None, "facts": Facts(), "created_at": NOON}
    return Endpoint(id=id_, hostname=hostname, **{**values, **more})


def a_request(id_: str = "r1", hostname: str = "app.example.com", endpoint_id: str = "e1", **more: Any) -> Request:
    """A request as it is first written."""
    values = {"generation": 1, "requester": "U1", "channel": "C1", "created_at": NOON}
    return Request(id=id_, endpoint_id=endpoint_id, hostname=hostname, **{**values, **more})


def an_event(kind: str = "created", **data: Any) -> Event:
    """A line of the record."""
    return Event(kind, NOON, "U1", data)
