"""Second rung: the validation record, in a zone of ours or elsewhere, until ACM has seen it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.external_dns import ExternalLook, validation_instructions
from services.model import LATER, Act, Decision, Done, Stop, Verb, Wait, WaitFor
from services.ports import Certificate, DnsAnswer, Found, HostedZone, Record
from services.steps.step import Item
from services.steps.validation import Seen, ValidationStep, decide
from services.zone_finder import ZoneFinder
from services.zones import ZoneChoice
from tests.unit.values import HOST, SPEC, an_item
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import DENIED, NOON

NAME, VALUE = "_x.app.example.com", "_y.acm-validations.test"
ZONE = HostedZone("Z1", "example.com", private=False)
HERE = ZoneChoice(ZONE, "example.com (Z1) is the zone.")
ELSEWHERE = ZoneChoice(None, "DNS for app.example.com is held elsewhere.")
UNSEEN = ZoneChoice(None, "No name server answered.", unknown=True)
RECORD = Record(NAME, "CNAME", (VALUE,), 300)
INSTRUCTIONS = validation_instructions(HOST, NAME, VALUE, "example.com")


def at(age: timedelta = timedelta(seconds=1), **facts: Any) -> Item:
    """On the rung for `age`, with a certificate asked for at the same moment."""
    known = {"certificate_arn": "arn:1", "validation_name": NAME, "validation_value": VALUE}
    asked = {"certificate_requested_at": (NOON - age).isoformat()}
    return an_item(age=age, **{**known, **asked, **facts})


def pending(**more: Any) -> Seen:
    return Seen("PENDING_VALIDATION", **{"choice": HERE, **more})


def elsewhere(found: Found = Found.NO_NAME, *values: str) -> Seen:
    answer = DnsAnswer(found, values, "ns1.elsewhere.test")
    look = ExternalLook({(NAME, "CNAME"): answer})
    return pending(choice=ELSEWHERE, instructions=INSTRUCTIONS, look=look)


FAILED = Certificate("arn:1", HOST, (HOST,), "FAILED", "CAA_ERROR", "RSA_2048", NOON, None, "", ())
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("item", "look", "kind", "said"),
    [
        pytest.param(at(), Seen("ISSUED"), Done, "", id="issued"),
        pytest.param(at(), Seen("FAILED", failed=FAILED), Stop, "CAA", id="failed"),
        pytest.param(at(), pending(), Act, "", id="not there: write it"),
        pytest.param(at(), pending(records=(RECORD,), in_sync=False), Wait, "spreading", id="not in sync yet"),
        pytest.param(at(), pending(records=(RECORD,)), Wait, "published", id="there: ACM's turn"),
        pytest.param(
            at(),
            pending(records=(replace(RECORD, values=("other.test",)),)),
            Stop,
            "another value",
            id="a foreign value",
        ),
        pytest.param(at(), pending(choice=UNSEEN), Wait, "No name server", id="delegation not seen"),
        pytest.param(at(), elsewhere(), Wait, "Waiting for the validation record", id="elsewhere, not there"),
        pytest.param(at(), elsewhere(Found.RECORDS, VALUE), Wait, "Right record", id="elsewhere, right"),
        pytest.param(at(), elsewhere(Found.UNKNOWN), Wait, "Waiting for", id="elsewhere, nobody answers"),
        pytest.param(at(HOUR * 73.5), elsewhere(), Stop, "within 72 hours", id="elsewhere, 72 hours over"),
        pytest.param(at(HOUR * 73.5), pending(records=(RECORD,)), Stop, "within 72 hours", id="here, 72 hours over"),
        pytest.param(at(), Seen(gone=True), Wait, "does not show", id="not listed for a moment"),
        pytest.param(at(MINUTE * 5), Seen(gone=True), Stop, "gone from ACM", id="deleted by somebody"),
        pytest.param(
            at(validation_name="", validation_value=""), pending(), Wait, "making up", id="nothing to write yet"
        ),
    ],
)
def test_whose_turn_it_is(item: Item, look: Seen, kind: type[Decision], said: str) -> None:
    """Ours, Route 53's, ACM's or a person's; and every way ends."""
    decision = decide(item, look)
    assert isinstance(decision, kind)
    assert said in str(getattr(decision, "why", "") or getattr(decision, "reason", ""))


def test_a_person_moves_next_only_while_the_record_is_wrong() -> None:
    """Once it is right, it is ACM's turn; the card must not ask the person any more."""
    waiting, right = decide(at(), elsewhere()), decide(at(), elsewhere(Found.RECORDS, VALUE))
    assert isinstance(waiting, Wait)
    assert isinstance(right, Wait)
    assert (waiting.wait_for, right.wait_for) == (WaitFor.PERSON, WaitFor.CLOUD)
    assert waiting.instructions == INSTRUCTIONS


def test_only_a_wrong_record_is_a_problem() -> None:
    """A record that is not there yet is no problem to tell, one that points elsewhere is."""
    absent, wrong = decide(at(), elsewhere()), decide(at(), elsewhere(Found.RECORDS, "elsewhere.test"))
    assert isinstance(absent, Wait)
    assert isinstance(wrong, Wait)
    assert (absent.problem, wrong.problem) == ("", wrong.found)
    assert "instead of" in wrong.problem


def test_the_same_trouble_reads_the_same_an_hour_later() -> None:
    """Told once per text, so the text must not count minutes."""
    looks = [decide(at(MINUTE * m), pending(records=(RECORD,))) for m in (31, 45, 90)]
    problems = {look.problem for look in looks if isinstance(look, Wait)}
    assert len(problems) == 1
    assert "half an hour" in problems.pop()


def test_a_plan_shows_later_for_what_acm_makes_up() -> None:
    """Neither name nor value are known before the certificate is asked for."""
    item = an_item(certificate_arn=LATER, validation_name=LATER, validation_value=LATER)
    here, there = decide(item, Seen(choice=HERE)), decide(item, Seen(choice=ELSEWHERE))
    assert isinstance(here, Act)
    assert isinstance(there, Wait)
    assert there.line is not None
    assert here.change.after == {"type": "CNAME", "name": LATER, "value": LATER, "ttl": 300}
    assert (here.change.verb, there.line.verb) == (Verb.CREATE, Verb.ASK)
    assert there.findings[0].sentence == ELSEWHERE.sentence


# ---- at the door


def rung(world: InMemoryWorld) -> ValidationStep:
    return ValidationStep(world, ZoneFinder(world, world.clock))


def looked(world: InMemoryWorld, item: Item) -> Seen:
    look = rung(world).observe([item])[item.request_id]
    assert isinstance(look, Seen)
    return look


def certified(world: InMemoryWorld, hostname: str = HOST, n: int = 1) -> Item:
    """A request whose certificate is pending in ACM."""
    issued = world.acm.add(hostname, status="PENDING_VALIDATION")
    name, value = issued.record
    facts = an_item(certificate_arn=issued.arn, validation_name=name, validation_value=value).facts
    return Item(f"r-{n}", f"e{n}", 1, replace(SPEC, hostname=hostname), facts, world.clock(), world.clock())


def test_many_records_in_one_zone_are_one_call(world: InMemoryWorld) -> None:
    """One ChangeResourceRecordSets for all that wait there."""
    step = rung(world)
    items = [certified(world, f"a{n}.example.com", n) for n in range(5)]
    acts = [(i, a) for i in items if isinstance(a := step.decide(i, looked(world, i)), Act)]
    outcome = step.act(acts)
    assert len(acts) == 5
    assert world.gate.calls["route53.change"] == 1
    assert all(facts.validation_change == "C1" for facts in outcome.values())  # type: ignore[union-attr]


def test_an_issued_certificate_needs_no_look_at_dns(world: InMemoryWorld) -> None:
    """The listing tells; a renewal of the view costs one call for all."""
    issued = world.acm.add(HOST)
    assert looked(world, an_item(certificate_arn=issued.arn)) == Seen("ISSUED")
    assert world.gate.calls == {"acm.list": 1}


def test_a_certificate_that_the_list_does_not_have_is_described(world: InMemoryWorld) -> None:
    """The list lags behind: only if ACM does not know the ARN either, it is gone."""
    world.acm.list_delay = timedelta(minutes=5)
    item = certified(world)
    world.clock.forward(seconds=3)
    assert looked(world, item).status == "PENDING_VALIDATION"
    world.acm.held.clear()
    assert looked(world, item) == Seen(gone=True)


def test_names_held_elsewhere_are_asked_about_in_dns(world: InMemoryWorld) -> None:
    """With the exact record that a person must make."""
    look = looked(world, certified(world, "app.example.org"))
    assert look.instructions is not None
    assert look.instructions.value.endswith("acm-validations.test")
    assert look.instructions.relative_name.endswith(".app")
    assert world.gate.calls["route53.records"] == 0


def test_one_zone_that_cannot_be_read_concerns_its_own_requests(world: InMemoryWorld) -> None:
    """The look of the others is not lost."""
    first, second = certified(world), certified(world, "b.example.com", 2)
    world.gate.fail("route53.records", DENIED)
    looks = rung(world).observe([first, second])
    assert looks["r-1"] is DENIED
    assert isinstance(looks["r-2"], Seen)
