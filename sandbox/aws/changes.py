"""What Route 53 allows in a change batch. Pure: records and changes in, new records and messages out.

The messages are Route 53's own words, as users report them; a batch with a single fault changes nothing.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.aws.model import AliasTarget, RecordSet

RecordKey = tuple[str, str, str | None]
Records = Mapping[RecordKey, RecordSet]
AliasCheck = Callable[[AliasTarget], str | None]  #: what is wrong with a target outside the zone, or None

ROUTING = ("Weight", "Region", "Failover", "GeoLocation", "MultiValueAnswer", "HealthCheckId", "CidrRoutingConfig")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class InvalidInputError(ValueError):
    """A change that Route 53 refuses as input, before it looks at the zone."""


def canonical(name: str) -> str:
    """A name as Route 53 lists it: lower-case, trailing dot, everything unusual as a three-digit octal escape."""
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), name).rstrip(".").lower()
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else f"\\{ord(c):03o}" for c in plain) + "."


def within(name: str, zone: str) -> bool:
    """Whether a name lies in a zone, counted by labels."""
    return name == zone or name.endswith("." + zone)


def sort_key(record: RecordSet) -> tuple[str, str, str]:
    """Route 53's order: by the name with its labels reversed, then by type, then by set identifier."""
    return reversed_name(record.name), record.type, record.set_identifier or ""


def reversed_name(name: str) -> str:
    """`www.example.com.` as `com.example.www.`; the trailing dot takes part in the order."""
    return ".".join(reversed(canonical(name).rstrip(".").split("."))) + "."


def parse(wire: Mapping[str, Any]) -> RecordSet:
    """A record set from the request. Raises InvalidInputError if it has neither or both of values and alias."""
    alias = wire.get("AliasTarget")
    values = tuple(item["Value"] for item in wire.get("ResourceRecords") or ())
    ttl = wire.get("TTL")
    if bool(alias) == bool(values or ttl is not None) or (values and ttl is None) or (ttl is not None and not values):
        found = "more than one" if alias else "none"
        raise InvalidInputError(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found {found} in Change with "
            f"[Name={wire['Name']}, Type={wire['Type']}, SetIdentifier={wire.get('SetIdentifier', 'null')}]"
        )
    return RecordSet(
        name=canonical(wire["Name"]),
        type=wire["Type"],
        ttl=None if ttl is None else int(ttl),
        values=values,
        alias=_parse_alias(alias) if alias else None,
        set_identifier=wire.get("SetIdentifier"),
        routing=tuple((key, wire[key]) for key in ROUTING if wire.get(key) is not None),
    )


def _parse_alias(wire: Mapping[str, Any]) -> AliasTarget:
    evaluate = str(wire["EvaluateTargetHealth"]).lower() == "true"
    return AliasTarget(wire["HostedZoneId"], canonical(wire["DNSName"]), evaluate)


def unparse(record: RecordSet) -> dict[str, Any]:
    """The record set as ListResourceRecordSets shows it."""
    wire: dict[str, Any] = {"Name": record.name, "Type": record.type, "SetIdentifier": record.set_identifier}
    wire.update(record.routing)
    if record.alias:
        wire["AliasTarget"] = {
            "HostedZoneId": record.alias.zone_id,
            "DNSName": record.alias.dns_name,
            "EvaluateTargetHealth": record.alias.evaluate_target_health,
        }
    else:
        wire |= {"TTL": record.ttl, "ResourceRecords": [{"Value": value} for value in record.values]}
    return {key: value for key, value in wire.items() if value is not None}


class Batch:
    """One change batch against one zone. `records` is a working copy; it counts only if `messages` stays empty."""

    def __init__(self, zone: str, zone_id: str, records: Records, check_alias: AliasCheck) -> None:
        self.zone, self.zone_id = zone, zone_id
        self.records = dict(records)
        self.messages: list[str] = []
        self._check_alias = check_alias
        self._types: dict[str, set[str]] = {}
        for name, record_type, _ in self.records:
            self._types.setdefault(name, set()).add(record_type)
        self._done: set[tuple[str, RecordKey]] = set()

    def apply(self, changes: Sequence[tuple[str, RecordSet]]) -> None:
        """Apply changes in their order, (action, record set) each, and collect what is wrong with them."""
        for action, record in changes:
            key = (record.name, record.type, record.set_identifier)
            message = self._once(action, key, record) or self._refusal(action, key, record)
            if message:
                self.messages.append(message)
            elif action == "DELETE":
                del self.records[key]
                self._forget(key)
            else:
                self.records[key] = record
                self._types.setdefault(record.name, set()).add(record.type)
        self._check_apex()

    def _forget(self, key: RecordKey) -> None:
        name, record_type, _ = key
        if not any(other[:2] == (name, record_type) for other in self.records):
            self._types[name].discard(record_type)

    def _once(self, action: str, key: RecordKey, record: RecordSet) -> str | None:
        verb = "DELETE" if action == "DELETE" else "CREATE"
        if (verb, key) in self._done:
            what = f"'{record.type} {record.name}'"
            return f"The request contains an invalid set of changes for a resource record set {what}"
        self._done.add((verb, key))
        return None

    def _refusal(self, action: str, key: RecordKey, record: RecordSet) -> str | None:
        if not within(record.name, self.zone):
            return f"RRSet with DNS name {record.name} is not permitted in zone {self.zone}"
        label = f"[name='{record.name}', type='{record.type}'{_set_label(record)}]"
        if action == "DELETE":
            if key not in self.records:
                return f"Tried to delete resource record set {label} but it was not found"
            if not _same(self.records[key], record):
                return (
                    f"Tried to delete resource record set {label} "
                    "but the values provided do not match the current values"
                )
            return None
        if action == "CREATE" and key in self.records:
            return f"Tried to create resource record set {label} but it already exists"
        return self._conflict(record) or (self._wrong_alias(record) if record.alias else _wrong_value(record))

    def _conflict(self, record: RecordSet) -> str | None:
        here = f"with DNS name {record.name} is not permitted"
        others = self._types.get(record.name, set()) - {record.type}
        if record.type == "CNAME" and record.name == self.zone:
            return f"RRSet of type CNAME {here} at apex in zone {self.zone}"
        if record.type == "CNAME" and others:
            others_there = "it conflicts with other records with the same DNS name"
            return f"RRSet of type CNAME {here} as {others_there} in zone {self.zone}"
        if "CNAME" in others:
            return (
                f"RRSet of type {record.type} {here} because a conflicting RRSet of type CNAME "
                f"with the same DNS name already exists in zone {self.zone}"
            )
        return None

    def _wrong_alias(self, record: RecordSet) -> str | None:
        target = record.alias
        assert target is not None  # noqa: S101 - for the type checker; _refusal asks only for aliases
        if target.zone_id == self.zone_id:
            found = record.type in self._types.get(target.dns_name, set())
            problem = None if found else "but that target was not found"
        else:
            problem = self._check_alias(target)
        if problem is None:
            return None
        where = f"{target.dns_name}, type {record.type} in zone {target.zone_id}"
        return f"Tried to create an alias that targets {where}, {problem}"

    def _check_apex(self) -> None:
        types = self._types.get(self.zone, set())
        if "SOA" not in types:
            self.messages.append("A HostedZone must contain exactly one SOA record.")
        if "NS" not in types:
            self.messages.append("A HostedZone must contain at least one NS record for the zone itself.")


def _set_label(record: RecordSet) -> str:
    return f", set-identifier='{record.set_identifier}'" if record.set_identifier else ""


def _same(stored: RecordSet, given: RecordSet) -> bool:
    """Whether a DELETE names exactly what is there. The order of values does not count."""
    return (stored.ttl, sorted(stored.values), stored.alias, stored.routing) == (
        given.ttl,
        sorted(given.values),
        given.alias,
        given.routing,
    )


def _wrong_value(record: RecordSet) -> str | None:
    if len(set(record.values)) < len(record.values):
        twice = next(value for value in record.values if record.values.count(value) > 1)
        return f"Duplicate Resource Record: '{twice}'"
    if record.type == "CNAME" and len(record.values) > 1:
        return f"RRSet of type CNAME with DNS name {record.name} may contain only one resource record"
    problem = {"A": _wrong_ipv4, "AAAA": _wrong_ipv6, "TXT": _wrong_text, "CNAME": _wrong_name, "NS": _wrong_name}
    check = problem.get(record.type)
    for value in record.values if check else ():
        if check and (fault := check(value)):
            return f"Invalid Resource Record: FATAL problem: {fault} encountered with '{value}'"
    return None


def _wrong_ipv4(value: str) -> str | None:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
    return None


def _wrong_ipv6(value: str) -> str | None:
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
    return None


def _wrong_text(value: str) -> str | None:
    if not re.fullmatch(r'"(?:[^"\\]|\\.)*"(?:\s+"(?:[^"\\]|\\.)*")*', value):
        return "InvalidCharacterString (Value should be enclosed in quotation marks)"
    if any(len(part) > 255 for part in re.findall(r'"((?:[^"\\]|\\.)*)"', value)):
        return "CharacterStringTooLong (Value is too long)"
    return None


def _wrong_name(value: str) -> str | None:
    labels = value.rstrip(".").split(".")
    if not all(labels):
        return "DomainLabelEmpty (Domain label is empty)"
    if any(len(label) > 63 for label in labels):
        return "DomainLabelTooLong (Domain label is too long)"
    if re.search(r"\s", value):
        return "UnsupportedCharacter (Value contains unsupported characters)"
    return None
