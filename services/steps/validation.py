"""Second rung: ACM has issued the certificate, because the public can see its validation record.

In a hosted zone of ours the record is written; elsewhere a person is told exactly what to enter, and we look whether
it is there. ACM alone says when the rung holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from services.certificates import gave_up, gone
from services.errors import ServiceError
from services.external_dns import ExternalLook, describe_finding, validation_instructions
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
from services.ports import (
    Certificate,
    Certificates,
    CertificateSummary,
    HostedZone,
    Record,
    RecordChange,
    World,
)
from services.steps.batches import write_records
from services.steps.step import Item, each, pace
from services.zone_finder import ZoneFinder
from services.zones import ZoneChoice

RECORD_TTL = 300
_NOT_SHOWN = "ACM does not show the certificate."
#: ACM usually sees the record within minutes; after this long something is probably in its way (F1, F3).
USUAL = timedelta(minutes=30)
#: ACM's list may lag behind; the certificate was described a moment ago, on the rung before.
SETTLE = timedelta(minutes=1)


@dataclass(frozen=True)
class Seen:
    """Status of the certificate, where its record belongs, and what is there."""

    status: str = ""  #: ACM's word; empty: not requested yet
    failed: Certificate | None = None
    gone: bool = False  #: ACM knows neither the certificate nor anything of it any more
    choice: ZoneChoice | None = None
    records: tuple[Record, ...] = ()  #: in our zone, at the record's name
    in_sync: bool = True
    instructions: Instructions | None = None
    look: ExternalLook | None = None


class ValidationStep:
    """Publish the validation record, or have it published; wait for ACM."""

    name = "validation"

    def __init__(self, world: World, finder: ZoneFinder) -> None:
        self._world = world
        self._finder = finder

    def observe(self, batch: Sequence[Item]) -> Mapping[str, Seen | ServiceError]:
        """One listing of certificates per cluster tells the status of all; records and DNS only where not issued."""
        seen: dict[str, Seen | ServiceError] = {}
        for cluster in dict.fromkeys(i.spec.cluster for i in batch):
            acm = self._world.certificates(cluster)
            items = [i for i in batch if i.spec.cluster == cluster]
            known = [i for i in items if i.facts.certificate_arn not in ("", LATER)]
            listed = {c.arn: c for c in acm.list()} if known else {}
            seen |= each(items, partial(self._look, acm, listed))
        return seen

    def _look(self, acm: Certificates, listed: Mapping[str, CertificateSummary], item: Item) -> Seen:
        summary = listed.get(item.facts.certificate_arn)
        status = summary.status if summary else ""
        if summary is None and item.facts.certificate_arn not in ("", LATER):
            described = acm.describe(item.facts.certificate_arn)
            if described is None:
                return Seen(gone=True)
            status = described.status
        if status == "ISSUED":
            return Seen(status)
        if status not in ("", "PENDING_VALIDATION"):
            return Seen(status, failed=acm.describe(item.facts.certificate_arn))
        choice = self._finder.find(item.spec.hostname)
        name = item.facts.validation_name
        if choice.zone:
            zones = self._world.zones()
            records = tuple(zones.records(choice.zone.id, name)) if name not in ("", LATER) else ()
            change = item.facts.validation_change
            return Seen(status, choice=choice, records=records, in_sync=not change or zones.in_sync(change))
        if choice.unknown:
            return Seen(status, choice=choice)
        if name in ("", LATER):
            return Seen(status, choice=choice)
        resolver = self._world.resolver
        zone = resolver.zone_of(item.spec.hostname)
        instructions = validation_instructions(item.spec.hostname, name, item.facts.validation_value, zone)
        return Seen(status, choice=choice, instructions=instructions, look=look(resolver, instructions))

    def decide(self, item: Item, seen: Seen) -> Decision:
        """See the module."""
        return decide(item, seen)

    def act(self, batch: Sequence[tuple[Item, Act]]) -> Mapping[str, Facts | ServiceError]:
        """One change batch per zone."""
        return write_records(self._world.zones(), batch, "ACM validation", noted_as="validation_change")


def decide(item: Item, seen: Seen) -> Decision:
    """Issued, given up, or: whose turn is it, ours, Route 53's, ACM's or a person's?"""
    if seen.status == "ISSUED":
        return Done(item.facts)
    if seen.failed:
        return gave_up(seen.failed)
    age = item.now - item.since
    if seen.gone:
        return gone(item.facts.certificate_arn) if age > SETTLE else Wait(_NOT_SHOWN, pace(age))
    if item.now - _asked_at(item) > PATIENCE + timedelta(hours=1):  # ACM gives up by itself an hour before
        return Stop(
            "The validation record did not appear within 72 hours.",
            "The same record stays valid: publish it, then create the endpoint again.",
        )
    choice = seen.choice
    if choice is None or choice.unknown:
        why = choice.sentence if choice else _NOT_SHOWN
        return Wait(why, max(pace(age), timedelta(seconds=15)), problem=why)
    findings = tuple(Finding(f) for f in choice.findings)
    if choice.zone:
        return _in_our_zone(item, seen, choice.zone, findings)
    return _elsewhere(item, seen, (Finding(choice.sentence), *findings))


def _in_our_zone(item: Item, seen: Seen, zone: HostedZone, findings: tuple[Finding, ...]) -> Decision:
    name, value = item.facts.validation_name or LATER, item.facts.validation_value or LATER
    title = f"for {item.spec.hostname} in {zone.name} ({zone.id})"
    fields = {"type": "CNAME", "name": name, "value": value, "ttl": RECORD_TTL}
    existing = [r for r in seen.records if r.type == "CNAME"]
    change = Change(Verb.CREATE, Resource.VALIDATION_RECORD, title, None, fields)
    if name == LATER and item.facts.certificate_arn not in ("", LATER):  # asked for already: nothing to write yet
        return Wait("ACM is making up the validation record.", pace(item.now - item.since), line=change)
    if not existing:
        record = Record(name, "CNAME", (value,), RECORD_TTL)
        batch = (RecordChange("CREATE", record),)
        return Act(change, item.facts, (zone, batch), findings)
    if existing[0].values != (value,):
        return Stop(
            f"{name} exists in zone {zone.name} with another value: {', '.join(existing[0].values)}.",
            "It was not touched. Find out who made it; ACM needs its own value there.",
        )
    line = Change(Verb.KEEP, Resource.VALIDATION_RECORD, title, None, fields)
    age = item.now - item.since
    if not seen.in_sync:
        return Wait("Route 53 is spreading the validation record to its servers.", pace(age), line=line)
    problem = ""
    if age > USUAL:
        problem = (
            "ACM has not seen the record for half an hour; usually it takes a few minutes. "
            f"Is {zone.name} delegated to Route 53, and does CAA let Amazon issue?"
        )
    return Wait(
        "The validation record is published; ACM looks at it every few minutes.",
        pace(age),
        problem=problem,
        line=line,
        warn_from=_asked_at(item),
        findings=findings,
    )


def _elsewhere(item: Item, seen: Seen, findings: tuple[Finding, ...]) -> Decision:
    instructions = seen.instructions
    title = f"for {item.spec.hostname} at the provider of {registrable_domain(item.spec.hostname)}"
    age = item.now - item.since
    if instructions is None or seen.look is None:  # a plan: ACM has not made up the record yet
        fields = {"type": "CNAME", "name": LATER, "value": LATER}
        line = Change(Verb.ASK, Resource.VALIDATION_RECORD, title, None, fields)
        return Wait("ACM makes up the record when it is asked.", pace(age), line=line, findings=findings)
    fields = {"type": "CNAME", "name": instructions.name, "value": instructions.value}
    line = Change(Verb.ASK, Resource.VALIDATION_RECORD, title, None, fields)
    asked_at = _asked_at(item)
    right, found = describe_finding(instructions, seen.look)
    mistaken = not right and any(a.found == "records" for a in seen.look.answers.values())
    return Wait(
        f"{found} ACM looks at it every few minutes." if right else "Waiting for the validation record.",
        pace(age),
        WaitFor.CLOUD if right else WaitFor.PERSON,
        instructions,
        problem=found if mistaken else "",
        found=found,
        line=line,
        warn_from=asked_at,
        findings=findings,
    )


def _asked_at(item: Item) -> datetime:
    text = item.facts.certificate_requested_at
    return datetime.fromisoformat(text) if text else item.since
