"""Protocols of the outside: what the services need from AWS, Kubernetes, DNS, TLS, people and the database.

Adapters implement them and raise only `Transient`, `Permanent` or `Refused` (services/errors.py). Methods that read
return None or an empty sequence for "not there". Names come back lower case, without a trailing dot, `*` as `*`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

Clock = Callable[[], datetime]

# ---- ACM


@dataclass(frozen=True)
class CertificateSummary:
    """One row of ListCertificates."""

    arn: str
    domain: str
    names: tuple[str, ...]
    status: str  #: ACM's word: ISSUED, PENDING_VALIDATION …
    type: str  #: AMAZON_ISSUED, IMPORTED, PRIVATE
    key_algorithm: str  #: RSA_2048, EC_prime256v1 … (with underscore)
    not_after: datetime | None = None
    created_at: datetime | None = None
    in_use: bool = False


@dataclass(frozen=True)
class DomainValidation:
    """Validation of one name. `record_name` is empty while ACM has not made the record up yet (some seconds)."""

    domain: str
    status: str
    record_name: str = ""
    record_value: str = ""


@dataclass(frozen=True)
class Certificate:
    """DescribeCertificate."""

    arn: str
    domain: str
    names: tuple[str, ...]
    status: str
    failure_reason: str
    key_algorithm: str
    created_at: datetime | None
    not_after: datetime | None
    serial: str  #: hex, lower case, no separators; empty while not issued
    validations: tuple[DomainValidation, ...]


@dataclass(frozen=True)
class Leaf:
    """The leaf that ACM holds."""

    sha256: str  #: fingerprint of the DER form, hex, lower case
    serial: str
    not_after: datetime


def normal_serial(text: str) -> str:
    """A certificate's serial number in the one form that is compared: hex, lower case, no separators, no leading zeros.

    ACM prints "0a:1B:…", openssl "0A1B…", both the same number. Empty stays empty.
    """
    digits = text.strip().lower().removeprefix("0x").replace(":", "").replace(" ", "")
    return digits.lstrip("0") or digits[:1]


class Certificates(Protocol):
    """ACM in one account and region."""

    def list(self) -> Sequence[CertificateSummary]:
        """All certificates of all key types (ListCertificates, every page)."""
        ...

    def describe(self, arn: str) -> Certificate | None:
        """One certificate; None if ACM does not know the ARN (also for some seconds after the request)."""
        ...

    def tags(self, arn: str) -> Mapping[str, str]:
        """Its tags; empty if it is gone."""
        ...

    def request(self, hostname: str, *, token: str, tags: Mapping[str, str], key_algorithm: str) -> str:
        """Request a public certificate with DNS validation; the ARN. The same token within an hour: the same ARN."""
        ...

    def leaf(self, arn: str) -> Leaf | None:
        """The issued leaf (GetCertificate); None while there is none."""
        ...


# ---- Route 53


@dataclass(frozen=True)
class HostedZone:
    """A hosted zone as listed."""

    id: str  #: without "/hostedzone/"
    name: str
    private: bool


@dataclass(frozen=True)
class Record:
    """A resource record set. Either `values` and `ttl`, or an alias."""

    name: str
    type: str
    values: tuple[str, ...] = ()  #: TXT values with their quotes, host names without trailing dot
    ttl: int | None = None
    alias_name: str = ""
    alias_zone: str = ""
    evaluate_target_health: bool = False
    set_identifier: str = ""


@dataclass(frozen=True)
class RecordChange:
    """One change of a batch. There is no UPSERT on purpose: it overwrites whoever wrote in between (design §3)."""

    action: str  #: CREATE or DELETE
    record: Record


class Zones(Protocol):
    """Route 53 in one account."""

    def list(self) -> Sequence[HostedZone]:
        """All hosted zones, every page, private ones too (they are told apart, not hidden)."""
        ...

    def name_servers(self, zone_id: str) -> Sequence[str]:
        """The zone's delegation set; empty for a private zone."""
        ...

    def records(self, zone_id: str, name: str) -> Sequence[Record]:
        """All record sets at exactly this name."""
        ...

    def change(self, zone_id: str, changes: Sequence[RecordChange], comment: str) -> str:
        """Submit one atomic batch; its change id. Refused(code="InvalidChangeBatch") if Route 53 says no."""
        ...

    def in_sync(self, change_id: str) -> bool:
        """Whether every Route 53 server answers with the change. True for a change id that is no longer known."""
        ...


# ---- ELBv2


@dataclass(frozen=True)
class LoadBalancer:
    """An NLB."""

    arn: str
    hostname: str
    zone_id: str  #: CanonicalHostedZoneId
    state: str  #: provisioning, active, active_impaired, failed
    reason: str
    scheme: str
    dual_stack: bool


@dataclass(frozen=True)
class Listener:
    """One listener with its default certificate first."""

    port: int
    protocol: str
    certificate_arns: tuple[str, ...]
    ssl_policy: str
    target_group_arns: tuple[str, ...]


@dataclass(frozen=True)
class RegisteredTarget:
    """One target with its health in ELB's words."""

    address: str
    port: int
    state: str
    reason: str = ""
    description: str = ""


class LoadBalancers(Protocol):
    """ELBv2 in one account and region."""

    def by_hostname(self, hostnames: Iterable[str]) -> Mapping[str, LoadBalancer]:
        """The NLBs with these DNS names (compared in lower case), by DNS name in lower case; missing ones left out."""
        ...

    def by_arn(self, arns: Iterable[str]) -> Mapping[str, LoadBalancer]:
        """The same by ARN, in calls of at most 20 ARNs; missing ones left out."""
        ...

    def listeners(self, arn: str) -> Sequence[Listener]:
        """All listeners of one NLB."""
        ...

    def targets(self, target_group_arn: str) -> Sequence[RegisteredTarget]:
        """All targets of one target group with their health."""
        ...


# ---- Kubernetes


@dataclass(frozen=True)
class ServicePort:
    """One port of a Service."""

    port: int
    target_port: str  #: number or name, as text; never empty (the API server defaults it to port)
    name: str = ""
    protocol: str = "TCP"


@dataclass(frozen=True)
class Service:
    """A Kubernetes Service as far as it matters here."""

    namespace: str
    name: str
    uid: str
    type: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    selector: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()
    source_ranges: tuple[str, ...] = ()
    load_balancer_class: str = ""
    load_balancer_hostname: str = ""  #: status.loadBalancer.ingress[0].hostname, lower case
    deleting: bool = False


@dataclass(frozen=True)
class ControllerEvent:
    """An Event about a Service."""

    type: str  #: Normal or Warning
    reason: str  #: FailedBuildModel …
    message: str
    at: datetime | None


class Cluster(Protocol):
    """One Kubernetes cluster."""

    def namespaces(self) -> Sequence[str]:
        """Names of all namespaces."""
        ...

    def services(self, namespace: str | None = None, *, labels: Mapping[str, str] | None = None) -> Sequence[Service]:
        """Services of one namespace, or of all; filtered by exact labels."""
        ...

    def service(self, namespace: str, name: str) -> Service | None:
        """One Service; None if it or its namespace does not exist."""
        ...

    def apply(self, manifest: Mapping[str, Any]) -> Service:
        """Server-side apply with field manager nlbtls, never forced.

        Refused(code="Conflict") names field and manager; Refused(code="Invalid") the faulty field.
        """
        ...

    def events(self, service: Service) -> Sequence[ControllerEvent]:
        """Events about this very object (by uid), oldest first."""
        ...

    def ready_addresses(self, namespace: str, service: str) -> frozenset[str]:
        """Addresses of the ready endpoints of a Service, over all its EndpointSlices."""
        ...


# ---- DNS and TLS


class Found(StrEnum):
    """What a DNS question found. UNKNOWN: nobody answered."""

    RECORDS = "records"
    NO_DATA = "no data"  #: the name exists, without a record of this type
    NO_NAME = "no name"  #: NXDOMAIN
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class DnsAnswer:
    """The answer to one question and who gave it."""

    found: Found
    values: tuple[str, ...] = ()  #: host names lower case without trailing dot
    asked: str = ""  #: "ns1.elsewhere.test" (authoritative) or "resolver 10.0.0.2"


class Resolver(Protocol):
    """DNS as the public sees it."""

    def ask(self, name: str, type_: str) -> DnsAnswer:
        """Ask the zone's authoritative servers where they can be reached, else the recursive resolvers."""
        ...

    def delegation(self, zone: str) -> DnsAnswer:
        """The NS set by which the public reaches the zone; NO_DATA or NO_NAME: nobody is sent there."""
        ...

    def zone_of(self, name: str) -> str:
        """The zone that a name lies in, from the SOA that answers for it; empty if unknown."""
        ...

    def addresses(self, name: str) -> tuple[str, ...]:
        """A and AAAA of a name through the recursive resolvers; empty if none (or nobody answered)."""
        ...


@dataclass(frozen=True)
class Handshake:
    """What one address of a load balancer said."""

    address: str
    connected: bool
    error: str = ""  #: one sentence, if TCP or TLS failed
    trusted: bool = False  #: chain, name and dates hold
    distrust: str = ""  #: why not, in OpenSSL's words
    tls_version: str = ""
    cipher: str = ""
    leaf_sha256: str = ""
    leaf_serial: str = ""
    leaf_names: tuple[str, ...] = ()
    leaf_not_after: datetime | None = None
    issuer: str = ""
    http_status: int | None = None  #: None: no HTTP answer
    seconds: float = 0.0


class TlsProber(Protocol):
    """Connects as a client would."""

    def shake(self, address: str, port: int, *, server_name: str, path: str) -> Handshake:
        """Connect to one address with SNI, then ask for `path` over HTTP/1.1. Never raises for what the peer does."""
        ...


class World(Protocol):
    """Everything outside, by cluster: a cluster names its region and account."""

    @property
    def installation(self) -> str:
        """Name of this installation of the bot, in tags, labels and ownership records."""
        ...

    @property
    def clusters(self) -> Sequence[str]:
        """Names of the configured clusters."""
        ...

    @property
    def resolver(self) -> Resolver:
        """Public DNS."""
        ...

    @property
    def prober(self) -> TlsProber:
        """The client that the probe is."""
        ...

    def region(self, cluster: str) -> str:
        """AWS region of a cluster's load balancers and certificates."""
        ...

    def certificates(self, cluster: str) -> Certificates:
        """ACM where the cluster's load balancers live."""
        ...

    def load_balancers(self, cluster: str) -> LoadBalancers:
        """ELBv2 where the cluster's load balancers live."""
        ...

    def zones(self) -> Zones:
        """Route 53."""
        ...

    def kubernetes(self, cluster: str) -> Cluster:
        """The API server of a cluster."""
        ...


# ---- people


class Directory(Protocol):
    """Who belongs to which group."""

    def members(self, handle: str) -> frozenset[str] | None:
        """Ids of the people in the group with this handle (without @), live. None: no such group.

        Raises Transient or Permanent if it cannot be known; callers fail closed.
        """
        ...
