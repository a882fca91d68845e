"""The watch over our own Services: against the stand-in, and against a server that misbehaves to the letter."""

import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.patches import MERGE
from sandbox.kubernetes.registry import Write
from services.adapters.kubernetes import connect
from services.adapters.kubernetes_watch import ServiceWatch
from tests.adapters.kubernetes_world import KubernetesWorld, manifest

pytestmark = pytest.mark.sandbox

Start = Callable[..., "Seen"]
EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


class Seen:
    """The calls that a watch makes."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, str]] = queue.Queue()
        self.watch: ServiceWatch
        self.fail_once = False

    def __call__(self, namespace: str, name: str) -> None:
        if self.fail_once:
            self.fail_once = False
            raise RuntimeError("the engine stumbled")
        self.calls.put((namespace, name))

    def next(self) -> str:
        """The name of the Service in the next call."""
        return self.calls.get(timeout=5)[1]

    def none_more(self) -> bool:
        """Whether nothing else was said."""
        return self.calls.empty()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts watches, and ends them."""
    running: list[ServiceWatch] = []

    def begin(installation: str = "test", **options: Any) -> Seen:
        seen = Seen()
        seen.watch = ServiceWatch(connect(timeout=2), installation, seen, **({"backoff": 0.01} | options))
        running.append(seen.watch)
        seen.watch.start()
        return seen

    yield begin
    for watch in running:
        watch.stop()


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within seconds."""
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.01)
    return False


def test_sees_what_is_there_and_what_comes(kubernetes_world: KubernetesWorld, start: Start) -> None:
    """One call for each Service that is there, one for each change and for the removal; foreign ones are not seen."""
    cluster = kubernetes_world.cluster
    cluster.apply(manifest("first"))
    seen = start()
    assert seen.next() == "first"
    assert eventually(lambda: seen.watch.healthy)
    foreign = manifest("foreign")
    foreign["metadata"]["labels"] = {"nlbtls/installation": "other"}
    cluster.apply(foreign)
    cluster.apply(manifest("second"))
    assert seen.next() == "second"
    _status(kubernetes_world, "second")
    assert seen.next() == "second"
    registry, resource = kubernetes_world.stand_in.registry, _services(kubernetes_world)
    registry.delete(resource, "default", "first", {}, dry_run=False)
    assert seen.next() == "first"
    assert seen.none_more()


def _services(world: KubernetesWorld) -> Any:
    return next(found for found in world.stand_in.registry.resources if found.plural == "services")


def _status(world: KubernetesWorld, name: str) -> None:
    """The controller writes the host name."""
    status = {"status": {"loadBalancer": {"ingress": [{"hostname": "k8s.elb.amazonaws.com"}]}}}
    write = Write("controller", subresource="status")
    world.stand_in.registry.patch(_services(world), "default", name, MERGE, status, write)


def test_outage_and_return(kubernetes_world: KubernetesWorld, start: Start) -> None:
    """While the server is away the watch is not healthy; afterwards nothing is missed and nothing said twice."""
    kubernetes_world.faults.switch("kubernetes-down", True)
    seen = start()
    time.sleep(0.1)
    assert not seen.watch.healthy
    assert seen.none_more()
    kubernetes_world.make(manifest("first"))
    kubernetes_world.faults.switch("kubernetes-down", False)
    assert seen.next() == "first"
    assert eventually(lambda: seen.watch.healthy)
    assert seen.none_more()


def test_expired_versions_lead_to_a_new_list(kubernetes_world: KubernetesWorld, start: Start) -> None:
    """While each watch ends with 410, lists still show what is new, and each Service once."""
    kubernetes_world.faults.switch("kubernetes-watch-expired", True)
    seen = start()
    kubernetes_world.make(manifest("first"))
    assert seen.next() == "first"
    kubernetes_world.make(manifest("second"))
    assert seen.next() == "second"
    time.sleep(0.1)
    assert seen.none_more()


def test_stop_is_prompt(kubernetes_world: KubernetesWorld, start: Start) -> None:
    """An open, silent connection does not hold the process up."""
    seen = start()
    assert eventually(lambda: seen.watch.healthy)
    began = time.monotonic()
    seen.watch.stop()
    assert time.monotonic() - began < 1
    assert not seen.watch.healthy
    seen.watch.stop()


def test_a_failing_listener_is_told_again(kubernetes_world: KubernetesWorld, start: Start) -> None:
    """What the listener raises does not end the watch, and the change is not lost."""
    seen = start()
    assert eventually(lambda: seen.watch.healthy)
    seen.fail_once = True
    kubernetes_world.make(manifest("first"))
    assert seen.next() == "first"


def _service(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name, "resourceVersion": version}}


def _list(version: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}, "items": list(items)}


def test_resumes_where_it_was(player: Any, kubeconfig: Callable[[str], Path], start: Start) -> None:
    """After the server's time limit from the last version (a bookmark's too), after 410 from a new list."""
    kubeconfig(player.url)
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "12"}}}
    player.plays(_list("10", _service("a", "9"), _service("b", "8")))
    player.plays([{"type": "MODIFIED", "object": _service("a", "11")}, bookmark])
    player.plays([EXPIRED])
    player.plays(_list("20", _service("a", "11"), _service("c", "15")))
    player.plays([], hold=True)
    seen = start(seconds=30)
    assert [seen.next() for _ in range(5)] == ["a", "b", "a", "b", "c"]
    assert eventually(lambda: len(player.asked) == 5)
    queries = [asked.query for asked in player.asked]
    assert [query.get("resourceVersion") for query in queries] == [None, "10", "12", None, "20"]
    assert {query["labelSelector"] for query in queries} == {"nlbtls/installation=test"}
    assert queries[1]["timeoutSeconds"] == "30"
    assert queries[1]["allowWatchBookmarks"] == "true"


def test_waits_longer_after_each_failure(player: Any, kubeconfig: Callable[[str], Path], start: Start) -> None:
    """A server that only fails is asked less and less often, up to the longest pause."""
    kubeconfig(player.url)
    for _ in range(100):
        player.plays("no", status=500)
    seen = start(backoff=0.02, longest=0.2)
    time.sleep(0.5)
    seen.watch.stop()
    assert 2 <= len(player.asked) <= 7  # at 0, 20, 60, 140, 300, 500 ms


def test_half_a_line_is_not_taken(player: Any, kubeconfig: Callable[[str], Path], start: Start) -> None:
    """Rubbish from a proxy is a failure to be tried again, and ends nothing."""
    kubeconfig(player.url)
    player.plays(_list("10")).plays("<html>").plays([{"type": "ADDED", "object": _service("a", "11")}], hold=True)
    seen = start()
    assert seen.next() == "a"
