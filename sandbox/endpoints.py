"""Stand-in for the EndpointSlice controller: keeps the addresses of a Service's pods in EndpointSlices."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from kubernetes import client
from kubernetes.client.rest import ApiException
from urllib3.exceptions import HTTPError

from sandbox.faults import Faults
from sandbox.informer import Informer, Key, Object, Worker, WorkQueue, key_of

FAULTS: Mapping[str, str] = {
    "F23": "No pod is ready: EndpointSlices list all addresses as not ready, and targets leave the target groups.",
}

MANAGER = "endpointslice-controller.k8s.io"
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"

_FAULT_CHECK = "faults"  #: the queue's name for "look whether a fault was switched"
_FAULT_CHECK_SECONDS = 0.5
_NOT_FOUND, _CONFLICT = 404, 409


def build_slices(service: Object, pods: Iterable[Object], *, none_ready: bool = False) -> list[dict[str, Any]]:
    """The EndpointSlices of a Service over all pods of its namespace.

    One slice for each distinct set of resolved ports (a named target port may differ from pod to pod), and one empty
    slice where no pod matches. A Service without a selector has none: its endpoints are somebody else's.
    """
    selector = service["spec"].get("selector")
    if not selector:
        return []
    groups: dict[tuple[tuple[str, str, int], ...], list[dict[str, Any]]] = defaultdict(list)
    for pod in sorted(pods, key=key_of):
        if _matches(selector, pod) and _has_address(pod):
            groups[_resolve_ports(service, pod)].append(_endpoint(service, pod, none_ready))
    return [_slice(service, ports, endpoints) for ports, endpoints in (groups or {(): []}).items()]


def _matches(selector: Mapping[str, str], pod: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _has_address(pod: Object) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def _resolve_ports(service: Object, pod: Object) -> tuple[tuple[str, str, int], ...]:
    """(name, protocol, number) of each Service port in this pod; a named port that the pod lacks is left out."""
    named = {
        (port.get("name"), port.get("protocol", "TCP")): int(port["containerPort"])
        for container in pod["spec"].get("containers", [])
        for port in container.get("ports") or []
    }
    resolved = []
    for port in service["spec"].get("ports") or []:
        protocol, target = port.get("protocol", "TCP"), port.get("targetPort", port["port"])
        number = int(target) if str(target).isdecimal() else named.get((target, protocol))
        if number is not None:
            resolved.append((port.get("name", ""), protocol, number))
    return tuple(resolved)


def _endpoint(service: Object, pod: Object, none_ready: bool) -> dict[str, Any]:
    metadata, status = pod["metadata"], pod["status"]
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions") or []}
    serving = conditions.get("Ready") == "True" and not none_ready
    terminating = bool(metadata.get("deletionTimestamp"))
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    reference = {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"]}
    if metadata.get("uid"):
        reference["uid"] = metadata["uid"]
    endpoint = {
        "addresses": [status["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": reference,
    }
    if pod["spec"].get("nodeName"):
        endpoint["nodeName"] = pod["spec"]["nodeName"]
    return endpoint


def _slice(service: Object, ports: tuple[tuple[str, str, int], ...], endpoints: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = service["metadata"]
    digest = hashlib.sha256(repr((metadata.get("uid"), ports)).encode()).hexdigest()
    owner = {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata.get("uid", "")}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name']}-{digest[:5]}",
            "namespace": metadata["namespace"],
            "labels": {SERVICE_LABEL: metadata["name"], MANAGED_BY_LABEL: MANAGER},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": name, "protocol": protocol, "port": number} for name, protocol, number in ports],
    }


class EndpointSliceController:
    """Runs beside the API server until it is stopped. `api_client` is an ApiClient of the official client."""

    def __init__(self, api_client: Any, faults: Faults) -> None:
        core, self._discovery = client.CoreV1Api(api_client), client.DiscoveryV1Api(api_client)
        self._faults, self._none_ready = faults, faults.is_on("F23")
        self._queue = WorkQueue()
        self._services = Informer(core.list_service_for_all_namespaces, self._service_changed)
        self._pods = Informer(core.list_pod_for_all_namespaces, self._pod_changed)
        self._slices = Informer(self._discovery.list_endpoint_slice_for_all_namespaces, self._slice_changed)
        self._worker = Worker("endpoint slices", self._queue, self._reconcile, (ApiException, HTTPError, OSError))

    def start(self) -> None:
        """Begin to watch and to write."""
        for informer in (self._pods, self._slices, self._services):
            informer.start()
            informer.wait_synced(10)
        self._queue.add(_FAULT_CHECK)
        self._worker.start()

    def stop(self) -> None:
        """End all threads."""
        self._worker.stop()
        for informer in (self._services, self._slices, self._pods):
            informer.stop()

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        self._queue.add(key_of(new or old or {}))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        labels = metadata.get("labels") or {}
        if labels.get(MANAGED_BY_LABEL) == MANAGER:  # somebody may have edited or deleted what is ours
            self._queue.add((metadata["namespace"], labels.get(SERVICE_LABEL, "")))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for service in self._services.all():
            selector = service["spec"].get("selector")
            for pod in (old, new):
                same_namespace = pod and pod["metadata"]["namespace"] == service["metadata"]["namespace"]
                if pod and same_namespace and selector and _matches(selector, pod):
                    self._queue.add(key_of(service))

    def _reconcile(self, key: Key | str) -> bool:
        if isinstance(key, str):
            self._check_fault()
            return True
        service = self._services.get(key)
        namespace, name = key
        pods = [pod for pod in self._pods.all() if pod["metadata"]["namespace"] == namespace]
        wanted = build_slices(service, pods, none_ready=self._none_ready) if service else []
        existing = {
            item["metadata"]["name"]: item
            for item in self._slices.all()
            if item["metadata"]["namespace"] == namespace and (item["metadata"].get("labels") or {}).items()
            >= {SERVICE_LABEL: name, MANAGED_BY_LABEL: MANAGER}.items()
        }  # fmt: skip
        for item in wanted:
            self._write(item, existing.pop(item["metadata"]["name"], None))
        for surplus in existing:
            self._delete(namespace, surplus)
        return True

    def _check_fault(self) -> None:
        if self._faults.is_on("F23") != self._none_ready:
            self._none_ready = not self._none_ready
            for service in self._services.all():
                self._queue.add(key_of(service))
        self._queue.add(_FAULT_CHECK, _FAULT_CHECK_SECONDS)

    def _write(self, wanted: dict[str, Any], existing: Object | None) -> None:
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        if existing is None:
            try:
                self._discovery.create_namespaced_endpoint_slice(namespace, wanted, field_manager=MANAGER)
                return
            except ApiException as error:
                if error.status != _CONFLICT:  # else the watch is behind our own create: write over it
                    raise
        elif all((existing.get(field) or []) == wanted[field] for field in ("endpoints", "ports")):
            return
        self._discovery.patch_namespaced_endpoint_slice(
            name,
            namespace,
            {"endpoints": wanted["endpoints"], "ports": wanted["ports"]},
            field_manager=MANAGER,
            _content_type="application/merge-patch+json",
        )

    def _delete(self, namespace: str, name: str) -> None:
        try:
            self._discovery.delete_namespaced_endpoint_slice(name, namespace)
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise
