"""From a request to a plan, a choice or a refusal; and nothing written anywhere."""

from dataclasses import replace
from typing import Any

import pytest

from services.errors import Permanent, Transient
from services.model import Resource, Verb
from services.ownership import HOSTNAME_ANNOTATION, INSTALLATION
from services.planner import Choose, NotYet, Outcome, Planned, Planner, Refusal, trouble
from services.policy import Policy, Rule
from services.ports import Record
from services.steps.certificate import CertificateStep
from services.steps.dns_record import DnsRecordStep
from services.steps.load_balancer import LoadBalancerStep
from services.steps.step import Step
from services.steps.validation import ValidationStep
from services.zone_finder import ZoneFinder
from tests.unit.bots import DEV, ONCALL, OURS, RULE, THEIRS, TLS
from tests.unit.values import SPEC, a_request
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import DENIED, THROTTLED


def a_planner(world: InMemoryWorld, *rules: Rule) -> Planner:
    finder = ZoneFinder(world, world.clock)
    ladder: list[Step] = [
        CertificateStep(world),
        ValidationStep(world, finder),
        LoadBalancerStep(world),
        DnsRecordStep(world, finder),
    ]
    return Planner(world, ladder, Policy(rules or (RULE,)), world.people, TLS, world.clock)


def plan(world: InMemoryWorld, hostname: str = OURS, *rules: Rule, **more: Any) -> Outcome:
    return a_planner(world, *rules).plan(a_request(hostname=hostname, **more))


def refused(outcome: Outcome) -> str:
    assert isinstance(outcome, Refusal), outcome
    return f"{outcome.sentence} {outcome.hint}".strip()


def lines(outcome: Outcome) -> list[tuple[Verb, Resource]]:
    assert isinstance(outcome, Planned), outcome
    return [(c.verb, c.resource) for c in outcome.plan.changes]


CREATE, KEEP, ASK = Verb.CREATE, Verb.KEEP, Verb.ASK
CERTIFICATE, VALIDATION, SERVICE, DNS = Resource


def test_a_bare_create_in_our_zone(world: InMemoryWorld) -> None:
    """Four things to make, and nothing made yet."""
    outcome = plan(world)
    assert lines(outcome) == [(CREATE, CERTIFICATE), (CREATE, VALIDATION), (CREATE, SERVICE), (CREATE, DNS)]
    assert world.gate.effects == []
    assert isinstance(outcome, Planned)
    assert "first label" in outcome.plan.findings[0].sentence


def test_dns_elsewhere_is_asked_for(world: InMemoryWorld) -> None:
    """Two records that a person makes; why is a finding."""
    outcome = plan(world, THEIRS)
    assert lines(outcome) == [(CREATE, CERTIFICATE), (ASK, VALIDATION), (CREATE, SERVICE), (ASK, DNS)]
    assert isinstance(outcome, Planned)
    assert any("held elsewhere" in f.sentence for f in outcome.plan.findings)


def test_a_reused_certificate_needs_no_validation(world: InMemoryWorld) -> None:
    """Its line says which one."""
    issued = world.acm.add("*.example.com")
    outcome = plan(world)
    assert lines(outcome) == [(KEEP, CERTIFICATE), (CREATE, SERVICE), (CREATE, DNS)]
    assert isinstance(outcome, Planned)
    assert outcome.plan.changes[0].after == {"arn": issued.arn}


def test_a_certificate_in_use_is_not_exchanged(world: InMemoryWorld) -> None:
    """A newer wildcard lives longer; the endpoint keeps what it has."""
    own = world.acm.add(OURS)
    world.clock.forward(hours=24)
    newer = world.acm.add("*.example.com")
    for kept, used in ((own.arn, own.arn), ("", newer.arn)):
        outcome = plan(world, kept_certificate=kept)
        assert isinstance(outcome, Planned)
        assert outcome.plan.changes[0].after == {"arn": used}


def test_the_same_world_gives_the_same_digest(world: InMemoryWorld) -> None:
    """Whatever the time is: a confirmed plan is recognised."""
    first = plan(world)
    world.clock.forward(hours=5)
    second = plan(world)
    assert isinstance(first, Planned)
    assert isinstance(second, Planned)
    assert first.plan.digest == second.plan.digest


# ---- who


def test_default_deny(world: InMemoryWorld) -> None:
    """A host name that no rule speaks of."""
    assert "No policy allows anybody" in refused(plan(world, "app.example.net"))


def test_who_may_not_ask_is_told_who_may(world: InMemoryWorld) -> None:
    """The groups of the rules for this host name."""
    assert "Allowed: @devs" in refused(plan(world, OURS, replace(RULE, requesters=("@devs",))))


@pytest.mark.parametrize(
    ("groups", "rule", "said"),
    [
        pytest.param({}, RULE, "Nobody could approve this: policy names @oncall", id="no such group"),
        pytest.param({"oncall": frozenset()}, RULE, "Nobody could approve", id="an empty group"),
        pytest.param({"oncall": frozenset({DEV})}, RULE, "the requester does not count", id="only the requester"),
        pytest.param(
            {"oncall": frozenset({ONCALL})},
            replace(RULE, approvals=2),
            "asks for 2 approvals",
            id="fewer than are needed",
        ),
    ],
)
def test_what_nobody_could_approve_is_refused_at_once(
    world: InMemoryWorld, groups: dict[str, frozenset[str]], rule: Rule, said: str
) -> None:
    """Not after a day of waiting."""
    world.people.groups = groups
    assert said in refused(plan(world, OURS, rule))


def test_the_requester_alone_is_enough_without_four_eyes(world: InMemoryWorld) -> None:
    """If policy says so."""
    world.people.groups = {"oncall": frozenset({DEV})}
    assert isinstance(plan(world, OURS, replace(RULE, four_eyes=False)), Planned)


def test_membership_that_cannot_be_read_fails_closed(world: InMemoryWorld) -> None:
    """No members, no plan."""
    world.gate.fail("directory.members", THROTTLED)
    with pytest.raises(Transient):
        plan(world)


# ---- which Service


def wish(**options: str) -> dict[str, dict[str, str]]:
    return {"wish": options}


def test_several_candidates_are_a_choice(world: InMemoryWorld) -> None:
    """Each with its reason; nothing is guessed."""
    world.cluster.add("web", annotations={HOSTNAME_ANNOTATION: OURS})
    outcome = plan(world)
    assert isinstance(outcome, Choose)
    assert {t.service for t in outcome.candidates} == {"app", "web"}
    assert outcome.named


def test_without_a_candidate_everything_allowed_is_offered(world: InMemoryWorld) -> None:
    """Only what policy allows for this host name."""
    world.cluster.add("web")
    world.cluster.add("secret", namespace="default")
    outcome = plan(world, "other.example.com")
    assert isinstance(outcome, Choose)
    assert [t.ref for t in outcome.candidates] == ["main/demo/app", "main/demo/web"]
    assert not outcome.named


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"cluster": "mian"}, "Did you mean 'main'?", id="a cluster that does not exist"),
        pytest.param({"namespace": "dmeo"}, "Did you mean 'demo'?", id="a namespace that does not exist"),
        pytest.param({"namespace": "demo", "service": "ap"}, "Did you mean 'app'?", id="a Service that does not exist"),
        pytest.param({"namespace": "demo", "service": "zzz"}, "There are: app", id="nothing near it"),
        pytest.param({"service": "zzz"}, "no Service that policy allows", id="a Service without namespace"),
        pytest.param({"namespace": "default", "service": "kube"}, "does not let app.example.com", id="one not allowed"),
        pytest.param({"scheme": "internal"}, "does not allow the scheme internal", id="a scheme not allowed"),
    ],
)
def test_what_does_not_exist_or_is_not_allowed(world: InMemoryWorld, options: dict[str, str], said: str) -> None:
    """One sentence, with the nearest that does."""
    world.cluster.add("kube", namespace="default")
    assert said in refused(plan(world, wish=options))


def test_a_service_that_was_named_is_taken(world: InMemoryWorld) -> None:
    """--service web, and there is one web that policy allows: nothing is left to choose."""
    world.cluster.add("web")
    world.cluster.add("web", namespace="default")
    outcome = plan(world, wish={"service": "web"})
    assert isinstance(outcome, Planned)
    assert outcome.plan.spec.source == "web"
    assert "you named it" in outcome.plan.findings[0].sentence


def test_the_bots_own_service_is_no_source(world: InMemoryWorld) -> None:
    """A load balancer in front of a load balancer is nobody's wish."""
    world.cluster.add("made", labels={INSTALLATION: "test"})
    assert "was made by this bot" in refused(plan(world, wish={"namespace": "demo", "service": "made"}))


def test_only_what_policy_allows_is_named(world: InMemoryWorld) -> None:
    """A name that does not exist is no way to list the others."""
    world.cluster.add("secret", namespace="vault")
    assert "vault" not in refused(plan(world, wish={"namespace": "vualt"}))
    locked = replace(RULE, services=("app",))
    world.cluster.add("hidden")
    assert "hidden" not in refused(plan(world, OURS, locked, wish={"namespace": "demo", "service": "hiden"}))


def test_an_endpoint_is_not_moved(world: InMemoryWorld) -> None:
    """A Service elsewhere would leave the first one over."""
    assert "lives in main/shop already" in refused(plan(world, previous=replace(SPEC, namespace="shop")))


# ---- the world


@pytest.mark.parametrize(
    ("record", "said"),
    [
        pytest.param(Record(OURS, "A", ("192.0.2.1",), 60), "is not ours", id="a record"),
        pytest.param(
            Record(f"a-{OURS}", "TXT", ('"heritage=external-dns,external-dns/owner=b"',), 60), "owned by", id="a mark"
        ),
    ],
)
def test_a_foreign_record_is_a_refusal_at_the_plan(world: InMemoryWorld, record: Record, said: str) -> None:
    """Before anything is asked of anybody."""
    world.route53.put("Z1", record)
    assert said in refused(plan(world))


def test_a_foreign_service_of_our_name_is_a_refusal(world: InMemoryWorld) -> None:
    """It would be applied over."""
    world.cluster.add(SPEC.service_name)
    assert "not made for this endpoint" in refused(plan(world))


def test_what_cannot_be_seen_is_not_planned_around(world: InMemoryWorld) -> None:
    """Delegation unknown: neither ours nor elsewhere."""
    world.public.silent = True
    outcome = plan(world)
    assert isinstance(outcome, NotYet)
    assert "no name server answered" in outcome.why


@pytest.mark.parametrize("operation", ["acm.list", "kubernetes.services", "route53.list", "kubernetes.service"])
def test_an_unreadable_world_is_an_error(world: InMemoryWorld, operation: str) -> None:
    """Whatever could not be read."""
    world.gate.fail(operation, DENIED)
    with pytest.raises(Permanent):
        plan(world)


def test_what_an_error_means_for_planning() -> None:
    """Again later, or never without somebody's help."""
    assert trouble(THROTTLED) == NotYet(THROTTLED.sentence)
    assert trouble(DENIED) == Refusal(DENIED.sentence, DENIED.hint)
