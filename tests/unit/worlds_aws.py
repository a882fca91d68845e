"""ACM, Route 53 and public DNS of the world in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from services.errors import Refused
from services.ports import (
    Certificate,
    CertificateSummary,
    DnsAnswer,
    DomainValidation,
    Found,
    HostedZone,
    Leaf,
    Record,
    RecordChange,
)
from tests.unit.worlds_gate import NOON, REGION, Clock, Gate

# ---- ACM


@dataclass
class Issued:
    """A certificate as ACM keeps it."""

    arn: str
    domain: str
    names: tuple[str, ...]
    created_at: datetime
    token: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "PENDING_VALIDATION"
    type: str = "AMAZON_ISSUED"
    key_algorithm: str = "RSA_2048"
    not_after: datetime | None = None
    failure_reason: str = ""

    @property
    def record(self) -> tuple[str, str]:
        """The same for a domain in every certificate of an account."""
        digest = sha256(self.domain.encode()).hexdigest()[:8]
        return f"_{digest}.{self.domain}", f"_{digest}.acm-validations.test"

    @property
    def leaf(self) -> Leaf:
        """What it serves once it is issued."""
        assert self.not_after is not None
        digest = sha256(self.arn.encode()).hexdigest()
        return Leaf(digest, digest[:12], self.not_after)


class Acm:
    """One region. The public is asked for validation records each time that somebody looks."""

    def __init__(self, gate: Gate, clock: Clock, public: "PublicDns") -> None:
        self._gate, self._clock, self._public = gate, clock, public
        self.held: dict[str, Issued] = {}
        self.requests: list[str] = []  #: token of every request that made a new certificate
        self.record_delay = timedelta(seconds=1)
        self.list_delay = timedelta(0)
        self.describe_delay = timedelta(0)

    def add(self, domain: str, *, status: str = "ISSUED", days: float = 190, **more: Any) -> Issued:
        """A certificate that somebody asked for earlier."""
        known = Issued(f"arn:aws:acm:{REGION}:1:certificate/{len(self.held) + 1}", domain, (domain,), self._clock())
        ends = self._clock() + timedelta(days=days) if status == "ISSUED" else None
        made = replace(known, status=status, not_after=ends, **more)
        self.held[made.arn] = made
        return made

    def list(self) -> Sequence[CertificateSummary]:
        self._gate.enter("acm.list")
        self._settle()
        return [
            CertificateSummary(c.arn, c.domain, c.names, c.status, c.type, c.key_algorithm, c.not_after, c.created_at)
            for c in self.held.values()
            if self._age(c) >= self.list_delay
        ]

    def describe(self, arn: str) -> Certificate | None:
        self._gate.enter("acm.describe")
        self._settle()
        c = self.held.get(arn)
        if c is None or self._age(c) < self.describe_delay:
            return None
        name, value = c.record if self._age(c) >= self.record_delay else ("", "")
        validations = (DomainValidation(c.domain, c.status, name, value),)
        serial = c.leaf.serial if c.not_after else ""
        return Certificate(
            *(c.arn, c.domain, c.names, c.status, c.failure_reason, c.key_algorithm, c.created_at, c.not_after),
            serial=serial,
            validations=validations,
        )

    def tags(self, arn: str) -> Mapping[str, str]:
        self._gate.enter("acm.tags")
        return dict(self.held[arn].tags) if arn in self.held else {}

    def request(self, hostname: str, *, token: str, tags: Mapping[str, str], key_algorithm: str) -> str:
        self._gate.enter("acm.request")
        for c in self.held.values():
            if (c.token, c.domain) == (token, hostname) and self._age(c) <= timedelta(hours=1):
                return c.arn
        made = self.add(
            hostname, status="PENDING_VALIDATION", token=token, tags=dict(tags), key_algorithm=key_algorithm
        )
        self.requests.append(token)
        self._gate.effect("acm.request")
        return made.arn

    def leaf(self, arn: str) -> Leaf | None:
        self._gate.enter("acm.leaf")
        self._settle()
        c = self.held.get(arn)
        return c.leaf if c and c.status == "ISSUED" else None

    def _age(self, c: Issued) -> timedelta:
        return self._clock() - c.created_at

    def _settle(self) -> None:
        for c in self.held.values():
            if c.status != "PENDING_VALIDATION":
                continue
            name, value = c.record
            if self._public.lookup(name, "CNAME") == (value,):
                c.status, c.not_after = "ISSUED", self._clock() + timedelta(days=198)
            elif self._age(c) > timedelta(hours=72):
                c.status = "VALIDATION_TIMED_OUT"


# ---- Route 53 and public DNS


class Route53:
    """Hosted zones of one account."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate, self._clock = gate, clock
        self.zones: dict[str, HostedZone] = {}
        self.servers: dict[str, tuple[str, ...]] = {}
        self.content: dict[str, dict[tuple[str, str], Record]] = {}
        self.batches: list[tuple[str, tuple[RecordChange, ...]]] = []  #: that were accepted
        self.spread = timedelta(seconds=1)
        self._changes: dict[str, datetime] = {}

    def add_zone(self, id_: str, name: str, *, private: bool = False) -> None:
        """A zone with name servers of its own."""
        self.zones[id_] = HostedZone(id_, name, private)
        self.servers[id_] = () if private else (f"ns-{id_.lower()}.awsdns.test",)
        self.content[id_] = {}

    def put(self, zone_id: str, record: Record) -> None:
        """Somebody else writes a record."""
        self.content[zone_id][record.name, record.type] = record

    def take(self, zone_id: str, name: str, type_: str) -> None:
        """Somebody else deletes a record."""
        del self.content[zone_id][name, type_]

    def list(self) -> Sequence[HostedZone]:
        self._gate.enter("route53.list")
        return list(self.zones.values())

    def name_servers(self, zone_id: str) -> Sequence[str]:
        self._gate.enter("route53.name_servers")
        return self.servers[zone_id]

    def records(self, zone_id: str, name: str) -> Sequence[Record]:
        self._gate.enter("route53.records")
        return [r for r in self.content[zone_id].values() if r.name == name]

    def change(self, zone_id: str, changes: Sequence[RecordChange], comment: str) -> str:
        self._gate.enter("route53.change")
        after = dict(self.content[zone_id])
        for change in changes:
            key = (change.record.name, change.record.type)
            if change.action == "DELETE" and after.get(key) != change.record:
                raise Refused(f"Route 53 refuses: {key} was not found as given.", code="InvalidChangeBatch")
            if change.action == "DELETE":
                del after[key]
            elif key in after:
                raise Refused(f"Route 53 refuses: {key[1]} {key[0]} already exists.", code="InvalidChangeBatch")
            else:
                after[key] = change.record
        self.content[zone_id] = after
        self.batches.append((zone_id, tuple(changes)))
        change_id = f"C{len(self.batches)}"
        self._changes[change_id] = self._clock()
        self._gate.effect("route53.change")
        return change_id

    def in_sync(self, change_id: str) -> bool:
        self._gate.enter("route53.in_sync")
        return self._clock() - self._changes.get(change_id, NOON) >= self.spread


class PublicDns:
    """What the public sees: delegated hosted zones, zones held elsewhere, and the names of load balancers."""

    def __init__(self, gate: Gate, route53: Route53) -> None:
        self._gate, self._route53 = gate, route53
        self.delegated: dict[str, tuple[str, ...]] = {}
        self.elsewhere: dict[tuple[str, str], tuple[str, ...]] = {}  #: (name, type) -> values, at other providers
        self.balancers: Callable[[], Mapping[str, tuple[str, ...]]] = dict
        self.silent = False

    def ask(self, name: str, type_: str) -> DnsAnswer:
        self._gate.enter("dns.ask")
        if self.silent:
            return DnsAnswer(Found.UNKNOWN)
        values = self.lookup(name, type_)
        return DnsAnswer(Found.RECORDS if values else Found.NO_NAME, values, "ns1.elsewhere.test")

    def delegation(self, zone: str) -> DnsAnswer:
        self._gate.enter("dns.delegation")
        if self.silent:
            return DnsAnswer(Found.UNKNOWN)
        servers = self.delegated.get(zone, ())
        return DnsAnswer(Found.RECORDS if servers else Found.NO_DATA, servers, "the parent")

    def zone_of(self, name: str) -> str:
        self._gate.enter("dns.zone_of")
        return ".".join(name.split(".")[-2:])

    def addresses(self, name: str) -> tuple[str, ...]:
        self._gate.enter("dns.addresses")
        return self.reach(name)

    def lookup(self, name: str, type_: str) -> tuple[str, ...]:
        """Values of a record as the public sees them; an alias has none here."""
        if (name, type_) in self.elsewhere:
            return self.elsewhere[name, type_]
        record = self._hosted(name, type_)
        return record.values if record else ()

    def reach(self, name: str) -> tuple[str, ...]:
        """The addresses at the end of CNAMEs and aliases."""
        if name in self.balancers():
            return self.balancers()[name]
        alias = self._hosted(name, "A")
        if alias and alias.alias_name:
            return self.reach(alias.alias_name)
        target = self.lookup(name, "CNAME")
        return self.reach(target[0]) if target else self.lookup(name, "A")

    def _hosted(self, name: str, type_: str) -> Record | None:
        for id_, zone in self._route53.zones.items():
            known = self.delegated.get(zone.name) == self._route53.servers[id_]
            if known and (name, type_) in self._route53.content[id_]:
                return self._route53.content[id_][name, type_]
        return None
