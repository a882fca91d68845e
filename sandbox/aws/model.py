"""What the other stand-ins see of AWS: plain immutable values, no moto."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class AliasTarget:
    """Where a Route 53 alias points. The name is lower-case with a trailing dot."""

    zone_id: str
    dns_name: str
    evaluate_target_health: bool


@dataclass(frozen=True)
class RecordSet:
    """One record set: a TTL and values, or an alias. Names are as Route 53 lists them: `\\052` for `*`."""

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    alias: AliasTarget | None = None
    set_identifier: str | None = None
    routing: tuple[tuple[str, object], ...] = ()  #: Weight, Region, Failover and the like, kept but not acted upon


@dataclass(frozen=True)
class PublicZone:
    """A public hosted zone as its name servers serve it: only changes that are INSYNC."""

    name: str  #: with a trailing dot
    zone_id: str  #: without the prefix /hostedzone/
    name_servers: tuple[str, ...]  #: the delegation set, without trailing dots
    records: Mapping[str, Mapping[str, RecordSet]]  #: by owner name (`*` unescaped, trailing dot), then by type


@dataclass(frozen=True)
class Listener:
    """A listener of a load balancer, as the data plane needs it."""

    arn: str
    port: int
    protocol: str
    certificate_arns: tuple[str, ...]  #: the default first, then those for SNI
    ssl_policy: str | None
    target_group_arn: str | None


@dataclass(frozen=True)
class LoadBalancer:
    """A load balancer and the loopback addresses that stand for its network interfaces, one per zone."""

    arn: str
    name: str
    dns_name: str
    zone_id: str  #: CanonicalHostedZoneId
    state: str  #: provisioning, active or failed
    scheme: str
    ip_address_type: str
    addresses: tuple[str, ...]
    listeners: tuple[Listener, ...]


@dataclass(frozen=True)
class HealthCheck:
    """How a target group asks its targets. Times in seconds; port is a number or "traffic-port"."""

    enabled: bool
    protocol: str
    port: str
    path: str | None
    interval: int
    timeout: int
    healthy_threshold: int
    unhealthy_threshold: int
    success_codes: str | None


@dataclass(frozen=True)
class Target:
    """A registered target and the health last said of it."""

    ip: str
    port: int
    state: str = "initial"
    reason: str | None = "Elb.RegistrationInProgress"
    description: str | None = "Target registration is in progress"


@dataclass(frozen=True)
class TargetGroup:
    """A target group: where its listeners forward to, and how health is checked."""

    arn: str
    name: str
    protocol: str
    port: int
    target_type: str
    health_check: HealthCheck
    targets: tuple[Target, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key. The three PEM texts are empty until it is ISSUED."""

    arn: str
    status: str
    names: tuple[str, ...]
    leaf_pem: str
    chain_pem: str  #: intermediate, then root
    private_key_pem: str
