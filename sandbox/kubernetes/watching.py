"""Watches: the changes since a revision, and then as they happen."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.selectors import Test
from sandbox.kubernetes.status import ApiError, Object
from sandbox.kubernetes.store import Change, Store

BOOKMARK_SECONDS = 60.0  #: how often a quiet watch that allows bookmarks gets one


@dataclass(frozen=True)
class Selection:
    """What a watch wants to see."""

    resource: Resource
    namespace: str
    matches: Test

    def event(self, change: Change) -> tuple[str, Object] | None:
        """The change as this watch sees it: an object that stops matching is gone for it."""
        old, new = self._seen(change.old), self._seen(change.new)
        if change.resource != self.resource or (old is None and new is None):
            return None
        if new is None and old is not None:
            version = {"resourceVersion": str(change.revision)}
            return "DELETED", old | {"metadata": {**old["metadata"], **version}}
        assert new is not None  # noqa: S101 - said for the type checker
        return ("ADDED" if old is None else "MODIFIED"), new

    def _seen(self, obj: Object | None) -> Object | None:
        if obj is None or (self.namespace and obj["metadata"].get("namespace") != self.namespace):
            return None
        return obj if self.matches(obj) else None


@dataclass(frozen=True)
class WatchOptions:
    """As the query said it. Without a revision (or with "0") the watch begins with what exists."""

    revision: str = ""
    timeout: float = 1800.0
    bookmarks: bool = False
    initial_events: bool = False


class Watcher:
    """Streams one watch. Runs in the server's loop; the store may be written from any thread."""

    def __init__(self, store: Store, closing: asyncio.Event) -> None:
        self._store = store
        self._closing = closing

    async def events(self, wanted: Selection, options: WatchOptions) -> AsyncIterator[tuple[str, Object]]:
        """(type, object) until the timeout, the end of the server, or an ERROR event (410: too old)."""
        loop = asyncio.get_running_loop()
        wake = asyncio.Event()
        end = loop.time() + options.timeout

        def ring() -> None:
            loop.call_soon_threadsafe(wake.set)

        stop_listening = self._store.listen(ring)
        closing = asyncio.create_task(self._closing.wait())
        try:
            revision, initial = self._begin(wanted, options)
            for event in initial:
                yield event
            while not self._closing.is_set() and (left := end - loop.time()) > 0:
                wake.clear()
                for change in self._store.since(revision):
                    revision = change.revision
                    if event_now := wanted.event(change):
                        yield event_now
                quiet = not await self._pause(wake, closing, min(left, BOOKMARK_SECONDS))
                if quiet and options.bookmarks and loop.time() < end:
                    yield _bookmark(wanted.resource, revision)
        except ApiError as error:
            yield "ERROR", error.status()
        finally:
            stop_listening()
            closing.cancel()

    def _begin(self, wanted: Selection, options: WatchOptions) -> tuple[int, list[tuple[str, Object]]]:
        with self._store.lock:
            if options.revision not in ("", "0") and not options.initial_events:
                return int(options.revision), []
            found = self._store.objects(wanted.resource, wanted.namespace)
            events = [("ADDED", obj) for obj in found if wanted.matches(obj)]
            if options.initial_events and options.bookmarks:
                events.append(_bookmark(wanted.resource, self._store.revision, initial=True))
            return self._store.revision, events

    async def _pause(self, wake: asyncio.Event, closing: "asyncio.Task[bool]", seconds: float) -> bool:
        """Wait for a write; False when there was none in time."""
        waiting = asyncio.create_task(wake.wait())
        await asyncio.wait({waiting, closing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return wake.is_set() or closing.done()


def _bookmark(resource: Resource, revision: int, *, initial: bool = False) -> tuple[str, Object]:
    metadata: Object = {"resourceVersion": str(revision)}
    if initial:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return "BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}


def line(kind: str, obj: Object, shown: Callable[[Object], Object]) -> bytes:
    """One event on the wire; `shown` may turn the object into a Table."""
    payload = obj if kind == "ERROR" else shown(obj)
    return json.dumps({"type": kind, "object": payload}, separators=(",", ":")).encode() + b"\n"
