"""What stands in the demo cluster before anybody asks for anything."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernetes import client
from kubernetes.client.rest import ApiException

NETWORK = "127.1.0"  #: pods have real loopback addresses, so that the data plane can reach the demo backend
OWNER = "kubectl-create"  #: field manager of everything here: a person with kubectl, not the bot
CONTAINER_PORT = 8080

_CONFLICT = 409
_STARTED = "2026-01-01T00:00:00Z"

Manifest = dict[str, Any]


def cluster_manifests(network: str = NETWORK, container_port: int = CONTAINER_PORT) -> list[Manifest]:
    """Namespaces, Services and running pods, in an order in which they can be created.

    `network` is the first three bytes of the pods' addresses; tests that run side by side choose different ones.
    """
    apps = (("demo", "demo", 2), ("demo", "other", 1), ("shop", "cart", 1))
    manifests = [_namespace(name) for name in ("default", "kube-system", "demo", "shop")]
    manifests += [_service(namespace, app) for namespace, app, _ in apps]
    host = 0
    for namespace, app, replicas in apps:
        for replica in range(1, replicas + 1):
            host += 1
            manifests.append(_pod(namespace, app, replica, f"{network}.{host}", container_port))
    return manifests


def pods(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The pods among them."""
    return [manifest for manifest in manifests if manifest["kind"] == "Pod"]


def seed_cluster(api_client: Any, manifests: Iterable[Manifest] | None = None) -> None:
    """Create them through the API. What exists already stays as it is, so a cluster can be seeded twice."""
    core = client.CoreV1Api(api_client)
    for manifest in cluster_manifests() if manifests is None else manifests:
        try:
            _create(core, manifest)
        except ApiException as error:
            if error.status != _CONFLICT:
                raise


def _create(core: Any, manifest: Mapping[str, Any]) -> None:
    name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace")
    if manifest["kind"] == "Namespace":
        core.create_namespace(manifest, field_manager=OWNER)
    elif manifest["kind"] == "Service":
        core.create_namespaced_service(namespace, manifest, field_manager=OWNER)
    else:
        core.create_namespaced_pod(namespace, manifest, field_manager=OWNER)
        # An API server drops the status of a new object: it is written afterwards, as the kubelet does.
        core.patch_namespaced_pod_status(
            name,
            namespace,
            {"status": manifest["status"]},
            field_manager="kubelet",
            _content_type="application/merge-patch+json",
        )


def _namespace(name: str) -> Manifest:
    labels = {"kubernetes.io/metadata.name": name}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _service(namespace: str, app: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": app, "namespace": namespace, "labels": {"app": app}},
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": app},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"}],
        },
    }


def _pod(namespace: str, app: str, replica: int, address: str, container_port: int) -> Manifest:
    ready = [
        {"type": kind, "status": "True", "lastTransitionTime": _STARTED}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{app}-{replica}", "namespace": namespace, "labels": {"app": app}},
        "spec": {
            "nodeName": "sandbox-node-1",
            "containers": [
                {
                    "name": app,
                    "image": f"example.com/{app}:1",
                    "ports": [{"name": "http", "protocol": "TCP", "containerPort": container_port}],
                }
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": _STARTED,
            "conditions": ready,
        },
    }
