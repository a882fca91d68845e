"""From a Service to the load balancer that the AWS Load Balancer Controller would make of it. Pure.

The rules, defaults and sentences are those of the controller's `pkg/service` (v3.5): annotation prefix
`service.beta.kubernetes.io/`, names of at most eight characters of namespace and Service, ten digits of SHA-256.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.controller.annotations import AnnotationError, Annotations

FINALIZER = "service.k8s.aws/resources"
LOAD_BALANCER_CLASS = "service.k8s.aws/nlb"
DEFAULT_SSL_POLICY = "ELBSecurityPolicy-2016-08"
MAX_NAME = 32

_ALPN = ("None", "HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred")
_HEALTH_PROTOCOLS = ("TCP", "HTTP", "HTTPS")
_DELETION_PROTECTION = "deletion_protection.enabled"

Service = Mapping[str, Any]
Pairs = tuple[tuple[str, str], ...]  #: a mapping as a value: sorted (key, value)


@dataclass(frozen=True)
class BuildFailure:
    """Why no model could be made, in the controller's words."""

    message: str


@dataclass(frozen=True)
class HealthCheck:
    """Health check settings of a target group. Times are in seconds; path and matcher are None for TCP."""

    protocol: str = "TCP"
    port: str = "traffic-port"
    path: str | None = None
    matcher: str | None = None
    interval: int = 10
    timeout: int = 10
    healthy_threshold: int = 3
    unhealthy_threshold: int = 3


@dataclass(frozen=True)
class TargetGroup:
    """One per Service port. Everything that cannot be changed in AWS is part of the name's hash."""

    name: str
    resource: str  #: value of the tag service.k8s.aws/resource, "namespace/service:port"
    protocol: str
    port: int
    service_port: int
    service_port_name: str
    target_type: str
    health_check: HealthCheck
    attributes: Pairs


@dataclass(frozen=True)
class Listener:
    """One per Service port. The first certificate is the default one."""

    port: int
    protocol: str
    target_group: str  #: name of the target group it forwards to
    certificates: tuple[str, ...] = ()
    ssl_policy: str | None = None
    alpn_policy: str | None = None


@dataclass(frozen=True)
class Model:
    """All that one Service asks for."""

    stack: str  #: "namespace/service", value of the tag service.k8s.aws/stack
    namespace: str
    service: str
    name: str
    scheme: str
    ip_address_type: str
    subnets: tuple[str, ...]  #: ids or Name tags as annotated; empty means discovery
    attributes: Pairs
    tags: Pairs
    source_ranges: tuple[str, ...]
    target_groups: tuple[TargetGroup, ...]
    listeners: tuple[Listener, ...]


def is_served(service: Service) -> bool:
    """Whether the controller reconciles this Service: a set class decides alone, else the annotations do."""
    if service["metadata"].get("deletionTimestamp"):
        return False
    load_balancer_class = service["spec"].get("loadBalancerClass")
    if load_balancer_class is not None:
        return bool(load_balancer_class == LOAD_BALANCER_CLASS)
    annotations = Annotations(service)
    kind = annotations.text("type")
    return kind == "nlb-ip" or (kind == "external" and annotations.text("nlb-target-type") in ("ip", "instance"))


def is_deletion_protected(service: Service) -> bool:
    """Whether the Service's own annotation forbids that its load balancer is deleted."""
    return Annotations(service).mapping("attributes").get(_DELETION_PROTECTION) == "true"


def build_model(service: Service, cluster: str = "sandbox") -> Model | BuildFailure:
    """The model of a served Service, or the sentence of the event FailedBuildModel (without "Failed build model …")."""
    try:
        return _Builder(service, cluster).build()
    except AnnotationError as error:
        return BuildFailure(str(error))


class _Builder:
    """Reads one Service. Each method is one rule of the annotation table; each raises AnnotationError."""

    def __init__(self, service: Service, cluster: str) -> None:
        metadata = service["metadata"]
        self.spec = service["spec"]
        self.annotations = Annotations(service)
        self.cluster, self.uid = cluster, metadata.get("uid", "")
        self.namespace, self.name = metadata["namespace"], metadata["name"]
        self.ports = self.spec.get("ports") or []
        self.kind = self.spec.get("type", "ClusterIP")

    def build(self) -> Model:
        scheme = self.scheme()
        ip_address_type = self.one_of("ip-address-type", "ipv4", ("ipv4", "dualstack"), "unknown IPAddressType: {}")
        tls_ports = self.tls_ports()
        groups, listeners = [], []
        for port in self.ports:
            tls = self.is_tls(port, tls_ports)
            group = self.target_group(port, tls)
            groups.append(group)
            listeners.append(self.listener(port, tls, group))
        return Model(
            stack=f"{self.namespace}/{self.name}",
            namespace=self.namespace,
            service=self.name,
            name=self.load_balancer_name(scheme),
            scheme=scheme,
            ip_address_type=ip_address_type,
            subnets=self.annotations.texts("subnets"),
            attributes=_pairs(self.annotations.mapping("attributes")),
            tags=_pairs(self.annotations.mapping("additional-resource-tags")),
            source_ranges=self.source_ranges(ip_address_type),
            target_groups=tuple(groups),
            listeners=tuple(listeners),
        )

    def scheme(self) -> str:
        if self.annotations.text("scheme") is None and self.annotations.text("internal") is not None:
            return "internal" if self.annotations.flag("internal") else "internet-facing"
        return self.one_of("scheme", "internal", ("internal", "internet-facing"), "unknown scheme: {}")

    def one_of(self, suffix: str, default: str, allowed: tuple[str, ...], message: str) -> str:
        value = self.annotations.text(suffix) or default
        if value not in allowed:
            raise AnnotationError(message.format(value))
        return value

    def load_balancer_name(self, scheme: str) -> str:
        explicit = self.annotations.text("name")
        if explicit is None:
            return self.hashed_name(scheme)
        if len(explicit) > MAX_NAME:
            raise AnnotationError(f"load balancer name cannot be longer than {MAX_NAME} characters")
        return explicit

    def hashed_name(self, *parts: str) -> str:
        digest = hashlib.sha256("".join((self.cluster, self.uid, *parts)).encode()).hexdigest()
        namespace, name = (re.sub("[^0-9A-Za-z]", "", text)[:8] for text in (self.namespace, self.name))
        return f"k8s-{namespace}-{name}-{digest[:10]}"

    def tls_ports(self) -> tuple[str, ...]:
        wanted = self.annotations.texts("ssl-ports")
        known = {str(port["port"]) for port in self.ports} | {port.get("name") for port in self.ports}
        if unused := [name for name in wanted if name not in known]:
            raise AnnotationError(f"Unused port in ssl-ports annotation [{' '.join(unused)}]")
        return wanted

    def is_tls(self, port: Mapping[str, Any], tls_ports: tuple[str, ...]) -> bool:
        if port.get("protocol", "TCP") != "TCP" or not self.annotations.texts("ssl-cert"):
            return False
        # Without ssl-ports every TCP port becomes TLS.
        return not tls_ports or str(port["port"]) in tls_ports or port.get("name") in tls_ports

    def listener(self, port: Mapping[str, Any], tls: bool, group: TargetGroup) -> Listener:
        if not tls:
            return Listener(port["port"], port.get("protocol", "TCP"), group.name)
        return Listener(
            port=port["port"],
            protocol="TLS",
            target_group=group.name,
            certificates=self.annotations.texts("ssl-cert"),
            ssl_policy=self.annotations.text("ssl-negotiation-policy") or DEFAULT_SSL_POLICY,
            alpn_policy=self.alpn_policy(),
        )

    def alpn_policy(self) -> str | None:
        policy = self.annotations.text("alpn-policy")
        if policy is not None and policy not in _ALPN:
            allowed = ", ".join(_ALPN)
            raise AnnotationError(f"invalid ALPN policy {policy}, policy must be one of [{allowed}]")
        return policy

    def target_type(self, port: Mapping[str, Any]) -> str:
        if self.annotations.text("type") == "nlb-ip":
            return "ip"
        target_type = self.one_of("nlb-target-type", "instance", ("instance", "ip"), "unsupported target type {}")
        if target_type == "instance" and self.kind == "ClusterIP":
            raise AnnotationError('unsupported service type "ClusterIP" for load balancer target type "instance"')
        if target_type == "instance" and not port.get("nodePort"):
            raise AnnotationError("unable to support instance target type with an unallocated NodePort")
        return target_type

    def target_group(self, port: Mapping[str, Any], tls: bool) -> TargetGroup:
        target_type, health = self.target_type(port), self.health_check()
        over_tls = tls and self.annotations.text("backend-protocol") == "ssl"
        protocol = "TLS" if over_tls else port.get("protocol", "TCP")
        number = _group_port(port, target_type)
        immutable = (str(number), str(port["port"]), target_type, protocol, health.protocol, str(health.interval))
        return TargetGroup(
            name=self.hashed_name(*immutable),
            resource=f"{self.namespace}/{self.name}:{port['port']}",
            protocol=protocol,
            port=number,
            service_port=port["port"],
            service_port_name=port.get("name", ""),
            target_type=target_type,
            health_check=health,
            attributes=self.target_group_attributes(port),
        )

    def target_group_attributes(self, port: Mapping[str, Any]) -> Pairs:
        attributes = {"proxy_protocol_v2.enabled": "false"}
        attributes |= self.annotations.mapping("target-group-attributes")
        attributes |= self.annotations.mapping(f"target-group-attributes.{port['port']}")
        if str(port["port"]) in self.annotations.texts("proxy-protocol-per-target-group"):
            attributes["proxy_protocol_v2.enabled"] = "true"
        proxy_protocol = self.annotations.text("proxy-protocol")
        if proxy_protocol is not None:
            if proxy_protocol != "*":
                raise AnnotationError(
                    f"invalid value {proxy_protocol} for Load Balancer proxy protocol v2 annotation, "
                    "only value currently supported is *"
                )
            attributes["proxy_protocol_v2.enabled"] = "true"
        return _pairs(attributes)

    def health_check(self) -> HealthCheck:
        protocol = (self.annotations.text("healthcheck-protocol") or "tcp").upper()
        if protocol not in _HEALTH_PROTOCOLS:
            raise AnnotationError(
                f"unsupported health check protocol {self.annotations.text('healthcheck-protocol')}, "
                "supported protocols are TCP, HTTP and HTTPS"
            )
        http = protocol != "TCP"
        number = self.annotations.number
        return HealthCheck(
            protocol=protocol,
            port=self.health_check_port(),
            path=(self.annotations.text("healthcheck-path") or "/") if http else None,
            matcher=(self.annotations.text("healthcheck-success-codes") or "200-399") if http else None,
            interval=number("healthcheck-interval", 10),
            timeout=number("healthcheck-timeout", 10),
            healthy_threshold=number("healthcheck-healthy-threshold", 3),
            unhealthy_threshold=number("healthcheck-unhealthy-threshold", 3),
        )

    def health_check_port(self) -> str:
        text = self.annotations.text("healthcheck-port") or "traffic-port"
        if text == "traffic-port" or text.isdecimal():
            return text
        port = next((port for port in self.ports if port.get("name") == text), None)
        if port is None:
            raise AnnotationError(
                f"failed to resolve healthCheckPort: unable to find port {text} on service {self.namespace}/{self.name}"
            )
        target = port.get("targetPort", port["port"])
        if isinstance(target, str) and not target.isdecimal():
            raise AnnotationError(
                "cannot use named healthCheckPort for IP TargetType when service's targetPort is a named port"
            )
        return str(target)

    def source_ranges(self, ip_address_type: str) -> tuple[str, ...]:
        ranges = tuple(self.spec.get("loadBalancerSourceRanges") or ()) or self.annotations.source_ranges()
        v6 = next((cidr for cidr in ranges if ":" in cidr), None)
        if v6 and ip_address_type != "dualstack":
            raise AnnotationError(f"unsupported v6 cidr {v6} when lb is not dualstack")
        return ranges or (("0.0.0.0/0", "::/0") if ip_address_type == "dualstack" else ("0.0.0.0/0",))


def _group_port(port: Mapping[str, Any], target_type: str) -> int:
    """The target group's port: not in the data path, and 1 where a named port may differ from pod to pod."""
    if target_type == "instance":
        return int(port["nodePort"])
    target = port.get("targetPort", port["port"])
    return int(target) if str(target).isdecimal() else 1


def _pairs(mapping: Mapping[str, str]) -> Pairs:
    return tuple(sorted(mapping.items()))
