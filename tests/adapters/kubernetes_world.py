"""The Kubernetes stand-in with its switches, as the tests of the adapter and of its watch use it."""

from dataclasses import dataclass
from typing import Any

from sandbox.faults import Faults
from sandbox.kubernetes.server import KubernetesStandIn
from services.adapters.kubernetes import KubernetesCluster

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
SERVICE = "/api/v1/namespaces/{namespace}/services/{name}"


@dataclass
class KubernetesWorld:
    """A running API server and the bot's way to it."""

    stand_in: KubernetesStandIn
    faults: Faults
    cluster: KubernetesCluster

    def apply_as(self, manager: str, manifest: dict[str, Any]) -> None:
        """Server-side apply by somebody else."""
        names = {"namespace": manifest["metadata"]["namespace"], "name": manifest["metadata"]["name"]}
        self.cluster.api.apply(SERVICE, names, manifest, manager)

    def make(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Somebody else creates an object."""
        return self.stand_in.create(obj, manager="kubectl-create")


def manifest(name: str = "my-app", namespace: str = "default", **annotations: str) -> dict[str, Any]:
    """What the load balancer step applies, in short."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"nlbtls/installation": "test"},
            "annotations": {PREFIX + key: value for key, value in ({"type": "external"} | annotations).items()},
        },
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "my-app"},
            "loadBalancerSourceRanges": ["192.0.2.0/24"],
            "ports": [{"name": "https", "port": 443, "targetPort": 8080, "protocol": "TCP"}],
        },
    }
