"""Fourth rung: the host name leads to the NLB, and a record that is not ours is never touched."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.errors import Refused
from services.external_dns import ExternalLook, application_instructions
from services.model import LATER, Act, Change, Decision, Done, Stop, Verb, Wait
from services.ownership import txt_value
from services.ports import DnsAnswer, Found, HostedZone, Record
from services.steps.dns_record import DnsRecordStep, Seen, decide
from services.steps.step import Item
from services.zone_finder import ZoneFinder
from services.zones import ZoneChoice
from tests.unit.values import HOST, SPEC, an_item
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import NOON

NLB = "k8s-demo-1.elb.eu-west-1.amazonaws.test"
ZONE = HostedZone("Z1", "example.com", private=False)
HERE = ZoneChoice(ZONE, "example.com (Z1) is the zone.", ("The name servers of example.com differ.",))
ELSEWHERE = ZoneChoice(None, "DNS for app.example.com is held elsewhere.")
UNSEEN = ZoneChoice(None, "No name server answered.", unknown=True)
ALIAS = Record(HOST, "A", alias_name=NLB, alias_zone="ZNLB")
MARK = Record(f"a-{HOST}", "TXT", (txt_value("test", "e1"),), 300)
FOREIGN_MARK = replace(MARK, values=('"heritage=external-dns,external-dns/owner=cluster-b,external-dns/resource=x"',))
OTHER_ENDPOINT = replace(MARK, values=(txt_value("test", "e2"),))
HOUR = timedelta(hours=1)


def at(age: timedelta = timedelta(seconds=1), **more: Any) -> Item:
    """On the rung for `age`, with an NLB."""
    nlb = {"load_balancer_hostname": NLB, "load_balancer_zone": "ZNLB"}
    return an_item(age=age, **{**nlb, **more})


def here(*records: Record, **more: Any) -> Seen:
    return Seen("test", HERE, records, **more)


def elsewhere(found: Found = Found.NO_NAME, *values: str, type_: str = "CNAME") -> Seen:
    instructions = application_instructions(HOST, NLB, "example.com", dual_stack=False)
    look = ExternalLook({(HOST, type_): DnsAnswer(found, values, "ns1")}, ("192.0.2.1",), ("192.0.2.1",))
    return Seen("test", ELSEWHERE, instructions=instructions, look=look)


@pytest.mark.parametrize(
    ("item", "look", "kind", "said"),
    [
        pytest.param(at(), here(), Act, "", id="nothing there: create"),
        pytest.param(at(), here(ALIAS, MARK), Done, "", id="ours and right"),
        pytest.param(
            at(), here(replace(ALIAS, alias_name=f"dualstack.{NLB}"), MARK), Done, "", id="as consoles write it"
        ),
        pytest.param(at(), here(ALIAS, MARK, in_sync=False), Wait, "spreading", id="not in sync"),
        pytest.param(at(), here(replace(ALIAS, alias_name="old.test"), MARK), Act, "", id="ours, to another NLB"),
        pytest.param(at(), here(MARK), Act, "", id="only our mark is left"),
        pytest.param(at(), here(ALIAS), Stop, "exists already", id="right, but not ours"),
        pytest.param(at(), here(Record(HOST, "A", ("192.0.2.1",), 300)), Stop, "A 192.0.2.1", id="a foreign A"),
        pytest.param(at(), here(Record(HOST, "CNAME", ("x.test",), 300)), Stop, "CNAME x.test", id="a foreign CNAME"),
        pytest.param(at(), here(FOREIGN_MARK), Stop, "cluster-b", id="a foreign mark without a record"),
        pytest.param(at(), here(ALIAS, MARK, replace(FOREIGN_MARK, name=HOST)), Stop, "cluster-b", id="marked by both"),
        pytest.param(at(), here(OTHER_ENDPOINT), Stop, "another endpoint of this bot", id="of another endpoint"),
        pytest.param(at(), here(Record(HOST, "NS", ("ns.test",), 300)), Stop, "delegated away", id="delegated away"),
        pytest.param(at(), here(replace(ALIAS, set_identifier="blue"), MARK), Stop, "weighted", id="routed records"),
        pytest.param(at(), here(Record(HOST, "MX", ("1 mx.test",), 300)), Act, "", id="mail beside it"),
        pytest.param(at(), here(Record(HOST, "TXT", ('"v=spf1 -all"',), 300)), Act, "", id="a text beside it"),
        pytest.param(at(), Seen("test", UNSEEN), Wait, "No name server", id="delegation not seen"),
        pytest.param(at(), elsewhere(), Wait, "Waiting for the CNAME", id="elsewhere, not there"),
        pytest.param(at(), elsewhere(Found.RECORDS, NLB), Done, "", id="elsewhere, right"),
        pytest.param(at(), elsewhere(Found.RECORDS, "192.0.2.1", type_="A"), Done, "", id="elsewhere, an ALIAS"),
        pytest.param(
            at(asked_at=(NOON - HOUR * 73).isoformat()),
            elsewhere(),
            Stop,
            "within 72 hours",
            id="elsewhere, 72 hours over",
        ),
    ],
)
def test_whose_record_it_is_and_whose_turn(item: Item, look: Seen, kind: type[Decision], said: str) -> None:
    """Ours to write, ours already, somebody else's, or a person's to make."""
    decision = decide(item, look)
    assert isinstance(decision, kind)
    assert said in str(getattr(decision, "why", "") or getattr(decision, "reason", ""))


def change_of(*records: Record, item: Item | None = None) -> tuple[Change, list[tuple[str, str, str]]]:
    """The planned change and the batch: action, type, name."""
    act = decide(item or at(), here(*records))
    assert isinstance(act, Act)
    return act.change, [(c.action, c.record.type, c.record.name) for c in act.payload[1]]


def test_alias_and_mark_are_created_in_one_batch() -> None:
    """Both or neither: a record without a mark would be foreign to us at the next look."""
    change, batch = change_of()
    assert (change.verb, change.before) == (Verb.CREATE, None)
    assert batch == [("CREATE", "A", HOST), ("CREATE", "TXT", f"a-{HOST}")]
    assert change.after == {f"A {HOST}": f"alias to {NLB}", f"TXT a-{HOST}": MARK.values[0]}


def test_dual_stack_has_both_families() -> None:
    """A and AAAA, each with its own mark (F35)."""
    _, batch = change_of(item=at(dual_stack=True))
    assert [(t, n) for _, t, n in batch] == [("A", HOST), ("TXT", f"a-{HOST}"), ("AAAA", HOST), ("TXT", f"aaaa-{HOST}")]


def test_a_changed_record_is_deleted_exactly_and_created() -> None:
    """Never UPSERT: whoever wrote in between makes the DELETE fail."""
    change, batch = change_of(replace(ALIAS, alias_name="old.test"), MARK)
    assert change.verb is Verb.CHANGE
    assert change.before == {f"A {HOST}": "alias to old.test", f"TXT a-{HOST}": MARK.values[0]}
    assert batch == [("DELETE", "A", HOST), ("CREATE", "A", HOST)]


def test_a_cname_of_ours_gives_way_in_the_same_batch() -> None:
    """A and CNAME cannot stand beside each other."""
    _, batch = change_of(Record(HOST, "CNAME", ("old.test",), 300), MARK)
    assert batch == [("DELETE", "CNAME", HOST), ("CREATE", "A", HOST)]


def test_a_missing_half_is_made_without_touching_the_other() -> None:
    """The mark is there, the record is not."""
    _, batch = change_of(MARK)
    assert batch == [("CREATE", "A", HOST)]


def test_a_plan_without_an_nlb_shows_later() -> None:
    """Its name is not known before it is made; and what is odd about the zone is told."""
    act = decide(an_item(), here())
    assert isinstance(act, Act)
    assert (act.change.after or {})[f"A {HOST}"] == LATER
    assert act.findings[0].sentence == HERE.findings[0]


def test_a_plan_for_elsewhere_says_why_it_is_elsewhere() -> None:
    """Also when the certificate is reused and nobody asked about validation."""
    look = replace(elsewhere(), look=None)
    wait = decide(an_item(), look)
    assert isinstance(wait, Wait)
    assert wait.line is not None
    assert wait.line.verb is Verb.ASK
    assert wait.findings[0].sentence == ELSEWHERE.sentence


def test_the_72_hours_count_from_the_first_asking() -> None:
    """Kept with the request, so that looks and restarts do not move it."""
    first = decide(at(), elsewhere())
    assert isinstance(first, Wait)
    assert first.facts is not None
    assert first.facts.asked_at == NOON.isoformat()
    asked = (NOON - HOUR).isoformat()
    later = decide(at(asked_at=asked), elsewhere())
    assert isinstance(later, Wait)
    assert later.facts is not None
    assert (later.facts.asked_at, later.warn_from) == (asked, NOON - HOUR)


def test_what_was_found_instead_is_told() -> None:
    """An A record in place of the CNAME, in words."""
    look = elsewhere(Found.RECORDS, "198.51.100.99", type_="A")
    wait = decide(at(), look)
    assert isinstance(wait, Wait)
    assert "turn the proxy off" in wait.problem


# ---- at the door


def rung(world: InMemoryWorld) -> DnsRecordStep:
    return DnsRecordStep(world, ZoneFinder(world, world.clock))


def decided(world: InMemoryWorld, item: Item) -> Decision:
    look = rung(world).observe([item])[item.request_id]
    assert isinstance(look, Seen)
    return decide(item, look)


def test_our_records_are_found_again(world: InMemoryWorld) -> None:
    """What was written reads back as ours."""
    step, item = rung(world), at()
    act = decided(world, item)
    assert isinstance(act, Act)
    facts = step.act([(item, act)])["r-1"]
    assert facts == item.facts.with_(record_change="C1")
    world.clock.forward(seconds=5)
    assert isinstance(decided(world, item), Done)


@pytest.mark.parametrize("mark", ["a-", "aaaa-", "cname-", ""])
def test_a_mark_of_external_dns_is_seen_under_every_name(world: InMemoryWorld, mark: str) -> None:
    """Older releases wrote it elsewhere."""
    world.route53.put("Z1", replace(FOREIGN_MARK, name=mark + HOST))
    assert isinstance(decided(world, at()), Stop)


def test_a_race_on_create_is_a_refusal_never_an_overwrite(world: InMemoryWorld) -> None:
    """Somebody's record appears between look and change: theirs stays, nothing of ours is written."""
    theirs = Record(HOST, "A", ("192.0.2.9",), 60)
    step, item = rung(world), at()
    act = decided(world, item)
    assert isinstance(act, Act)
    world.gate.before["route53.change"] = [lambda: world.route53.put("Z1", theirs)]
    assert isinstance(step.act([(item, act)])["r-1"], Refused)
    assert world.route53.content["Z1"] == {(HOST, "A"): theirs}
    assert isinstance(decided(world, item), Stop)


def test_a_race_on_change_is_a_refusal_too(world: InMemoryWorld) -> None:
    """DELETE names the exact old record."""
    step, item = rung(world), at()
    world.route53.put("Z1", replace(ALIAS, alias_name="old.test"))
    world.route53.put("Z1", MARK)
    act = decided(world, item)
    assert isinstance(act, Act)
    theirs = replace(ALIAS, alias_name="theirs.test")
    world.gate.before["route53.change"] = [lambda: world.route53.put("Z1", theirs)]
    assert isinstance(step.act([(item, act)])["r-1"], Refused)
    assert world.route53.content["Z1"][HOST, "A"] == theirs


def test_one_poisoned_name_does_not_stop_the_others(world: InMemoryWorld) -> None:
    """One batch; refused for one name, it is split by name."""
    step = rung(world)
    items = [replace(at(), request_id=f"r-{n}", spec=replace(SPEC, hostname=f"a{n}.example.com")) for n in range(4)]
    acts = [(i, a) for i in items if isinstance(a := decided(world, i), Act)]
    world.route53.put("Z1", Record("a2.example.com", "A", ("192.0.2.9",), 60))
    outcome = step.act(acts)
    assert [r for r, o in outcome.items() if isinstance(o, Refused)] == ["r-2"]
    assert world.route53.content["Z1"]["a2.example.com", "A"].values == ("192.0.2.9",)
    assert all((f"a{n}.example.com", "A") in world.route53.content["Z1"] for n in (0, 1, 3))
    assert world.gate.calls["route53.change"] == 5
