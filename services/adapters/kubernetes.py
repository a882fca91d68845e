"""Kubernetes: Services, their events and their ready endpoints in one cluster."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.adapters.kubernetes_api import Api, connect_client
from services.adapters.kubernetes_errors import Body
from services.model import FIELD_MANAGER
from services.ports import ControllerEvent, Service, ServicePort

_SERVICES = "/api/v1/services"
_SERVICES_OF = "/api/v1/namespaces/{namespace}/services"
_SERVICE = "/api/v1/namespaces/{namespace}/services/{name}"
_NAMESPACES = "/api/v1/namespaces"
_EVENTS = "/api/v1/namespaces/{namespace}/events"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
_DAWN = datetime.min.replace(tzinfo=UTC)


def connect(context: str | None = None, *, timeout: float = 10.0) -> "KubernetesCluster":
    """The cluster of a kubeconfig's context (None: its current one), else the one that the bot runs in.

    `timeout` is in seconds and holds for every call. Nothing is asked of the server yet. Raises Permanent.
    """
    return KubernetesCluster(Api(connect_client(context), timeout=timeout))


class KubernetesCluster:
    """Implements services.ports.Cluster."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def namespaces(self) -> Sequence[str]:
        """Names of all namespaces."""
        return [item["metadata"]["name"] for item in self.api.items(_NAMESPACES, {}, {}).items]

    def services(self, namespace: str | None = None, *, labels: Mapping[str, str] | None = None) -> Sequence[Service]:
        """Services of one namespace, or of all; filtered by exact labels."""
        query = {"labelSelector": selector(labels)} if labels else {}
        if namespace is None:
            return [service_of(item) for item in self.api.items(_SERVICES, {}, query).items]
        return [service_of(item) for item in self.api.items(_SERVICES_OF, {"namespace": namespace}, query).items]

    def service(self, namespace: str, name: str) -> Service | None:
        """One Service; None if it or its namespace does not exist."""
        found = self.api.get(_SERVICE, {"namespace": namespace, "name": name})
        return service_of(found) if found else None

    def apply(self, manifest: Mapping[str, Any]) -> Service:
        """Server-side apply of a Service with field manager nlbtls, never forced.

        Refused(code="Conflict") names field and manager, Refused(code="Invalid") the faulty field,
        Refused(code="NotFound") the missing namespace, Refused(code="Denied") the webhook that said no.
        """
        metadata = manifest["metadata"]
        names = {"namespace": metadata["namespace"], "name": metadata["name"]}
        return service_of(self.api.apply(_SERVICE, names, manifest, FIELD_MANAGER))

    def events(self, service: Service) -> Sequence[ControllerEvent]:
        """Events about this very object (by uid), oldest first. Kubernetes keeps them for an hour by default."""
        query = {"fieldSelector": f"involvedObject.uid={service.uid}"}
        found = [_event(item) for item in self.api.items(_EVENTS, {"namespace": service.namespace}, query).items]
        return sorted(found, key=lambda event: event.at or _DAWN)

    def ready_addresses(self, namespace: str, service: str) -> frozenset[str]:
        """Addresses of the ready endpoints of a Service, over all its EndpointSlices."""
        query = {"labelSelector": f"kubernetes.io/service-name={service}"}
        slices = self.api.items(_SLICES, {"namespace": namespace}, query).items
        return frozenset(
            address
            for item in slices
            for endpoint in item.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready") is not False  # the API's rule: unknown is ready
            for address in endpoint["addresses"]
        )


def selector(labels: Mapping[str, str]) -> str:
    """Exact labels as a label selector."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def service_of(item: Body) -> Service:
    """A Service as the API server writes it."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    ingress = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return Service(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        type=spec.get("type", "ClusterIP"),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        selector=spec.get("selector") or {},
        ports=tuple(_port(port) for port in spec.get("ports") or ()),
        source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()),
        load_balancer_class=spec.get("loadBalancerClass") or "",
        load_balancer_hostname=next((entry["hostname"].lower() for entry in ingress if entry.get("hostname")), ""),
        deleting="deletionTimestamp" in metadata,
    )


def _port(port: Body) -> ServicePort:
    return ServicePort(
        port=port["port"],
        target_port=str(port.get("targetPort") or port["port"]),
        name=port.get("name") or "",
        protocol=port.get("protocol") or "TCP",
    )


def _event(item: Body) -> ControllerEvent:
    # Which field holds the time depends on the library that the controller writes its events with.
    at = (
        (item.get("series") or {}).get("lastObservedTime")
        or item.get("lastTimestamp")
        or item.get("eventTime")
        or item.get("firstTimestamp")
        or item["metadata"].get("creationTimestamp")
    )
    return ControllerEvent(
        type=item.get("type") or "",
        reason=item.get("reason") or "",
        message=item.get("message") or "",
        at=datetime.fromisoformat(at).astimezone(UTC) if at else None,
    )
