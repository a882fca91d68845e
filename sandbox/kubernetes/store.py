"""Objects, their revisions, and the history that watches read."""

import copy
import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.status import Object, expired

Key = tuple[str, str]  #: namespace ("" for a cluster-scoped object) and name


@dataclass(frozen=True)
class Change:
    """One write. `old` is what was there before, so that a selector can tell who comes and who goes."""

    revision: int
    resource: Resource
    new: Object | None
    old: Object | None


class Store:
    """In memory, behind one lock. An object that was put in is never changed, only replaced."""

    def __init__(self, history: int) -> None:
        self.lock = threading.RLock()
        self.revision = 1
        self._objects: dict[str, dict[Key, Object]] = {}
        self._history: deque[Change] = deque()
        self._window = history
        self._floor = 0
        self._listeners: list[Callable[[], None]] = []

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        with self.lock:
            return copy.deepcopy(self._table(resource).get((namespace, name)))

    def objects(self, resource: Resource, namespace: str = "") -> list[Object]:
        """All objects of a namespace, or of all, in the order of their keys. To read only: they are not copies."""
        with self.lock:
            table = self._table(resource)
            return [table[key] for key in sorted(table) if not namespace or key[0] == namespace]

    def put(self, resource: Resource, obj: Object) -> Object:
        """Write an object under the next revision, and say so to the watches."""
        metadata = obj["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        with self.lock:
            old = self._table(resource).get(key)
            self.revision += 1
            stored = obj | {"metadata": {**metadata, "resourceVersion": str(self.revision)}}
            self._table(resource)[key] = stored
            self._record(Change(self.revision, resource, stored, old))
            return copy.deepcopy(stored)

    def delete(self, resource: Resource, obj: Object) -> None:
        """Remove an object. Watches see it last as it was stored last (with its finalizers), under a new revision."""
        metadata = obj["metadata"]
        with self.lock:
            last = self._table(resource).pop((metadata.get("namespace", ""), metadata["name"]))
            self.revision += 1
            self._record(Change(self.revision, resource, None, last))

    def since(self, revision: int) -> list[Change]:
        """All writes after a revision. Raises ApiError (410) when they are no longer known."""
        with self.lock:
            if revision < self._floor:
                raise expired(f"too old resource version: {revision} ({self._floor})")
            newest = itertools.takewhile(lambda change: change.revision > revision, reversed(self._history))
            return list(newest)[::-1]

    def compact(self) -> None:
        """Forget the history, as etcd does every five minutes: older watches and continued lists get 410."""
        with self.lock:
            self._history.clear()
            self._floor = self.revision

    def is_compacted(self, revision: int) -> bool:
        """Whether the state at a revision is no longer known."""
        return revision < self._floor

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener after each write, in the writer's thread; returns how to stop."""
        with self.lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _table(self, resource: Resource) -> dict[Key, Object]:
        return self._objects.setdefault(f"{resource.plural}.{resource.group}", {})

    def _record(self, change: Change) -> None:
        self._history.append(change)
        while len(self._history) > self._window:
            self._floor = self._history.popleft().revision
        for listener in list(self._listeners):
            listener()
