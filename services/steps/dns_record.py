"""Fourth rung: the host name leads to the NLB.

In a hosted zone of ours: an alias A (AAAA too if dual-stack) with an ownership TXT, made by CREATE or changed by
DELETE of the exact old record and CREATE, in one batch; never UPSERT, which overwrites whoever wrote in between. A
record that is not ours is never touched. Elsewhere: instructions, re-checked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.errors import ServiceError
from services.external_dns import ExternalLook, application_instructions, describe_finding
from services.external_look import look
from services.hostnames import registrable_domain
from services.model import (
    LATER,
    PATIENCE,
    Act,
    Change,
    Decision,
    Done,
    Facts,
    Finding,
    Instructions,
    Resource,
    Stop,
    Verb,
    Wait,
    WaitFor,
)
from services.ownership import owner_id, owners, txt_name, txt_names_to_read, txt_value
from services.ports import HostedZone, Record, RecordChange, World
from services.steps.batches import write_records
from services.steps.step import Item, each, pace
from services.zone_finder import ZoneFinder
from services.zones import ZoneChoice

#: Types that decide where the name leads; TXT, MX or CAA may stand beside an alias.
LEADING = ("A", "AAAA", "CNAME")
TXT_TTL = 300


@dataclass(frozen=True)
class Seen:
    """Where the record belongs and what is there."""

    installation: str
    choice: ZoneChoice
    records: tuple[Record, ...] = ()  #: at the host name and at the names of its ownership marks
    in_sync: bool = True
    instructions: Instructions | None = None
    look: ExternalLook | None = None


class DnsRecordStep:
    """Write the alias, or have a CNAME made; see that it answers."""

    name = "dns_record"

    def __init__(self, world: World, finder: ZoneFinder) -> None:
        self._world = world
        self._finder = finder

    def observe(self, batch: Sequence[Item]) -> Mapping[str, Seen | ServiceError]:
        """Zone choices are remembered for a minute; records are read by exact name."""
        return each(batch, self._look)

    def _look(self, item: Item) -> Seen:
        hostname, target = item.spec.hostname, item.facts.load_balancer_hostname or LATER
        choice = self._finder.find(hostname)
        installation = self._world.installation
        if choice.zone:
            zones, zone = self._world.zones(), choice.zone
            names = txt_names_to_read(hostname, zone.name)
            records = tuple(r for name in names for r in zones.records(zone.id, name))
            change = item.facts.record_change
            return Seen(installation, choice, records, not change or zones.in_sync(change))
        if choice.unknown:
            return Seen(installation, choice)
        resolver = self._world.resolver
        zone_name = resolver.zone_of(hostname)
        instructions = application_instructions(hostname, target, zone_name, item.facts.dual_stack)
        asked = look(resolver, instructions) if target != LATER else None
        return Seen(installation, choice, instructions=instructions, look=asked)

    def decide(self, item: Item, seen: Seen) -> Decision:
        """See the module."""
        return decide(item, seen)

    def act(self, batch: Sequence[tuple[Item, Act]]) -> Mapping[str, Facts | ServiceError]:
        """One change batch per zone."""
        return write_records(self._world.zones(), batch, "application records", noted_as="record_change")


def decide(item: Item, seen: Seen) -> Decision:
    """Whose record is it, is it right, and if not: whose turn is it?"""
    if seen.choice.unknown:
        recheck = max(pace(item.now - item.since), timedelta(seconds=15))
        return Wait(seen.choice.sentence, recheck, problem=seen.choice.sentence)
    if seen.choice.zone:
        return _in_our_zone(item, seen, seen.choice.zone)
    return _elsewhere(item, seen)


# ---- our zone


def wanted_records(item: Item, seen: Seen, zone: HostedZone) -> tuple[Record, ...]:
    """Alias and mark, by address family."""
    hostname, facts = item.spec.hostname, item.facts
    mark = (txt_value(seen.installation, item.endpoint_id),)
    found = []
    for family in ("A", "AAAA") if facts.dual_stack else ("A",):
        target = facts.load_balancer_hostname or LATER
        found.append(Record(hostname, family, alias_name=target, alias_zone=facts.load_balancer_zone))
        found.append(Record(txt_name(hostname, family, zone.name), "TXT", mark, TXT_TTL))
    return tuple(found)


def _in_our_zone(item: Item, seen: Seen, zone: HostedZone) -> Decision:
    wanted = wanted_records(item, seen, zone)
    hostname = item.spec.hostname
    findings = tuple(Finding(f) for f in seen.choice.findings)
    refusal = _foreign(item, seen, zone)
    if refusal:
        return refusal
    names = {r.name for r in wanted if r.type == "TXT"}
    leading = [r for r in seen.records if r.name == hostname and r.type in LEADING]
    marks = [r for r in seen.records if r.name in names and r.type == "TXT"]
    current = (*leading, *marks)
    title = f"{hostname} in {zone.name} ({zone.id})"
    missing = [r for r in wanted if not any(_same(r, c) for c in current)]
    surplus = [c for c in leading if not any(_same(r, c) for r in wanted)]
    if missing or surplus:
        before = _fields(current) if current else None
        verb = Verb.CHANGE if surplus else Verb.CREATE
        change = Change(verb, Resource.DNS_RECORD, title, before, _fields(wanted))
        batch = (*(RecordChange("DELETE", r) for r in surplus), *(RecordChange("CREATE", r) for r in missing))
        return Act(change, item.facts, (zone, batch), findings)
    line = Change(Verb.KEEP, Resource.DNS_RECORD, title, None, _fields(wanted))
    if not seen.in_sync:
        return Wait("Route 53 is spreading the record to its servers.", pace(item.now - item.since), line=line)
    return Done(item.facts, (line,), findings)


def _foreign(item: Item, seen: Seen, zone: HostedZone) -> Stop | None:
    """Whether somebody else holds the name: by a mark that is not ours, or by a record without any mark of ours."""
    hostname = item.spec.hostname
    texts = [v for r in seen.records if r.type == "TXT" for v in r.values]
    mine = txt_value(seen.installation, item.endpoint_id)
    strangers = sorted(set(owners([t for t in texts if t != mine])))
    leading = [r for r in seen.records if r.name == hostname and r.type in LEADING]
    others = [r for r in seen.records if r.name == hostname and r.type == "NS" and hostname != zone.name]
    if others:
        return Stop(f"{hostname} is delegated away in zone {zone.name}: records here would not be seen.")
    hint = "I did not touch it. Remove it or ask its owner, then create the endpoint again."
    if strangers:
        ours_of_old = strangers == [owner_id(seen.installation)]
        who = "another endpoint of this bot" if ours_of_old else f"external-dns or another tool ({strangers[0]})"
        return Stop(f"{hostname} is owned by {who}, says its ownership record in zone {zone.name}.", hint)
    if leading and mine not in texts:
        what = "; ".join(f"{r.type} {_value(r)}" for r in leading)
        return Stop(f"{hostname} exists already in zone {zone.name} and is not ours: {what}.", hint)
    if any(r.set_identifier for r in leading):
        return Stop(f"{hostname} has weighted or otherwise routed records in zone {zone.name}.", hint)
    return None


def _same(wanted: Record, current: Record) -> bool:
    if (wanted.name, wanted.type) != (current.name, current.type):
        return False
    if wanted.type == "TXT":
        return set(wanted.values) <= set(current.values)
    target = current.alias_name.removeprefix("dualstack.")
    return target == wanted.alias_name and (not wanted.alias_zone or current.alias_zone == wanted.alias_zone)


def _fields(records: Sequence[Record]) -> dict[str, Any]:
    return {f"{r.type} {r.name}": _value(r) for r in records}


def _value(record: Record) -> str:
    if record.alias_name:
        return LATER if record.alias_name == LATER else f"alias to {record.alias_name}"
    return ", ".join(record.values)


# ---- elsewhere


def _elsewhere(item: Item, seen: Seen) -> Decision:
    instructions = seen.instructions
    if instructions is None:
        raise AssertionError("a name held elsewhere comes with instructions")
    title = f"{item.spec.hostname} at the provider of {registrable_domain(item.spec.hostname)}"
    fields = {"type": instructions.type, "name": instructions.name, "value": instructions.value}
    line = Change(Verb.ASK, Resource.DNS_RECORD, title, None, fields)
    age = item.now - item.since
    findings = tuple(Finding(f) for f in (seen.choice.sentence, *seen.choice.findings))
    if seen.look is None:  # a plan: there is no NLB yet
        return Wait("The NLB's name is known once it is made.", pace(age), line=line, findings=findings)
    facts = item.facts if item.facts.asked_at else item.facts.with_(asked_at=item.now.isoformat())
    asked_at = datetime.fromisoformat(facts.asked_at)
    right, found = describe_finding(instructions, seen.look)
    if right:
        return Done(facts, (replace(line, verb=Verb.KEEP),), findings)
    if item.now - asked_at > PATIENCE:
        return Stop(
            f"{item.spec.hostname} did not lead to the NLB within 72 hours. {found}",
            "Certificate and NLB are kept: make the record, then create the endpoint again.",
        )
    mistaken = any(a.found == "records" for a in seen.look.answers.values())
    return Wait(
        f"Waiting for the {instructions.type} record that leads {item.spec.hostname} to the NLB.",
        pace(age),
        WaitFor.PERSON,
        instructions,
        problem=found if mistaken else "",
        found=found,
        line=line,
        facts=facts,
        findings=findings,
        warn_from=asked_at,
    )
