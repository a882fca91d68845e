"""List, watch and work off: nothing is missed after a lapsed watch, and failures wait longer each time."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from sandbox.faults import Faults
from sandbox.informer import Informer, Key, Object, Worker, WorkQueue, key_of
from sandbox.kubernetes.server import FAULTS, KubernetesStandIn

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def faults() -> Faults:
    """The API server's faults."""
    return Faults([FAULTS])


@pytest.fixture(scope="module")
def core(faults: Faults) -> Iterator[Any]:
    """The official client at an API server."""
    server = KubernetesStandIn(faults)
    server.start()
    configuration = client.Configuration()
    config.load_kube_config_from_dict(yaml.safe_load(server.kubeconfig()), client_configuration=configuration)
    api = client.ApiClient(configuration)
    yield client.CoreV1Api(api)
    api.rest_client.pool_manager.clear()
    server.stop()


def eventually(holds: Callable[[], bool], seconds: float = 8) -> bool:
    """Whether it comes to hold within some seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Seen:
    """An informer on ConfigMaps that notes what it is told: (name, was there, is there)."""

    def __init__(self, list_call: Callable[..., Any]) -> None:
        self.changes: list[tuple[str, bool, bool]] = []
        self.informer = Informer(list_call, self._note)

    def _note(self, old: Object | None, new: Object | None) -> None:
        self.changes.append((key_of(new or old or {})[1], old is not None, new is not None))

    def __enter__(self) -> "Seen":
        self.informer.start()
        assert self.informer.wait_synced(8)
        return self

    def __exit__(self, *_: object) -> None:
        self.informer.stop()


def create(core: Any, name: str) -> None:
    core.create_namespaced_config_map("default", {"metadata": {"name": name}})


def change(core: Any, name: str) -> None:
    core.patch_namespaced_config_map(
        name, "default", {"data": {"a": "1"}}, _content_type="application/merge-patch+json"
    )


def test_tells_of_what_was_there_and_of_each_change(core: Any) -> None:
    """The first list counts as additions; then creation, change and deletion arrive once each, in order."""
    create(core, "before")
    with Seen(core.list_config_map_for_all_namespaces) as seen:
        create(core, "after")
        change(core, "after")
        core.delete_namespaced_config_map("after", "default")

        assert eventually(lambda: len(seen.changes) == 4)
        assert seen.changes == [
            ("before", False, True),
            ("after", False, True),
            ("after", True, True),
            ("after", True, False),
        ]
        assert seen.informer.get(("default", "before")) is not None
        assert [key_of(item) for item in seen.informer.all()] == [("default", "before")]
    core.delete_namespaced_config_map("before", "default")


def test_misses_nothing_when_watches_lapse(core: Any, faults: Faults) -> None:
    """Where each watch ends with 410 Gone, lists alone tell what came and what went; nothing is told twice."""
    watches = []

    def list_and_lapse(**query: Any) -> Any:
        if query.get("watch"):
            watches.append(query["resource_version"])
            query["resource_version"] = "1"  # long gone
        return core.list_config_map_for_all_namespaces(**query)

    create(core, "leaves")
    faults.switch("kubernetes-watch-expired", True)
    try:
        with Seen(list_and_lapse) as seen:
            create(core, "comes")
            core.delete_namespaced_config_map("leaves", "default")
            assert eventually(lambda: len(seen.changes) >= 3)
            before = len(watches)
            assert eventually(lambda: len(watches) >= before + 2)  # more lists pass
            assert sorted(seen.changes) == [
                ("comes", False, True),
                ("leaves", False, True),
                ("leaves", True, False),
            ]
    finally:
        faults.switch("kubernetes-watch-expired", False)
        core.delete_namespaced_config_map("comes", "default")


def test_outlives_an_outage(core: Any, faults: Faults) -> None:
    """An API server that answers 503 is asked again until it answers."""
    faults.switch("kubernetes-down", True)
    seen = Seen(core.list_config_map_for_all_namespaces)
    seen.informer.start()
    assert not seen.informer.wait_synced(0.2)
    faults.switch("kubernetes-down", False)

    assert seen.informer.wait_synced(8)
    seen.informer.stop()


class Clock:
    """Time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_name_is_queued_once_at_its_earliest_time() -> None:
    """Adding a waiting name again neither doubles nor postpones it."""
    clock = Clock()
    queue = WorkQueue(clock=clock)
    queue.add("slow", after=5)
    queue.add("twice", after=2)
    queue.add("twice", after=9)
    clock.now += 10

    assert [queue.take(), queue.take()] == ["twice", "slow"]
    queue.close()
    assert queue.take() is None


def test_failures_wait_twice_as_long_each_time_up_to_a_limit() -> None:
    """0.2, 0.4, 0.8 … 5 seconds; a success starts over."""
    clock = Clock()
    queue = WorkQueue(first=0.2, most=5.0, clock=clock)
    waits = []
    for _ in range(7):
        queue.again("name")
        waits.append(round(queue._due["name"] - clock.now, 3))
        clock.now += 100
        queue.take()
    queue.forget("name")
    queue.again("name")

    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert round(queue._due["name"] - clock.now, 3) == 0.2


def test_the_worker_repeats_until_it_succeeds() -> None:
    """False and errors that pass are tried again, True is the end of it."""
    queue, tries, done = WorkQueue(first=0.01), [], threading.Event()

    def reconcile(name: Key) -> bool:
        tries.append(name)
        if len(tries) == 1:
            raise OSError("connection refused")
        if len(tries) == 3:
            done.set()
        return len(tries) == 3

    worker = Worker("test", queue, reconcile, (OSError,))
    queue.add(("default", "web"))
    worker.start()
    assert done.wait(5)
    worker.stop()

    assert tries == [("default", "web")] * 3
