"""What every replaced moto backend needs to know, and how it comes to know it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.authority import Authority
from sandbox.delays import Delays
from sandbox.faults import Faults

ACCOUNT = "123456789012"


@dataclass
class World:
    """Clock, delays, faults and DNS of one running stand-in. The lock guards the state of all backends."""

    delays: Delays
    faults: Faults
    resolve_cname: Callable[[str], str | None]
    clock: Callable[[], float]
    addresses: Callable[[], str]  #: gives the next free loopback address
    authority: Authority = field(default_factory=Authority)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def moment(self, seconds: float | None = None) -> datetime:
        """A clock reading (now, if none is given) as an aware datetime."""
        return datetime.fromtimestamp(self.clock() if seconds is None else seconds, UTC)


def bind(backend: type, world: World) -> Any:
    """A subclass of a backend that knows its world. moto makes backends itself, with region and account only."""
    return type(backend.__name__, (backend,), {"world": world, "__module__": backend.__module__})
