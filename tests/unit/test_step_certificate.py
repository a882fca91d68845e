"""First rung: reuse a certificate, find our own again, or ask for one."""

from datetime import timedelta

import pytest

from services.errors import ServiceError
from services.model import LATER, Act, Decision, Done, Stop, Verb, Wait
from services.ownership import TAG_ENDPOINT, TAG_GENERATION, TAG_INSTALLATION
from services.ports import Certificate, DomainValidation
from services.steps.certificate import CertificateStep, Seen, decide, token
from services.steps.step import Item
from tests.unit.values import HOST, SPEC, a_summary, an_item
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import DENIED, NOON

OURS = {TAG_INSTALLATION: "test", TAG_ENDPOINT: "e1", TAG_GENERATION: "1"}


def asked(status: str = "PENDING_VALIDATION", *, record: bool = True, reason: str = "") -> Certificate:
    """The certificate that we asked for."""
    validation = DomainValidation(HOST, status, "_x.app.example.com" if record else "", "_y.test" if record else "")
    return Certificate("arn:1", HOST, (HOST,), status, reason, "RSA_2048", NOON, None, "", (validation,))


def seen(issued: object = None, own: Certificate | None = None) -> Seen:
    return Seen("eu-west-1", issued, own)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("item", "look", "kind"),
    [
        pytest.param(an_item(), seen(), Act, id="nothing there: ask"),
        pytest.param(an_item(), seen(a_summary()), Done, id="an issued one: reuse"),
        pytest.param(an_item(), seen(own=asked()), Done, id="our own pending one: go on to its record"),
        pytest.param(an_item(), seen(own=asked(record=False)), Wait, id="its record is not made up yet: wait"),
        pytest.param(an_item(), seen(own=asked("FAILED", reason="CAA_ERROR")), Stop, id="ACM gave up: stop"),
        pytest.param(an_item(), seen(own=asked("VALIDATION_TIMED_OUT")), Stop, id="72 hours are over: stop"),
        pytest.param(
            an_item(certificate_arn="arn:1"), seen(), Wait, id="asked, and not shown yet: wait, never ask twice"
        ),
        pytest.param(
            an_item(certificate_arn="arn:1", age=timedelta(minutes=11)),
            seen(),
            Stop,
            id="not shown for long: it is gone",
        ),
        pytest.param(an_item(), seen(own=asked("ISSUED", record=False)), Done, id="issued meanwhile"),
    ],
)
def test_what_follows_from_what_was_seen(item: Item, look: Seen, kind: type[Decision]) -> None:
    """Reuse before asking; one request, whatever ACM shows."""
    assert isinstance(decide(item, look), kind)


def test_a_request_says_what_it_asks_for() -> None:
    """The plan's line owns names, key and method; what follows from it is known later."""
    act = decide(an_item(), seen())
    assert isinstance(act, Act)
    assert act.change.before is None
    assert act.change.after == {"names": [HOST], "key": "RSA_2048", "validation": "DNS"}
    assert act.expected.certificate_arn == act.expected.validation_name == LATER


def test_an_imported_certificate_comes_with_a_finding() -> None:
    """ACM does not renew it: worth knowing before approval."""
    done = decide(an_item(), seen(a_summary(type="IMPORTED")))
    assert isinstance(done, Done)
    assert "will not renew" in done.findings[0].sentence
    assert decide(an_item(), seen(a_summary())).findings == ()  # type: ignore[union-attr]


def test_the_72_hours_count_from_the_request_to_acm() -> None:
    """Not from when we saw it: a restart must not lengthen them."""
    done = decide(an_item(), seen(own=asked()))
    assert isinstance(done, Done)
    assert done.facts.certificate_requested_at == NOON.isoformat()
    assert (done.facts.validation_name, done.facts.validation_value) == ("_x.app.example.com", "_y.test")
    assert done.kept[0].verb is Verb.KEEP


def test_the_token_lasts_over_a_crash_and_differs_for_a_later_request() -> None:
    """32 word characters, from endpoint and generation alone."""
    later = Item("r-2", "e1", 2, SPEC, an_item().facts, NOON, NOON)
    same = Item("r-9", "e1", 1, SPEC, an_item().facts, NOON, NOON)
    assert len(token(an_item())) == 32
    assert token(an_item()) == token(same) != token(later)


# ---- at the door


def looked(world: InMemoryWorld, item: Item) -> Seen:
    look = CertificateStep(world).observe([item])[item.request_id]
    assert isinstance(look, Seen)
    return look


def test_our_own_pending_certificate_is_found_by_its_tags(world: InMemoryWorld) -> None:
    """After more than an hour ACM's token is worth nothing; the tags are."""
    step, item = CertificateStep(world), an_item()
    act = step.decide(item, looked(world, item))
    assert isinstance(act, Act)
    step.act([(item, act)])  # and the process dies before it is noted
    world.clock.forward(hours=2)
    found = looked(world, item).asked
    assert found is not None
    assert world.acm.requests == [token(item)]
    assert found.arn in world.acm.held


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({}, id="without tags"),
        pytest.param({**OURS, TAG_INSTALLATION: "other"}, id="of another installation"),
        pytest.param({**OURS, TAG_ENDPOINT: "e2"}, id="of another endpoint"),
    ],
)
def test_a_pending_certificate_of_others_is_not_ours(world: InMemoryWorld, tags: dict[str, str]) -> None:
    """Its validation record may be somebody else's business; we ask for our own."""
    world.acm.add(HOST, status="PENDING_VALIDATION", tags=tags)
    assert looked(world, an_item()).asked is None


def test_an_earlier_generation_of_ours_is_continued(world: InMemoryWorld) -> None:
    """A retry after a stopped request must find it: the quota is 20 a year for some."""
    mine = world.acm.add(HOST, status="PENDING_VALIDATION", tags={**OURS, TAG_GENERATION: "7"})
    found = looked(world, an_item()).asked
    assert found is not None
    assert found.arn == mine.arn


def test_the_same_token_within_an_hour_gives_the_same_certificate(world: InMemoryWorld) -> None:
    """A crash while ACM's list lags: asked again, and still one certificate."""
    world.acm.list_delay = timedelta(minutes=5)
    step, item = CertificateStep(world), an_item()
    for _ in range(2):
        act = step.decide(item, looked(world, item))
        assert isinstance(act, Act)
        outcome = step.act([(item, act)])["r-1"]
        assert not isinstance(outcome, ServiceError)
        world.clock.forward(minutes=1)
    assert len(world.acm.held) == 1


def test_many_requests_cost_one_listing(world: InMemoryWorld) -> None:
    """Batches: the listing serves all, and nothing is described that is not ours."""
    world.acm.add("*.example.com")
    items = [Item(f"r-{n}", f"e{n}", 1, SPEC, an_item().facts, NOON, NOON) for n in range(20)]
    CertificateStep(world).observe(items)
    assert world.gate.calls == {"acm.list": 1}


def test_one_certificate_that_cannot_be_described_concerns_one_request(world: InMemoryWorld) -> None:
    """The error is the look of that request; the others are seen."""
    world.gate.fail("acm.describe", DENIED)
    broken = Item("r-2", "e2", 1, SPEC, an_item(certificate_arn="arn:x").facts, NOON, NOON)
    looks = CertificateStep(world).observe([an_item(), broken])
    assert looks["r-2"] is DENIED
    assert isinstance(looks["r-1"], Seen)
