"""Third rung: the bot's own Service, its controller and the NLB."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.errors import Refused
from services.model import LATER, Act, Decision, Done, Scheme, Spec, Stop, Verb, Wait
from services.ownership import ENDPOINT, INSTALLATION
from services.ports import ControllerEvent, LoadBalancer, Service, ServicePort
from services.steps.load_balancer import (
    LoadBalancerStep,
    Seen,
    build_manifest,
    current_fields,
    decide,
    owned_fields,
    target_port,
)
from services.steps.step import Item
from tests.unit.values import SPEC, a_service, an_item
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_cluster import ANNOTATION
from tests.unit.worlds_gate import DENIED

NLB_HOST = "k8s-demo-1.elb.eu-west-1.amazonaws.test"
NLB = LoadBalancer("arn:nlb", NLB_HOST, "ZNLB", "active", "", "internet-facing", dual_stack=False)
SOURCE = a_service()
CERTIFIED = an_item(certificate_arn="arn:1")


def own(item: Item = CERTIFIED, **more: Any) -> Service:
    """The bot's own Service, as it was applied."""
    manifest = build_manifest(item, "test", SOURCE, "8080")
    metadata, spec = manifest["metadata"], manifest["spec"]
    values = {
        "type": "LoadBalancer",
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "selector": spec["selector"],
        "ports": (ServicePort(443, "8080", "https"),),
        "load_balancer_hostname": NLB_HOST,
    }
    return Service("demo", SPEC.service_name, "uid-own", **{**values, **more})


def seen(service: Service | None = None, nlb: LoadBalancer | None = None, *events: ControllerEvent) -> Seen:
    return Seen("test", SOURCE, service, events, nlb)


FAILED = ControllerEvent("Warning", "FailedBuildModel", "unable to resolve at least one subnet", None)
YOUNG, OLD = CERTIFIED, an_item(certificate_arn="arn:1", age=timedelta(minutes=31))
AGED = an_item(certificate_arn="arn:1", age=timedelta(minutes=5))
NAMELESS = own(load_balancer_hostname="")


@pytest.mark.parametrize(
    ("item", "look", "kind", "said"),
    [
        pytest.param(YOUNG, seen(), Act, "", id="no Service: apply"),
        pytest.param(YOUNG, seen(own(), NLB), Done, "", id="as wanted and active"),
        pytest.param(YOUNG, seen(own(), replace(NLB, state="active_impaired")), Done, "", id="impaired, but serving"),
        pytest.param(YOUNG, seen(NAMELESS), Wait, "controller is making", id="the controller's turn"),
        pytest.param(YOUNG, seen(own(), replace(NLB, state="provisioning")), Wait, "provisioned", id="provisioning"),
        pytest.param(YOUNG, seen(own()), Wait, "provisioned", id="the NLB is not listed yet"),
        pytest.param(OLD, seen(NAMELESS), Stop, "took up the Service", id="nobody took it up: end"),
        pytest.param(OLD, seen(NAMELESS, None, FAILED), Stop, "Tag public subnets", id="the controller failed: end"),
        pytest.param(OLD, seen(own()), Stop, "not active after 31 minutes", id="never active: end"),
        pytest.param(
            YOUNG, seen(own(), replace(NLB, state="failed", reason="no addresses")), Stop, "no addresses", id="failed"
        ),
        pytest.param(YOUNG, seen(own(labels={})), Stop, "was not made for this endpoint", id="a foreign Service"),
        pytest.param(
            YOUNG,
            seen(own(labels={INSTALLATION: "test", ENDPOINT: "e2"})),
            Stop,
            "was not made for this endpoint",
            id="of another endpoint",
        ),
        pytest.param(
            YOUNG,
            seen(own(labels={INSTALLATION: "other", ENDPOINT: "e1"})),
            Stop,
            "was not made for this endpoint",
            id="of another installation",
        ),
        pytest.param(YOUNG, seen(own(deleting=True)), Wait, "being deleted", id="one that is being deleted"),
        pytest.param(YOUNG, Seen("test", None, None, (), None), Stop, "There is no Service app", id="no source"),
    ],
)
def test_whose_turn_it_is(item: Item, look: Seen, kind: type[Decision], said: str) -> None:
    """Ours, the controller's or AWS's; a foreign Service is refused, and every wait ends."""
    decision = decide(item, look)
    assert isinstance(decision, kind)
    assert said in str(getattr(decision, "why", "") or getattr(decision, "reason", ""))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param(
            {"annotations": {**own().annotations, f"{ANNOTATION}ssl-cert": "arn:2"}}, "ssl-cert", id="annotation"
        ),
        pytest.param({"selector": {"app": "old"}}, "selector", id="selector"),
        pytest.param({"ports": (ServicePort(443, "9090", "https"),)}, "ports", id="target port"),
        pytest.param({"source_ranges": ("10.0.0.0/8",)}, "source ranges", id="source ranges"),
        pytest.param({"annotations": {}}, "ssl-ports", id="annotation taken away"),
    ],
)
def test_what_differs_is_a_change_with_both_sides(change: dict[str, Any], field: str) -> None:
    """The plan shows before and after of every field that we own."""
    act = decide(CERTIFIED, seen(own(**change), NLB))
    assert isinstance(act, Act)
    before, after = act.change.before or {}, act.change.after or {}
    assert act.change.verb is Verb.CHANGE
    assert [k for k in after if before.get(k) != after[k] and field in k]


def test_what_others_put_beside_it_is_not_a_difference() -> None:
    """Annotations, labels and fields of the controller are its own."""
    busy = own(annotations={**own().annotations, "example.com/team": "shop"}, load_balancer_class="service.k8s.aws/nlb")
    assert isinstance(decide(CERTIFIED, seen(busy, NLB)), Done)


def test_a_change_of_an_annotation_leaves_the_name_known() -> None:
    """Another certificate does not make another NLB: the plan must not announce a change of DNS."""
    act = decide(CERTIFIED, seen(own(annotations={**own().annotations, f"{ANNOTATION}ssl-cert": "arn:2"}), NLB))
    assert isinstance(act, Act)
    assert act.expected.load_balancer_hostname == NLB_HOST
    first = decide(CERTIFIED, seen())
    assert isinstance(first, Act)
    assert first.expected.load_balancer_hostname == LATER


def test_another_scheme_is_refused() -> None:
    """It would delete the NLB first and make another one (domain.md §1.3)."""
    internal = an_item(certificate_arn="arn:1", spec=replace(SPEC, scheme=Scheme.INTERNAL))
    stop = decide(internal, seen(own(), NLB))
    assert isinstance(stop, Stop)
    assert "would delete it" in stop.reason


def test_silence_and_trouble_read_the_same_at_every_look() -> None:
    """Told once per text; minutes in it would make it new each time."""
    for events in ((), (FAILED,)):
        looks = [
            decide(an_item(certificate_arn="arn:1", age=timedelta(minutes=m)), seen(NAMELESS, None, *events))
            for m in (3, 7, 29)
        ]
        assert len({look.problem for look in looks if isinstance(look, Wait)}) == 1


@pytest.mark.parametrize(
    ("spec", "source", "port"),
    [
        pytest.param(SPEC, a_service(), "8080", id="the only port"),
        pytest.param(SPEC, a_service(ports=(ServicePort(80, "http"),)), "http", id="by name"),
        pytest.param(replace(SPEC, target_port="9000"), a_service(), "9000", id="as asked for"),
        pytest.param(
            SPEC,
            a_service(ports=(ServicePort(80, "8080"), ServicePort(53, "53", "dns", "UDP"))),
            "8080",
            id="UDP beside",
        ),
        pytest.param(
            SPEC,
            a_service(ports=(ServicePort(80, "8080", "http"), ServicePort(81, "8081", "admin"))),
            None,
            id="two ports",
        ),
        pytest.param(SPEC, a_service(ports=()), None, id="no port"),
        pytest.param(SPEC, a_service(selector={}), None, id="no selector"),
        pytest.param(SPEC, None, None, id="no Service"),
    ],
)
def test_the_port_of_the_pods(spec: Spec, source: Service | None, port: str | None) -> None:
    """What the source says; which of several is meant is not guessed."""
    found = target_port(spec, source)
    assert isinstance(found, Stop) if port is None else found == port


def test_the_manifest_is_the_how_to_without_its_slips() -> None:
    """Five annotations and a modern TLS policy; ports as numbers where they are; our labels."""
    spec = replace(SPEC, source_ranges=("10.0.0.0/8",), port=8443)
    manifest = build_manifest(an_item(certificate_arn="arn:1", spec=spec), "test", SOURCE, "8080")
    assert manifest["metadata"]["annotations"] == {
        f"{ANNOTATION}type": "external",
        f"{ANNOTATION}nlb-target-type": "ip",
        f"{ANNOTATION}scheme": "internet-facing",
        f"{ANNOTATION}ssl-cert": "arn:1",
        f"{ANNOTATION}ssl-ports": "8443",
        f"{ANNOTATION}ssl-negotiation-policy": SPEC.tls_policy,
    }
    assert manifest["metadata"]["labels"][ENDPOINT] == "e1"
    assert manifest["spec"]["ports"][0]["targetPort"] == 8080
    assert manifest["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/8"]
    named = build_manifest(CERTIFIED, "test", SOURCE, "http")
    assert named["spec"]["ports"][0]["targetPort"] == "http"
    assert "loadBalancerSourceRanges" not in named["spec"]


def test_owned_fields_are_compared_like_with_like() -> None:
    """What was applied reads back as what was wanted."""
    wanted = owned_fields(build_manifest(CERTIFIED, "test", SOURCE, "8080"))
    assert {k: v for k, v in current_fields(own()).items() if k in wanted} == wanted


def test_a_source_with_a_load_balancer_of_its_own_is_a_finding() -> None:
    """A second one costs money: worth knowing before approval."""
    look = Seen("test", a_service(type="LoadBalancer"), None, (), None)
    act = decide(CERTIFIED, look)
    assert isinstance(act, Act)
    assert "second one" in act.findings[0].sentence


# ---- at the door


def looked(world: InMemoryWorld, item: Item = CERTIFIED) -> Seen:
    look = LoadBalancerStep(world).observe([item])[item.request_id]
    assert isinstance(look, Seen)
    return look


def applied(world: InMemoryWorld) -> tuple[LoadBalancerStep, Act]:
    step = LoadBalancerStep(world)
    act = step.decide(CERTIFIED, looked(world))
    assert isinstance(act, Act)
    return step, act


def test_the_source_is_not_touched(world: InMemoryWorld) -> None:
    """Selector and port are taken from it, nothing is written to it."""
    before = world.cluster.held["demo", "app"]
    step, act = applied(world)
    assert step.act([(CERTIFIED, act)])["r-1"] == CERTIFIED.facts
    assert world.cluster.held["demo", "app"] == before
    assert world.cluster.held["demo", SPEC.service_name].selector == {"app": "app"}


def test_a_foreign_service_of_our_name_is_seen_without_our_label(world: InMemoryWorld) -> None:
    """The listing is by label; the name is looked up too, so that nothing foreign is applied over."""
    world.cluster.add(SPEC.service_name)
    step = LoadBalancerStep(world)
    decision = step.decide(CERTIFIED, looked(world))
    assert isinstance(decision, Stop)
    assert "not made for this endpoint" in decision.reason


def test_a_conflict_of_field_managers_is_shown_not_forced(world: InMemoryWorld) -> None:
    """The refusal names the field; the Service stays as it was."""
    step, act = applied(world)
    world.cluster.fixed[f"{ANNOTATION}scheme"] = "internal"
    outcome = step.act([(CERTIFIED, act)])["r-1"]
    assert isinstance(outcome, Refused)
    assert "managed by helm" in outcome.sentence
    assert ("demo", SPEC.service_name) not in world.cluster.held


def test_an_apply_that_changes_nothing_says_so(world: InMemoryWorld) -> None:
    """Somebody else added to the selector: apply cannot take that away, and asking again would never end."""
    step, act = applied(world)
    step.act([(CERTIFIED, act)])
    world.cluster.edit("demo", SPEC.service_name, selector={"app": "app", "tier": "web"})
    _, change = applied(world)
    outcome = step.act([(CERTIFIED, change)])["r-1"]
    assert isinstance(outcome, Refused)
    assert "selector" in outcome.sentence


def test_one_apply_that_fails_concerns_one_request(world: InMemoryWorld) -> None:
    """The next one is made all the same."""
    world.cluster.add("web")
    second = Item("r-2", "e2", 1, replace(SPEC, hostname="b.example.com", source="web"), CERTIFIED.facts, *NOWS)
    step = LoadBalancerStep(world)
    acts = [(i, a) for i in (CERTIFIED, second) if isinstance(a := step.decide(i, looked(world, i)), Act)]
    world.gate.fail("kubernetes.apply", DENIED)
    outcome = step.act(acts)
    assert outcome["r-1"] is DENIED
    assert outcome["r-2"] == second.facts


NOWS = (CERTIFIED.since, CERTIFIED.now)


def test_events_are_read_only_while_it_is_not_settled(world: InMemoryWorld) -> None:
    """An active NLB costs one listing of Services and one of NLBs, however many wait."""
    step, act = applied(world)
    step.act([(CERTIFIED, act)])
    world.clock.forward(seconds=3)
    looked(world)
    world.clock.forward(seconds=5)
    before = world.gate.calls["kubernetes.events"]
    settled = looked(world).load_balancer
    assert settled is not None
    assert settled.state == "active"
    assert world.gate.calls["kubernetes.events"] == before
