"""Loopback addresses for one sandbox, so that several can run on one machine side by side.

All of 127.0.0.0/8 is local on Linux. Slot k gives load balancers addresses from 127.k.10.1 on (design §8: 127.0.10.N
for the first) and pods 127.(16+k).0.N. A slot is held by a listening socket and is free again when the process ends.
"""

import socket
from dataclasses import dataclass

_SLOTS = 15
_LOCK_PORT = 8079


class NoSlotError(RuntimeError):
    """Fifteen sandboxes run already."""


@dataclass(frozen=True)
class Slot:
    """The addresses of one sandbox and the socket that holds them."""

    number: int
    lock: socket.socket

    @property
    def first_balancer(self) -> str:
        """Address of the first load balancer; the others follow."""
        return f"127.{self.number}.10.1"

    @property
    def pod_network(self) -> str:
        """The first three bytes of all pods' addresses."""
        return f"127.{16 + self.number}.0"

    def release(self) -> None:
        """Let another sandbox have it."""
        self.lock.close()


def take_slot() -> Slot:
    """The first free slot. Raises NoSlotError."""
    for number in range(_SLOTS):
        lock = socket.socket()
        try:
            lock.bind((f"127.{16 + number}.0.254", _LOCK_PORT))
            lock.listen(1)
        except OSError:
            lock.close()
        else:
            return Slot(number, lock)
    raise NoSlotError(f"{_SLOTS} sandboxes are running on this machine already.")
