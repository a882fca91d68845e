"""Faults that can be switched on by name in the running sandbox.

Each part of the sandbox exports a module-level mapping FAULTS (name -> one sentence) and asks `Faults.is_on(name)`
at the place where the fault would strike. Nothing here knows what a fault does.
"""

import threading
from collections.abc import Iterable, Mapping


class UnknownFaultError(ValueError):
    """The name is not one of the declared faults."""


class Faults:
    """The switches. Safe to use from several threads."""

    def __init__(self, declared: Iterable[Mapping[str, str]]) -> None:
        self.known: dict[str, str] = {}
        for mapping in declared:
            self.known.update(mapping)
        self._on: set[str] = set()
        self._lock = threading.Lock()

    def switch(self, name: str, on: bool) -> None:
        """Switch one fault. Raises UnknownFaultError for a name that no part declared."""
        if name not in self.known:
            raise UnknownFaultError(f"There is no fault {name!r}. Known: {', '.join(sorted(self.known))}.")
        with self._lock:
            (self._on.add if on else self._on.discard)(name)

    def is_on(self, name: str) -> bool:
        """Whether the fault strikes now."""
        with self._lock:
            return name in self._on
