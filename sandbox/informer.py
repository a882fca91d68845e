"""List, watch and work off: what a Kubernetes controller is made of, over the official client.

The stand-ins for controllers use it as client-go's informers and work queues are used by the real ones: a watch keeps
a store up to date and names what changed, a queue with one worker reconciles each name until that succeeds.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from kubernetes import watch
from kubernetes.client.rest import ApiException
from urllib3.exceptions import HTTPError

Object = Mapping[str, Any]  #: a Kubernetes object as its JSON says it
Key = tuple[str, ...]

log = logging.getLogger(__name__)

_GONE = 410
_WATCH_SECONDS = 300  #: the server ends a watch after this; it is resumed from the last resourceVersion
_PAUSE = 0.3  #: before a broken watch is tried again
_STOP_TRIES, _STOP_PAUSE = 50, 0.1


def key_of(item: Object) -> Key:
    """(namespace, name) of an object."""
    return (item["metadata"].get("namespace", ""), item["metadata"]["name"])


class Informer:
    """A local copy of one kind of object, kept in step by list and watch in a thread of its own.

    `on_change(old, new)` is called in that thread with None for "was not there" and for "is gone".
    """

    def __init__(
        self, list_call: Callable[..., Any], on_change: Callable[[Object | None, Object | None], None] | None = None
    ) -> None:
        self._list = list_call
        self._on_change = on_change or (lambda old, new: None)
        self._store: dict[Key, Object] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._synced = threading.Event()
        self._watch: Any = None
        self._thread = threading.Thread(target=self._run, name=f"watch {list_call.__name__}", daemon=True)

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch and wait for the thread."""
        self._stopping.set()
        for _ in range(_STOP_TRIES):
            if self._watch is not None:
                self._watch.stop()  # has no effect before the answer has begun: hence more than once
            self._thread.join(_STOP_PAUSE)
            if not self._thread.is_alive():
                break

    def wait_synced(self, timeout: float) -> bool:
        """Wait until the first list has arrived; False when it has not within timeout seconds."""
        return self._synced.wait(timeout)

    def get(self, key: Key) -> Object | None:
        """The object as last seen."""
        with self._lock:
            return self._store.get(key)

    def all(self) -> list[Object]:
        """Every object as last seen."""
        with self._lock:
            return list(self._store.values())

    def _run(self) -> None:
        version: str | None = None
        while not self._stopping.is_set():
            try:
                version = version or self._relist()
                version = self._follow(version)
            except ApiException as error:
                log.debug("watch failed: %s", error)
                if error.status == _GONE:
                    version = None
                self._stopping.wait(_PAUSE)
            except (HTTPError, OSError) as error:
                log.debug("watch broke: %s", error)
                self._stopping.wait(_PAUSE)

    def _relist(self) -> str:
        found = self._list(_preload_content=False).json()
        listed = {key_of(item): item for item in found["items"]}
        for key in set(self._store) - set(listed):
            self._apply(key, None)
        for key, item in listed.items():
            self._apply(key, item)
        self._synced.set()
        return str(found["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> str:
        stream = self._watch = watch.Watch(return_type="object")
        if self._stopping.is_set():  # stop() came before there was a watch that it could end
            return version
        for event in stream.stream(
            self._list, resource_version=version, timeout_seconds=_WATCH_SECONDS, allow_watch_bookmarks=True
        ):
            item = event["object"]
            version = item["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._apply(key_of(item), None if event["type"] == "DELETED" else item)
            if self._stopping.is_set():
                break
        return version

    def _apply(self, key: Key, new: Object | None) -> None:
        with self._lock:
            old = self._store.pop(key, None)
            if new is not None:
                self._store[key] = new
        unchanged = old and new and old["metadata"]["resourceVersion"] == new["metadata"]["resourceVersion"]
        if (old or new) and not unchanged:
            self._on_change(old, new)


class WorkQueue:
    """Names that are due at a time, each at most once. A name added again keeps the earlier time, as in client-go."""

    def __init__(self, first: float = 0.2, most: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._first, self._most, self._clock = first, most, clock
        self._due: dict[Hashable, float] = {}
        self._failures: dict[Hashable, int] = {}
        self._changed = threading.Condition()
        self._closed = False

    def add(self, name: Hashable, after: float = 0.0) -> None:
        """Make name due in `after` seconds."""
        with self._changed:
            due = self._clock() + after
            self._due[name] = min(due, self._due.get(name, due))
            self._changed.notify()

    def again(self, name: Hashable) -> None:
        """Make name due after a failure: the wait doubles with each one in a row."""
        failures = self._failures.get(name, 0)
        self._failures[name] = failures + 1
        self.add(name, min(self._first * 2**failures, self._most))

    def forget(self, name: Hashable) -> None:
        """Name succeeded: the next failure waits the first wait again."""
        self._failures.pop(name, None)

    def take(self) -> Hashable | None:
        """Wait for the next due name. None when the queue was closed."""
        with self._changed:
            while not self._closed:
                name = min(self._due, key=self._due.__getitem__, default=None)
                wait = None if name is None else self._due[name] - self._clock()
                if name is not None and wait is not None and wait <= 0:
                    del self._due[name]
                    return name
                self._changed.wait(wait)
        return None

    def close(self) -> None:
        """Wake and end whoever waits in take()."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Worker:
    """One thread that takes names from a queue and reconciles each until that says True.

    Exceptions of the kinds in `retry_on` count as failures that pass; others are bugs and end the thread loudly.
    """

    def __init__(
        self, name: str, queue: WorkQueue, reconcile: Callable[[Any], bool], retry_on: tuple[type[Exception], ...]
    ) -> None:
        self._queue, self._reconcile, self._retry_on = queue, reconcile, retry_on
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Close the queue and wait for the thread."""
        self._queue.close()
        self._thread.join(10)

    def _run(self) -> None:
        while (name := self._queue.take()) is not None:
            try:
                done = self._reconcile(name)
            except self._retry_on as error:
                log.info("%s: %s: %s", self._thread.name, name, error)
                done = False
            if done:
                self._queue.forget(name)
            else:
                self._queue.again(name)
