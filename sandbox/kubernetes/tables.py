"""The `Table` form of an answer, which is what `kubectl get` prints: the server chooses columns and cells."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sandbox.kubernetes.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    NAMESPACES,
    PODS,
    SERVICES,
    TARGET_GROUP_BINDINGS,
    Resource,
)
from sandbox.kubernetes.status import Object

Cells = Callable[[Object, datetime], list[Any]]


#: Up to how many seconds: the unit and its letter, and the finer unit (0: none) and its letter.
_STEPS = (
    (600, 60, "m", 1, "s"),
    (3 * 3600, 60, "m", 0, ""),
    (8 * 3600, 3600, "h", 60, "m"),
    (48 * 3600, 3600, "h", 0, ""),
    (8 * 86400, 86400, "d", 3600, "h"),
)


def age(moment: str | None, now: datetime) -> str:
    """How long ago, as kubectl says it: 5s, 3m20s, 2h, 4d5h."""
    if not moment:
        return "<unknown>"
    seconds = max(0, int((now - datetime.fromisoformat(moment.replace("Z", "+00:00"))).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    for limit, unit, name, rest_unit, rest_name in _STEPS:
        if seconds < limit:
            whole, rest = divmod(seconds, unit)
            return f"{whole}{name}" + (f"{rest // rest_unit}{rest_name}" if rest_unit and rest // rest_unit else "")
    return f"{seconds // 86400}d"


def _created(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _pairs(mapping: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((mapping or {}).items())) or "<none>"


def _external(service: Object) -> str:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    found = [entry.get("ip") or entry.get("hostname", "") for entry in ingress]
    if service["spec"]["type"] == "ExternalName":
        return str(service["spec"].get("externalName", ""))
    waiting = "<pending>" if service["spec"]["type"] == "LoadBalancer" else "<none>"
    return ",".join(found + (service["spec"].get("externalIPs") or [])) or waiting


def _port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port['protocol']}"


def _service(obj: Object, now: datetime) -> list[Any]:
    spec = obj["spec"]
    ports = ",".join(_port(port) for port in spec.get("ports") or []) or "<none>"
    ip = spec.get("clusterIP") or "<none>"
    name = obj["metadata"]["name"]
    return [name, spec["type"], ip, _external(obj), ports, _created(obj, now), _pairs(spec.get("selector"))]


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["status"].get("phase", ""), _created(obj, now)]


def _event(obj: Object, now: datetime) -> list[Any]:
    involved = obj["involvedObject"]
    seen = obj.get("lastTimestamp") or obj.get("eventTime") or obj["metadata"].get("creationTimestamp")
    target = f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"
    return [age(seen, now), obj.get("type", ""), obj.get("reason", ""), target, obj.get("message", "").strip()]


def _pod(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status", {})
    containers = status.get("containerStatuses") or []
    ready = sum(1 for container in containers if container.get("ready"))
    restarts = sum(container.get("restartCount", 0) for container in containers)
    total = len(obj.get("spec", {}).get("containers") or [])
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", "Unknown")
    name = obj["metadata"]["name"]
    return [name, f"{ready}/{total}", phase, restarts, _created(obj, now), status.get("podIP", "<none>")]


def _slice(obj: Object, now: datetime) -> list[Any]:
    ports = ",".join(str(port.get("port", "*")) for port in obj.get("ports") or []) or "<unset>"
    addresses = [address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses", [])]
    more = f" + {len(addresses) - 3} more..." if len(addresses) > 3 else ""
    listed = ",".join(addresses[:3]) + more or "<unset>"
    return [obj["metadata"]["name"], obj.get("addressType", ""), ports, listed, _created(obj, now)]


def _config_map(obj: Object, now: datetime) -> list[Any]:
    count = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [obj["metadata"]["name"], count, _created(obj, now)]


def _lease(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("spec", {}).get("holderIdentity", ""), _created(obj, now)]


def _binding(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec", {})
    target = spec.get("serviceRef", {})
    cells = [obj["metadata"]["name"], target.get("name", ""), target.get("port", ""), spec.get("targetType", "")]
    return [*cells, _created(obj, now), spec.get("targetGroupARN", "")]


_COLUMNS: dict[Resource, tuple[str, Cells]] = {
    SERVICES: ("Name Type Cluster-IP External-IP Port(s) Age Selector+", _service),
    NAMESPACES: ("Name Status Age", _namespace),
    EVENTS: ("Last_Seen Type Reason Object Message", _event),
    PODS: ("Name Ready Status Restarts Age IP+", _pod),
    ENDPOINT_SLICES: ("Name AddressType Ports Endpoints Age", _slice),
    CONFIG_MAPS: ("Name Data Age", _config_map),
    LEASES: ("Name Holder Age", _lease),
    TARGET_GROUP_BINDINGS: ("Name Service-Name Service-Port Target-Type Age ARN+", _binding),
}
_NUMBERS = ("Data", "Restarts", "Service-Port")


def _column(word: str) -> Object:
    name = word.rstrip("+").replace("_", " ")
    return {
        "name": name,
        "type": "integer" if name in _NUMBERS else "string",
        "format": "name" if name == "Name" else "",
        "description": "",
        "priority": 1 if word.endswith("+") else 0,
    }


def table(resource: Resource, objects: Iterable[Object], metadata: Object, now: datetime, include: str) -> Object:
    """A Table of these objects. `include` says what travels in each row: Metadata, Object or None."""
    words, cells = _COLUMNS[resource]
    rows = []
    for obj in objects:
        row: Object = {"cells": cells(obj, now)}
        if include == "Object":
            row["object"] = {"kind": resource.kind, "apiVersion": resource.api_version} | obj
        elif include != "None":
            partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
            row["object"] = partial | {"metadata": obj["metadata"]}
        rows.append(row)
    return {
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": [_column(word) for word in words.split()], "rows": rows,
    }  # fmt: skip
