"""What an authoritative name server makes of a zone: one lookup, pure, by the rules of RFC 1034 §4.3.2 and RFC 4592."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandbox.aws.model import AliasTarget, RecordSet

Rcode = Literal["NOERROR", "NXDOMAIN", "REFUSED", "SERVFAIL"]
AliasAddresses = Callable[[AliasTarget, str], tuple[str, ...]]  #: addresses of type A or AAAA that a target has now

NEGATIVE_TTL = 60


@dataclass(frozen=True)
class Zone:
    """A zone and its records, by owner name (lower-case, trailing dot) and type."""

    name: str
    records: Mapping[str, Mapping[str, RecordSet]]

    @property
    def name_servers(self) -> tuple[str, ...]:
        """The names in the NS record of the apex."""
        record = self.records.get(self.name, {}).get("NS")
        return tuple(absolute(value) for value in record.values) if record else ()

    @property
    def soa(self) -> RecordSet:
        """The SOA record, with the time to live of a negative answer (RFC 2308 §5)."""
        record = self.records.get(self.name, {}).get("SOA")
        value = (
            record.values[0] if record else f"ns.{self.name} hostmaster.{self.name} 1 7200 900 1209600 {NEGATIVE_TTL}"
        )
        minimum = int(value.split()[-1])
        return RecordSet(self.name, "SOA", min((record.ttl if record else None) or minimum, minimum), (value,))

    def exists(self, name: str) -> bool:
        """Whether the name has records, or is an empty non-terminal above one that has."""
        return name in self.records or any(owner.endswith("." + name) for owner in self.records)


@dataclass
class Answer:
    """The sections of an answer."""

    rcode: Rcode = "NOERROR"
    authoritative: bool = True
    answer: list[RecordSet] = field(default_factory=list)
    authority: list[RecordSet] = field(default_factory=list)
    additional: list[RecordSet] = field(default_factory=list)

    @property
    def alias(self) -> str | None:
        """Where the answer's last CNAME points, if that is where the answer ends."""
        last = self.answer[-1] if self.answer else None
        return absolute(last.values[0]) if last is not None and last.type == "CNAME" else None


def absolute(name: str) -> str:
    """Lower-case, with exactly one trailing dot."""
    return name.rstrip(".").lower() + "."


def below(name: str, zone: str) -> bool:
    """Whether a name is a zone's apex or under it, by labels."""
    return zone == "." or name == zone or name.endswith("." + zone)


def ancestors(name: str) -> list[str]:
    """The name itself, then its parents, without the root."""
    labels = name.rstrip(".").split(".")
    return [".".join(labels[i:]) + "." for i in range(len(labels))]


def referral(zone: Zone, name: str) -> RecordSet | None:
    """The NS record of the highest zone cut between the apex (not included) and the name."""
    cuts = [owner for owner in ancestors(name) if owner != zone.name and below(owner, zone.name)]
    found = [zone.records[owner]["NS"] for owner in cuts if "NS" in zone.records.get(owner, {})]
    return found[-1] if found else None


def look_up(zone: Zone, name: str, record_type: str, alias_addresses: AliasAddresses) -> Answer:
    """The zone's answer for one name, which lies in it. A CNAME is given but not followed."""
    if cut := referral(zone, name):
        return Answer(authoritative=False, authority=[cut])
    types = zone.records.get(name)
    if types is None and not zone.exists(name):
        types = _wildcard(zone, name)
        if types is None:
            return Answer(rcode="NXDOMAIN", authority=[zone.soa])
    chosen = (types or {}).get(record_type) or (types or {}).get("CNAME")
    record = _expand(zone, chosen, alias_addresses) if chosen else None
    if record is None:
        return Answer(authority=[zone.soa])
    return Answer(answer=[RecordSet(name, record.type, record.ttl, record.values)])


def _wildcard(zone: Zone, name: str) -> Mapping[str, RecordSet] | None:
    """The records of the wildcard right below the closest ancestor that exists; no other wildcard counts."""
    for encloser in ancestors(name)[1:]:
        if zone.exists(encloser):
            return zone.records.get(f"*.{encloser}")
    return None


def _expand(zone: Zone, record: RecordSet, alias_addresses: AliasAddresses) -> RecordSet | None:
    """The record with its alias resolved, as Route 53 does it at each question; None if there is nothing to say."""
    if record.alias is None:
        return record
    target = absolute(record.alias.dns_name)
    local = zone.records.get(target, {}).get(record.type)
    if local is not None and local.alias is None:
        return local
    addresses = alias_addresses(record.alias, record.type)
    return RecordSet(record.name, record.type, 60, addresses) if addresses else None
