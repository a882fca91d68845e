"""A watch over the bot's own Services in one cluster, so that nobody has to poll for a load balancer's host name."""

import threading
from collections.abc import Callable
from contextlib import closing

import structlog

from services.adapters.kubernetes import KubernetesCluster, selector
from services.adapters.kubernetes_api import WatchStream
from services.adapters.kubernetes_errors import Body, of_status
from services.errors import ServiceError

INSTALLATION_LABEL = "nlbtls/installation"
_SERVICES = "/api/v1/services"

log = structlog.get_logger(__name__)


class ServiceWatch:
    """Calls `on_change(namespace, name)` from a thread of its own: once for each Service that is there, then for each
    change and removal. A call is a hint to look again; after a gap there may be too many, never too few.

    It never ends by itself: what fails is logged and tried again, after `backoff` seconds, doubled up to `longest`.
    """

    def __init__(
        self,
        cluster: KubernetesCluster,
        installation: str,
        on_change: Callable[[str, str], None],
        *,
        seconds: int = 240,
        backoff: float = 1.0,
        longest: float = 60.0,
    ) -> None:
        self._api = cluster.api
        self._query = {"labelSelector": selector({INSTALLATION_LABEL: installation})}
        self._on_change = on_change
        self._seconds, self._backoff, self._longest = seconds, backoff, longest
        self._known: dict[tuple[str, str], str] = {}
        self._version = ""  #: where to resume; empty: list first
        self._stream: WatchStream | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="service-watch", daemon=True)
        self.healthy = False  #: whether changes are being seen right now

    def start(self) -> None:
        """Begin, in a daemon thread. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End promptly: the open connection is shut. Safe to call twice, and before start."""
        with self._lock:
            self._stopped.set()
            stream = self._stream
        if stream:
            stream.shut()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            try:
                if not self._version:
                    self._list()
                quiet, failures = not self._follow(), 0
            except ServiceError as error:
                quiet, failures = False, failures + 1
                self._failed(error)
            except Exception:  # a watch that died silently would be worse than any single error
                quiet, failures = False, failures + 1
                self._lost()
                log.exception("service watch failed unexpectedly")
            if quiet or failures:  # quiet: the server ended it at once, perhaps; do not spin
                self._stopped.wait(min(self._longest, self._backoff * 2 ** max(0, failures - 1)))
        self.healthy = False

    def _list(self) -> None:
        """See what is there, and say what differs from what was known before the gap."""
        listing = self._api.items(_SERVICES, {}, self._query)
        found = {_key(item): item for item in listing.items}
        for key in self._known.keys() - found.keys():
            self._changed(key, "")
        for key, item in found.items():
            version = item["metadata"].get("resourceVersion", "")
            if self._known.get(key) != version:
                self._changed(key, version)
        self._version = listing.version

    def _follow(self) -> bool:
        """Take events until the server ends the watch; whether there were any."""
        query = {**self._query, "resourceVersion": self._version}
        stream = self._api.watch(_SERVICES, {}, query, seconds=self._seconds)
        with self._lock:
            self._stream = stream
            if self._stopped.is_set():
                stream.shut()
        self.healthy = True
        any_came = False
        with closing(stream.events()) as events:
            for event in events:
                self._take(event)
                any_came = True
        return any_came

    def _take(self, event: Body) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            raise of_status(item)
        version = item["metadata"]["resourceVersion"]
        if event["type"] != "BOOKMARK":
            self._changed(_key(item), "" if event["type"] == "DELETED" else version)
        self._version = version

    def _changed(self, key: tuple[str, str], version: str) -> None:
        """Tell, then remember: were it the other way round, a failed call would never be made again."""
        self._on_change(*key)
        if version:
            self._known[key] = version
        else:
            self._known.pop(key, None)

    def _failed(self, error: ServiceError) -> None:
        self.healthy = False
        if error.code == "Expired":  # older than what the server remembers: only a new list helps
            self._version = ""
        else:
            log.warning("service watch interrupted", error=error.sentence, code=error.code)

    def _lost(self) -> None:
        self.healthy = False
        self._version = ""


def _key(item: Body) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]
