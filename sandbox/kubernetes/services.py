"""What the API server does to Services: defaults, rules, cluster IPs and node ports."""

import ipaddress
from collections.abc import Iterator
from typing import Any

from sandbox.kubernetes.status import ApiError, Cause, Object, cause, invalid
from sandbox.kubernetes.validation import label_problems, quoted

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_NODE_PORTS = range(30000, 32768)
_CLUSTER_NETWORK = ipaddress.IPv4Network("10.100.0.0/16")  # what EKS takes by default


def apply_defaults(obj: Object) -> None:
    """What decoding fills in, before anybody is said to own it."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    kind = spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _needs_cluster_ip(spec: Object) -> bool:
    return spec.get("type") != "ExternalName"


def _needs_node_ports(spec: Object) -> bool:
    if spec.get("type") == "LoadBalancer":
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return spec.get("type") == "NodePort"


def _needs_health_port(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _takes_node_ports(spec: Object) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def _slot(port: Object) -> tuple[Any, Any]:
    return port.get("protocol"), port.get("port")


def _node_ports(spec: Object) -> dict[tuple[Any, Any], int]:
    return {_slot(port): port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")}


def carry_over(new: Object, old: Object) -> None:
    """On an update: keep what was allocated, and drop what the old type needed and the new one may not have."""
    after, before = new["spec"], old["spec"]
    if _needs_cluster_ip(after) and _needs_cluster_ip(before):
        for name in _ADDRESSES:
            if name in before and not after.get(name):
                after[name] = before[name]
    if _takes_node_ports(after) and _takes_node_ports(before):
        kept = _node_ports(before)
        for port in after.get("ports") or []:
            if not port.get("nodePort") and _slot(port) in kept:
                port["nodePort"] = kept[_slot(port)]
    if _needs_health_port(after) and _needs_health_port(before) and not after.get("healthCheckNodePort"):
        after["healthCheckNodePort"] = before.get("healthCheckNodePort")
    _drop_type_dependent(after, before)


_ADDRESSES = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def _drop_type_dependent(after: Object, before: Object) -> None:
    if _takes_node_ports(before) and not _takes_node_ports(after):
        if _node_ports(after) == _node_ports(before):
            for port in after.get("ports") or []:
                port.pop("nodePort", None)
        _drop_unchanged(after, before, "externalTrafficPolicy")
    if _needs_health_port(before) and not _needs_health_port(after):
        _drop_unchanged(after, before, "healthCheckNodePort")
    if before.get("type") == "LoadBalancer" != after.get("type"):
        _drop_unchanged(after, before, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if _needs_cluster_ip(before) and not _needs_cluster_ip(after):
        _drop_unchanged(after, before, *_ADDRESSES)


def _drop_unchanged(after: Object, before: Object, *names: str) -> None:
    for name in names:
        if after.get(name) == before.get(name):
            after.pop(name, None)


def validate(new: Object, old: Object | None) -> list[Cause]:
    """Problems of the spec, in the API server's words. Not all of its rules: those that a bot's Service can break."""
    spec = new["spec"]
    found = list(_validate_ports(spec))
    if spec["type"] not in _TYPES:
        found.append(_unsupported("spec.type", spec["type"], _TYPES))
    if spec["sessionAffinity"] not in ("ClientIP", "None"):
        found.append(_unsupported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None")))
    found += _validate_traffic(spec)
    found += _validate_ranges(spec)
    found += _validate_class(spec, old["spec"] if old else None)
    if old and _needs_cluster_ip(spec) and _needs_cluster_ip(old["spec"]) and old["spec"].get("clusterIP"):
        before, after = old["spec"]["clusterIP"], spec.get("clusterIP")
        if before != after:
            value = f"[]string{{{quoted(after)}}}"
            found.append(cause("FieldValueInvalid", "spec.clusterIPs[0]", "may not change once set", value))
    return found


def _unsupported(field: str, value: str, known: tuple[str, ...]) -> Cause:
    listed = ", ".join(quoted(name) for name in known)
    return cause("FieldValueNotSupported", field, f"supported values: {listed}", quoted(value))


def _validate_ports(spec: Object) -> Iterator[Cause]:
    ports = spec.get("ports") or []
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield cause("FieldValueRequired", "spec.ports")
    names: set[str] = set()
    for index, port in enumerate(ports):
        here, name = f"spec.ports[{index}]", port.get("name", "")
        if not name and len(ports) > 1:
            yield cause("FieldValueRequired", f"{here}.name")
        elif name:
            for words in label_problems(name):
                yield cause("FieldValueInvalid", f"{here}.name", words, quoted(name))
            if name in names:
                yield cause("FieldValueDuplicate", f"{here}.name", "", quoted(name))
            names.add(name)
        yield from _validate_numbers(port, here)
    slots = [_slot(port) for port in ports]
    for index, slot in enumerate(slots):
        if slot in slots[:index]:
            value = f'{{"protocol":{quoted(slot[0])},"port":{slot[1]}}}'
            yield cause("FieldValueDuplicate", f"spec.ports[{index}]", "", value)


def _validate_numbers(port: Object, here: str) -> Iterator[Cause]:
    words = "must be between 1 and 65535, inclusive"
    number = port.get("port", 0)
    if not 1 <= number <= 65535:
        yield cause("FieldValueInvalid", f"{here}.port", words, str(number))
    if port["protocol"] not in _PROTOCOLS:
        yield _unsupported(f"{here}.protocol", port["protocol"], _PROTOCOLS)
    target = port.get("targetPort")
    if isinstance(target, int) and not 1 <= target <= 65535 and target != number:
        yield cause("FieldValueInvalid", f"{here}.targetPort", words, str(target))
    if isinstance(target, str):
        problems = ["must be no more than 15 characters"] if len(target) > 15 else []
        if not any(letter.isalpha() for letter in target):
            problems.append("must contain at least one letter (a-z)")
        for problem in problems:
            yield cause("FieldValueInvalid", f"{here}.targetPort", problem, quoted(target))


def _validate_traffic(spec: Object) -> Iterator[Cause]:
    field, policy = "spec.externalTrafficPolicy", spec.get("externalTrafficPolicy")
    if policy and not _takes_node_ports(spec):
        words = "may only be set for externally-accessible services"
        yield cause("FieldValueInvalid", field, words, quoted(policy))
    elif policy and policy not in ("Cluster", "Local"):
        yield _unsupported(field, policy, ("Cluster", "Local"))
    if spec.get("healthCheckNodePort") and not _needs_health_port(spec):
        words = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield cause("FieldValueInvalid", "spec.healthCheckNodePort", words, str(spec["healthCheckNodePort"]))
    if "allocateLoadBalancerNodePorts" in spec and spec["type"] != "LoadBalancer":
        words = "may only be used when `type` is 'LoadBalancer'"
        yield cause("FieldValueForbidden", "spec.allocateLoadBalancerNodePorts", words)
    if not _takes_node_ports(spec):
        for index, port in enumerate(spec.get("ports") or []):
            if port.get("nodePort"):
                words = "may not be used when `type` is 'ClusterIP'"
                yield cause("FieldValueForbidden", f"spec.ports[{index}].nodePort", words)


def _validate_ranges(spec: Object) -> Iterator[Cause]:
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and spec["type"] != "LoadBalancer":
        words = "may only be used when `type` is 'LoadBalancer'"
        yield cause("FieldValueForbidden", "spec.loadBalancerSourceRanges", words)
    for index, text in enumerate(ranges):
        try:
            bad = "/" not in text or not ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            bad = True
        if bad:
            words = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            yield cause("FieldValueInvalid", f"spec.loadBalancerSourceRanges[{index}]", words, quoted(text))


def _validate_class(spec: Object, old: Object | None) -> Iterator[Cause]:
    field, wanted = "spec.loadBalancerClass", spec.get("loadBalancerClass")
    if old and old["type"] == spec["type"] == "LoadBalancer" and old.get("loadBalancerClass") != wanted:
        yield cause("FieldValueInvalid", field, "may not change once set", quoted(wanted))
    elif wanted is not None and spec["type"] != "LoadBalancer":
        yield cause("FieldValueForbidden", field, "may only be used when `type` is 'LoadBalancer'")


class Allocator:
    """Hands out cluster IPs and node ports, in order, and takes them back."""

    def __init__(self) -> None:
        self._ips: set[str] = set()
        self._ports: set[int] = set()
        self._next_ip = 10
        self._next_port = 0

    def allocate(self, new: Object, old: Object | None, *, dry_run: bool) -> None:
        """Fill in what the spec needs; release what it needs no longer. A dry run keeps nothing."""
        saved = self._ips.copy(), self._ports.copy(), self._next_ip, self._next_port
        try:
            self.release(old)
            self._take(new)
        except ApiError:
            self._ips, self._ports, self._next_ip, self._next_port = saved
            raise
        if dry_run:
            self._ips, self._ports, self._next_ip, self._next_port = saved

    def release(self, obj: Object | None) -> None:
        """Give everything of a Service back."""
        spec = obj["spec"] if obj else {}
        self._ips.discard(spec.get("clusterIP", ""))
        self._ports -= set(_node_ports(spec).values()) | {spec.get("healthCheckNodePort", 0)}

    def _take(self, obj: Object) -> None:
        spec, name = obj["spec"], obj["metadata"]["name"]
        if _needs_cluster_ip(spec):
            spec["clusterIP"] = self._cluster_ip(spec.get("clusterIP"), name)
            spec["clusterIPs"] = [spec["clusterIP"]]
            spec.setdefault("ipFamilies", ["IPv4"])
            spec.setdefault("ipFamilyPolicy", "SingleStack")
        for index, port in enumerate(spec.get("ports") or []):
            if port.get("nodePort") or _needs_node_ports(spec):
                port["nodePort"] = self._node_port(port.get("nodePort"), f"spec.ports[{index}].nodePort", name)
        if _needs_health_port(spec):
            wanted = spec.get("healthCheckNodePort")
            spec["healthCheckNodePort"] = self._node_port(wanted, "spec.healthCheckNodePort", name)

    def _cluster_ip(self, wanted: str | None, name: str) -> str:
        if wanted == "None":
            return wanted
        if wanted and wanted in self._ips:
            words = f"failed to allocate IP {wanted}: provided IP is already allocated"
            found = cause("FieldValueInvalid", "spec.clusterIPs", words, f"[]string{{{quoted(wanted)}}}")
            raise invalid("Service", "", name, [found])
        while not wanted or wanted in self._ips:
            wanted = str(_CLUSTER_NETWORK[self._next_ip % _CLUSTER_NETWORK.num_addresses])
            self._next_ip += 1
        self._ips.add(wanted)
        return wanted

    def _node_port(self, wanted: int | None, field: str, name: str) -> int:
        if wanted and wanted not in _NODE_PORTS:
            first, last = _NODE_PORTS[0], _NODE_PORTS[-1]
            words = f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
            raise invalid("Service", "", name, [cause("FieldValueInvalid", field, words, str(wanted))])
        if wanted in self._ports:
            words = "provided port is already allocated"
            raise invalid("Service", "", name, [cause("FieldValueInvalid", field, words, str(wanted))])
        if len(self._ports) >= len(_NODE_PORTS):
            raise ApiError(
                500, "InternalError", "Internal error occurred: failed to allocate a nodePort: range is full"
            )
        while not wanted or wanted in self._ports:
            wanted = _NODE_PORTS[self._next_port % len(_NODE_PORTS)]
            self._next_port += 1
        self._ports.add(wanted)
        return wanted
