"""EndpointSlices follow Services and pods: the decision as a table, the controller against the API stand-in."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from sandbox import endpoints
from sandbox.cluster_seed import cluster_manifests, seed_cluster
from sandbox.endpoints import EndpointSliceController, build_slices
from sandbox.faults import Faults
from sandbox.kubernetes.server import FAULTS as API_FAULTS
from sandbox.kubernetes.server import KubernetesStandIn

pytestmark = pytest.mark.sandbox


def service(selector: dict[str, str] | None, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A Service as the API would give it."""
    return {
        "metadata": {"name": "web", "namespace": "demo", "uid": "u1"},
        "spec": {"selector": selector, "ports": list(ports), **spec},
    }


def pod(name: str, address: str | None = "127.1.0.1", ready: str = "True", **changes: Any) -> dict[str, Any]:
    """A pod of app=web with a container port named http (8080)."""
    status = {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": ready}]}
    return {
        "metadata": {"name": name, "namespace": "demo", "labels": {"app": "web"}} | changes.get("metadata", {}),
        "spec": {"containers": [{"ports": changes.get("ports", [{"name": "http", "containerPort": 8080}])}]},
        "status": {key: value for key, value in status.items() if value is not None} | changes.get("status", {}),
    }


BY_NAME = {"name": "web", "port": 80, "targetPort": "http"}
BY_NUMBER = {"port": 443, "targetPort": 9000, "protocol": "TCP"}
Found = list[tuple[list[tuple[str, bool]], list[tuple[str, int]]]]


def summary(slices: list[dict[str, Any]]) -> Found:
    """Per slice: (address, ready) of each endpoint and (name, number) of each port."""
    return [
        (
            [(item["addresses"][0], item["conditions"]["ready"]) for item in found["endpoints"]],
            [(port["name"], port["port"]) for port in found["ports"]],
        )
        for found in slices
    ]


@pytest.mark.parametrize(
    ("wanted", "pods", "expected"),
    [
        (service({"app": "web"}, BY_NAME), [pod("a")], [([("127.1.0.1", True)], [("web", 8080)])]),
        (service({"app": "web"}, BY_NUMBER), [pod("a")], [([("127.1.0.1", True)], [("", 9000)])]),
        (service({"app": "web"}, {"port": 80}), [pod("a")], [([("127.1.0.1", True)], [("", 80)])]),
        (service({"app": "web"}, BY_NAME), [pod("a", ready="False")], [([("127.1.0.1", False)], [("web", 8080)])]),
        (
            service({"app": "web"}, BY_NAME, publishNotReadyAddresses=True),
            [pod("a", ready="False")],
            [([("127.1.0.1", True)], [("web", 8080)])],
        ),
        (
            service({"app": "web"}, BY_NAME),
            [pod("a", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})],
            [([("127.1.0.1", False)], [("web", 8080)])],
        ),
        (service({"app": "web"}, BY_NAME), [pod("a", None)], [([], [])]),
        (service({"app": "web"}, BY_NAME), [pod("a", status={"phase": "Failed"})], [([], [])]),
        (service({"app": "web", "tier": "front"}, BY_NAME), [pod("a")], [([], [])]),
        (service({"app": "web"}, BY_NAME), [], [([], [])]),
        (service(None, BY_NAME), [pod("a")], []),
        (service({"app": "web"}, BY_NAME), [pod("a", ports=[])], [([("127.1.0.1", True)], [])]),
        (
            service({"app": "web"}, BY_NAME),
            [pod("a"), pod("b", "127.1.0.2", ports=[{"name": "http", "containerPort": 9090}])],
            [([("127.1.0.1", True)], [("web", 8080)]), ([("127.1.0.2", True)], [("web", 9090)])],
        ),
    ],
)
def test_slices_of_a_service(wanted: dict[str, Any], pods: list[dict[str, Any]], expected: Found) -> None:
    """Matching pods with an address are listed with their readiness; named ports are resolved in each pod."""
    assert summary(build_slices(wanted, pods)) == expected


def test_the_result_does_not_depend_on_the_order_of_pods() -> None:
    """Equal input gives equal slices, names included, so that nothing is written twice."""
    pods = [pod("a"), pod("b", "127.1.0.2")]

    assert build_slices(service({"app": "web"}, BY_NAME), pods) == build_slices(
        service({"app": "web"}, BY_NAME), reversed(pods)
    )


class Cluster:
    """The API stand-in with the seeded demo cluster and the controller."""

    def __init__(self) -> None:
        self.faults = Faults([API_FAULTS, endpoints.FAULTS])
        self.server = KubernetesStandIn(self.faults)
        self.server.start()
        configuration = client.Configuration()
        config.load_kube_config_from_dict(yaml.safe_load(self.server.kubeconfig()), client_configuration=configuration)
        self.api = client.ApiClient(configuration)
        self.core, self.discovery = client.CoreV1Api(self.api), client.DiscoveryV1Api(self.api)
        self.controller = EndpointSliceController(self.api, self.faults)
        seed_cluster(self.api, cluster_manifests("127.5.5"))
        self.controller.start()

    def stop(self) -> None:
        self.controller.stop()
        self.api.rest_client.pool_manager.clear()
        self.server.stop()

    def slices(self, name: str, namespace: str = "demo") -> list[Any]:
        """The slices of a Service, as objects of the client."""
        selector = f"kubernetes.io/service-name={name}"
        found: list[Any] = self.discovery.list_namespaced_endpoint_slice(namespace, label_selector=selector).items
        return found

    def ready(self, name: str, namespace: str = "demo") -> list[str]:
        """Ready addresses of a Service."""
        return [
            endpoint.addresses[0]
            for item in self.slices(name, namespace)
            for endpoint in item.endpoints or []
            if endpoint.conditions.ready
        ]


def eventually(holds: Callable[[], bool], seconds: float = 8) -> bool:
    """Whether it comes to hold within some seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One cluster for all tests here; each uses a Service of its own or restores what it changed."""
    running = Cluster()
    yield running
    running.stop()


def test_the_seeded_services_have_their_pods(cluster: Cluster) -> None:
    """Seeding twice changes nothing, and every seeded Service gets the addresses of its ready pods with the port."""
    seed_cluster(cluster.api, cluster_manifests("127.5.5"))

    assert eventually(lambda: cluster.ready("demo") == ["127.5.5.1", "127.5.5.2"])
    assert eventually(lambda: cluster.ready("other") == ["127.5.5.3"])
    assert eventually(lambda: cluster.ready("cart", "shop") == ["127.5.5.4"])
    found = cluster.slices("demo")[0]
    assert [(port.name, port.port) for port in found.ports] == [("http", 8080)]
    assert found.metadata.owner_references[0].name == "demo"


def test_a_new_service_of_the_bot_gets_the_same_pods(cluster: Cluster) -> None:
    """A second Service with the same selector has slices of its own, which go when it goes."""
    body = {
        "metadata": {"name": "nlbtls-app"},
        "spec": {"selector": {"app": "demo"}, "ports": [{"name": "https", "port": 443, "targetPort": "http"}]},
    }
    cluster.core.create_namespaced_service("demo", body)
    assert eventually(lambda: cluster.ready("nlbtls-app") == ["127.5.5.1", "127.5.5.2"])

    cluster.core.delete_namespaced_service("nlbtls-app", "demo")
    assert eventually(lambda: cluster.slices("nlbtls-app") == [])


def test_a_pod_that_is_no_longer_ready_leaves(cluster: Cluster) -> None:
    """The Ready condition decides, in both directions."""

    def set_ready(status: str) -> None:
        cluster.core.patch_namespaced_pod_status(
            "cart-1",
            "shop",
            {"status": {"conditions": [{"type": "Ready", "status": status}]}},
            _content_type="application/merge-patch+json",
        )

    set_ready("False")
    assert eventually(lambda: cluster.ready("cart", "shop") == [])
    set_ready("True")
    assert eventually(lambda: cluster.ready("cart", "shop") == ["127.5.5.4"])


def test_a_deleted_slice_comes_back(cluster: Cluster) -> None:
    """What the controller owns it restores."""
    assert eventually(lambda: len(cluster.slices("other")) == 1)
    cluster.discovery.delete_namespaced_endpoint_slice(cluster.slices("other")[0].metadata.name, "demo")

    assert eventually(lambda: cluster.ready("other") == ["127.5.5.3"])


def test_f23_makes_all_pods_unready_until_it_is_switched_off(cluster: Cluster) -> None:
    """The fault reaches existing slices without any change in the cluster."""
    assert eventually(lambda: cluster.ready("demo") != [])
    cluster.faults.switch("F23", True)
    assert eventually(lambda: cluster.ready("demo") == [])
    cluster.faults.switch("F23", False)
    assert eventually(lambda: cluster.ready("demo") == ["127.5.5.1", "127.5.5.2"])
