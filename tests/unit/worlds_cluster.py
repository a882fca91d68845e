"""Kubernetes, the load balancer controller, its NLBs and a client, of the world in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.errors import Refused
from services.ports import (
    ControllerEvent,
    Handshake,
    Listener,
    LoadBalancer,
    RegisteredTarget,
    Service,
    ServicePort,
)
from tests.unit.worlds_aws import Acm
from tests.unit.worlds_gate import NOON, REGION, Clock, Gate

ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer-"

# ---- Kubernetes, its controller, and ELBv2


@dataclass(frozen=True)
class Pod:
    """A pod that Services may select."""

    namespace: str
    address: str
    labels: Mapping[str, str]
    ready: bool = True


@dataclass
class Balancer:
    """The NLB of one Service."""

    number: int
    hostname: str
    created_at: datetime
    service: tuple[str, str]


class KubernetesInMemory:
    """One cluster: Services, pods, server-side apply with one field manager, and a controller that may be slow."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate, self._clock = gate, clock
        self.names = ["default", "demo"]
        self.held: dict[tuple[str, str], Service] = {}
        self.pods: list[Pod] = []
        self.balancers: dict[tuple[str, str], Balancer] = {}
        self.controller_runs = True
        self.controller_says: list[ControllerEvent] = []  #: instead of making a load balancer
        self.controller_delay = timedelta(seconds=1)
        self.provisioning = timedelta(seconds=1)
        self.fixed: dict[str, str] = {}  #: annotations that another field manager holds
        self._applied_at: dict[tuple[str, str], datetime] = {}

    def add(self, name: str, *, namespace: str = "demo", target_port: str = "8080", **more: Any) -> Service:
        """A ClusterIP Service that somebody made."""
        known = Service(namespace, name, f"uid-{name}", "ClusterIP", selector={"app": name})
        made = replace(known, **{"ports": (ServicePort(80, target_port, "http"),), **more})
        self.held[namespace, name] = made
        return made

    def edit(self, namespace: str, name: str, **changes: Any) -> None:
        """Somebody edits a Service."""
        self.held[namespace, name] = replace(self.held[namespace, name], **changes)

    def namespaces(self) -> Sequence[str]:
        self._gate.enter("kubernetes.namespaces")
        return list(self.names)

    def services(self, namespace: str | None = None, *, labels: Mapping[str, str] | None = None) -> Sequence[Service]:
        self._gate.enter("kubernetes.services")
        self._settle()
        wanted = (labels or {}).items()
        return [s for s in self.held.values() if namespace in (None, s.namespace) and wanted <= s.labels.items()]

    def service(self, namespace: str, name: str) -> Service | None:
        self._gate.enter("kubernetes.service")
        self._settle()
        return self.held.get((namespace, name))

    def apply(self, manifest: Mapping[str, Any]) -> Service:
        self._gate.enter("kubernetes.apply")
        metadata, spec = manifest["metadata"], manifest["spec"]
        key = (metadata["namespace"], metadata["name"])
        old = self.held.get(key)
        for name, value in self.fixed.items():
            if metadata["annotations"].get(name, value) != value:
                raise Refused(f"Field {name} is managed by helm; nothing was forced.", code="Conflict")
        if old is not None and old.type != spec["type"]:
            raise Refused("Field .spec.type is managed by kubectl-create; nothing was forced.", code="Conflict")
        made = Service(
            *(*key, f"uid-{key[1]}", spec["type"]),
            labels={**(old.labels if old else {}), **metadata["labels"]},
            annotations={**(old.annotations if old else {}), **metadata["annotations"]},
            selector={**(old.selector if old else {}), **spec["selector"]},
            ports=tuple(ServicePort(p["port"], str(p["targetPort"]), p["name"]) for p in spec["ports"]),
            source_ranges=tuple(spec.get("loadBalancerSourceRanges", old.source_ranges if old else ())),
            load_balancer_hostname=old.load_balancer_hostname if old else "",
        )
        self.held[key] = made
        self._applied_at.setdefault(key, self._clock())
        self._gate.effect("kubernetes.apply")
        return made

    def events(self, service: Service) -> Sequence[ControllerEvent]:
        self._gate.enter("kubernetes.events")
        return list(self.controller_says)

    def ready_addresses(self, namespace: str, service: str) -> frozenset[str]:
        self._gate.enter("kubernetes.ready_addresses")
        return self.ready(namespace, service)

    def ready(self, namespace: str, service: str) -> frozenset[str]:
        """Addresses of the ready pods that a Service selects."""
        known = self.held.get((namespace, service))
        chosen = known.selector.items() if known else {("", "")}
        found = (p for p in self.pods if p.ready and p.namespace == namespace)
        return frozenset(p.address for p in found if chosen <= p.labels.items())

    def _settle(self) -> None:
        for key, service in list(self.held.items()):
            if service.annotations.get(f"{ANNOTATION}type") != "external" or service.load_balancer_hostname:
                continue
            due = self._applied_at.get(key, NOON) + self.controller_delay
            if self.controller_runs and not self.controller_says and self._clock() >= due:
                number = len(self.balancers) + 1
                hostname = f"k8s-{key[0]}-{number}.elb.{REGION}.amazonaws.test"
                self.balancers[key] = Balancer(number, hostname, due, key)
                self.held[key] = replace(service, load_balancer_hostname=hostname)


class Elb:
    """The NLBs that the controllers of the clusters have made."""

    def __init__(self, gate: Gate, clock: Clock, cluster: KubernetesInMemory) -> None:
        self._gate, self._clock, self._cluster = gate, clock, cluster
        self.state = ""  #: instead of what time says
        self.dual_stack = False
        self.strangers: tuple[RegisteredTarget, ...] = ()
        self.health = "healthy"

    def by_hostname(self, hostnames: Iterable[str]) -> Mapping[str, LoadBalancer]:
        self._gate.enter("elbv2.by_hostname")
        wanted = set(hostnames)
        return {b.hostname: self._seen(b) for b in self._cluster.balancers.values() if b.hostname in wanted}

    def by_arn(self, arns: Iterable[str]) -> Mapping[str, LoadBalancer]:
        self._gate.enter("elbv2.by_arn")
        wanted = set(arns)
        seen = (self._seen(b) for b in self._cluster.balancers.values())
        return {b.arn: b for b in seen if b.arn in wanted}

    def listeners(self, arn: str) -> Sequence[Listener]:
        self._gate.enter("elbv2.listeners")
        service = self._service(arn)
        note = service.annotations
        certificate, policy = note[f"{ANNOTATION}ssl-cert"], note[f"{ANNOTATION}ssl-negotiation-policy"]
        return [Listener(p.port, "TLS", (certificate,), policy, (f"{arn}/targets",)) for p in service.ports]

    def targets(self, target_group_arn: str) -> Sequence[RegisteredTarget]:
        self._gate.enter("elbv2.targets")
        service = self._service(target_group_arn.removesuffix("/targets"))
        ready = sorted(self._cluster.ready(service.namespace, service.name))
        return [*(RegisteredTarget(a, 8080, self.health) for a in ready), *self.strangers]

    def answering(self) -> Mapping[str, tuple[str, ...]]:
        """Addresses of the NLBs that are active, by host name."""
        return {
            b.hostname: (f"198.51.100.{b.number}", f"203.0.113.{b.number}")
            for b in self._cluster.balancers.values()
            if self._seen(b).state == "active"
        }

    def service_at(self, address: str) -> Service | None:
        """Whose NLB answers at an address."""
        for balancer in self._cluster.balancers.values():
            if address in self.answering().get(balancer.hostname, ()):
                return self._cluster.held.get(balancer.service)
        return None

    def _seen(self, b: Balancer) -> LoadBalancer:
        age = self._clock() - b.created_at
        state = self.state or ("active" if age >= self._cluster.provisioning else "provisioning")
        arn = f"arn:aws:elasticloadbalancing:{REGION}:1:loadbalancer/net/{b.number}"
        reason = "no free addresses" if state == "failed" else ""
        return LoadBalancer(arn, b.hostname, "ZNLB", state, reason, "internet-facing", self.dual_stack)

    def _service(self, arn: str) -> Service:
        number = int(arn.rpartition("/")[2])
        key = next(b.service for b in self._cluster.balancers.values() if b.number == number)
        return self._cluster.held[key]


class Client:
    """Connects to the NLBs of this world."""

    def __init__(self, gate: Gate, acm: Acm, elb: Elb) -> None:
        self._gate, self._acm, self._elb = gate, acm, elb
        self.status: int | None = 200

    def shake(self, address: str, port: int, *, server_name: str, path: str) -> Handshake:
        self._gate.enter("tls.shake")
        service = self._elb.service_at(address)
        certificate = self._acm.held.get(service.annotations.get(f"{ANNOTATION}ssl-cert", "")) if service else None
        if certificate is None or certificate.not_after is None:
            return Handshake(address, False, "refused the connection")
        leaf = certificate.leaf
        return Handshake(
            *(address, True, "", True, "", "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
            *(leaf.sha256, leaf.serial, certificate.names, leaf.not_after, "Amazon", self.status),
            seconds=0.012,
        )
