"""The loop on a world that behaves: both stories, consent at the moment of acting, and everything that ends."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from services.errors import Refused
from services.model import Answer, EndpointState, Facts, State
from services.policy import Policy
from services.ports import ControllerEvent, Record, ServicePort
from tests.unit.bots import OURS, RULE, THEIRS, Bot
from tests.unit.values import SPEC
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_cluster import ANNOTATION

STORY = ["acm.request", "route53.change", "kubernetes.apply", "route53.change"]
THEIR_RECORD = Record(OURS, "A", ("192.0.2.9",), 60)


def published(bot: Bot, request_id: str) -> None:
    """The owner of DNS elsewhere makes each record as soon as the instructions say it."""

    def there() -> bool:
        for told in bot.told(request_id, "instructions"):
            bot.world.publish(told["instructions"]["name"], told["instructions"]["value"])
        return bot.request(request_id).state is not State.RUNNING

    bot.run(there, hours=2)


# ---- the two stories


def test_a_story_in_route_53(bot: Bot, world: InMemoryWorld) -> None:
    """Plan, approval, four effects in order, proof; every question answered with yes."""
    id_ = bot.plan()
    assert world.gate.effects == []
    bot.approve(id_)
    request = bot.until(id_, State.ACTIVE)
    assert world.gate.effects == STORY
    assert request.verdict is not None
    assert [line.answer for line in request.verdict.lines] == [Answer.YES] * 3
    assert [t["kind"] for t in bot.told(id_)] == ["plan", "approved", "verdict"]
    assert [p.step for p in request.progress if p.done_at] == [
        *("certificate", "validation", "load_balancer", "dns_record", "probe")
    ]
    endpoint = bot.store.endpoint(OURS)
    assert endpoint is not None
    assert (endpoint.state, endpoint.facts) == (EndpointState.ACTIVE, request.facts)


def test_a_story_with_dns_elsewhere(bot: Bot, world: InMemoryWorld) -> None:
    """Two instructions, each once, and no word to Route 53."""
    id_ = bot.plan(THEIRS)
    bot.approve(id_)
    bot.until(id_, State.RUNNING)
    published(bot, id_)
    assert bot.request(id_).state is State.ACTIVE
    assert world.gate.effects == ["acm.request", "kubernetes.apply"]
    assert [t["kind"] for t in bot.told(id_)] == ["plan", "approved", "instructions", "instructions", "verdict"]


def test_a_story_costs_a_bounded_number_of_calls(bot: Bot, world: InMemoryWorld) -> None:
    """From create to proof; a loop that looks too often would show here first."""
    bot.approve(bot.plan())
    bot.run()
    assert world.gate.aws_calls() <= 75


def test_waiting_for_a_person_costs_little(bot: Bot, world: InMemoryWorld) -> None:
    """Some calls an hour, not one a second."""
    bot.approve(bot.plan(THEIRS))
    bot.run(hours=1)
    before = world.gate.aws_calls()
    bot.run(hours=12)
    assert (world.gate.aws_calls() - before) / 12 <= 15


def test_create_on_an_active_unchanged_endpoint_only_proves(bot: Bot, world: InMemoryWorld) -> None:
    """No approval, no effect, a fresh proof."""
    bot.approve(bot.plan())
    bot.run()
    probes = world.gate.calls["tls.shake"]
    again = bot.create()
    request = bot.until(again, State.UNCHANGED)
    assert request.plan is not None
    assert request.plan.effects == ()
    assert world.gate.effects == STORY
    assert world.gate.calls["tls.shake"] > probes
    assert [t["kind"] for t in bot.told(again)] == ["verdict"]


def test_a_dry_run_changes_nothing(bot: Bot, world: InMemoryWorld) -> None:
    """It ends as planned, lets the host name go, and its plan cannot be approved."""
    id_ = bot.create(dry_run=True)
    bot.until(id_, State.PLANNED)
    assert world.gate.effects == []
    assert bot.store.open_request(OURS) is None
    with pytest.raises(Refused):
        bot.approve(id_)
    bot.create()


def test_several_requests_in_one_zone_are_one_batch(bot: Bot, world: InMemoryWorld) -> None:
    """One ChangeResourceRecordSets for all validation records that are due together."""
    ids = []
    for name in ("a", "b", "c"):
        world.cluster.add(name)
        ids.append(bot.plan(f"{name}.example.com"))
    for id_ in ids:
        bot.approve(id_)
    bot.run(lambda: world.gate.calls["route53.change"] > 0)
    assert len(world.route53.batches[0][1]) == 3
    world.cluster.pods.clear()
    bot.run(hours=0.1)
    assert [len(changes) for _, changes in world.route53.batches] == [3, 6]


# ---- the world changed between plan and approval


def annotated(world: InMemoryWorld) -> None:
    own = world.cluster.held["demo", SPEC.service_name]
    world.cluster.edit("demo", own.name, annotations={**own.annotations, f"{ANNOTATION}ssl-ports": "8443"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            lambda w: w.cluster.edit("demo", "app", selector={"app": "v2"}),
            "selector was app=app, is app=v2",
            id="the source's selector",
        ),
        pytest.param(
            lambda w: w.cluster.edit("demo", "app", ports=(ServicePort(80, "9090"),)),
            "ports was 443 → 8080, is 443 → 9090",
            id="the source's target port",
        ),
        pytest.param(lambda w: w.acm.add(OURS), "No longer in the plan", id="a certificate appeared"),
    ],
)
def test_a_changed_world_is_asked_about_again(
    bot: Bot, world: InMemoryWorld, change: Callable[[InMemoryWorld], None], said: str
) -> None:
    """Stopped before any effect, with the difference in the new plan; the old approval is worth nothing."""
    id_ = bot.plan()
    change(world)
    bot.approve(id_)
    request = bot.until(id_, State.WAITING)
    assert world.gate.effects == []
    assert (request.approved_by, request.plan_version) == ((), 2)
    assert any(said in d for d in bot.told(id_, "plan")[1]["differences"])
    bot.approve(id_)
    bot.run()
    assert "apply" in str(world.gate.effects)


def test_a_certificate_deleted_after_the_plan_is_asked_about(bot: Bot, world: InMemoryWorld) -> None:
    """The plan kept it; now one would have to be requested."""
    issued = world.acm.add(OURS)
    id_ = bot.plan()
    del world.acm.held[issued.arn]
    bot.approve(id_)
    bot.until(id_, State.WAITING)
    assert world.gate.effects == []
    assert any("was “keep”, is “create”" in d for d in bot.told(id_, "plan")[1]["differences"])


def test_a_foreign_record_after_the_plan_stops_it(bot: Bot, world: InMemoryWorld) -> None:
    """Whose it is, in words; nothing was made."""
    id_ = bot.plan()
    world.route53.put("Z1", THEIR_RECORD)
    bot.approve(id_)
    bot.until(id_, State.FAILED)
    assert world.gate.effects == []
    assert "A 192.0.2.9" in bot.told(id_, "stopped")[0]["reason"]


def test_an_altered_annotation_of_our_service_is_asked_about(bot: Bot, world: InMemoryWorld) -> None:
    """Planned to change the certificate; meanwhile somebody altered another annotation."""
    bot.approve(bot.plan())
    bot.run()
    own = world.cluster.held["demo", SPEC.service_name]
    world.cluster.edit("demo", own.name, annotations={**own.annotations, f"{ANNOTATION}ssl-cert": "arn:old"})
    id_ = bot.plan()
    effects = len(world.gate.effects)
    annotated(world)
    bot.approve(id_)
    bot.until(id_, State.WAITING)
    assert len(world.gate.effects) == effects
    assert any("ssl-ports was 443, is 8443" in d for d in bot.told(id_, "plan")[1]["differences"])


def test_a_record_made_by_its_owner_keeps_the_approval(bot: Bot, world: InMemoryWorld) -> None:
    """Between plan and approval a person makes the entry that was asked of them: nothing to ask again."""
    first = bot.plan(THEIRS)
    bot.approve(first)
    bot.until(first, State.RUNNING)
    published(bot, first)
    made = world.public.elsewhere.pop((THEIRS, "CNAME"))
    own = next(s for s in world.cluster.held.values() if s.load_balancer_hostname)
    world.cluster.edit("demo", own.name, annotations={**own.annotations, f"{ANNOTATION}ssl-ports": "1"})
    id_ = bot.plan(THEIRS)
    world.publish(THEIRS, made[0])
    bot.approve(id_)
    bot.until(id_, State.ACTIVE)
    assert bot.request(id_).plan_version == 1


def test_an_identical_plan_keeps_the_approval(bot: Bot) -> None:
    """Looked at again, all as it was: confirmed and begun."""
    id_ = bot.plan()
    bot.clock.forward(hours=5)
    bot.approve(id_)
    bot.until(id_, State.RUNNING)
    assert "confirmed" in bot.happened(id_)
    assert bot.happened(id_).count("planned") == 1


# ---- the world changed while it runs


def test_a_change_half_way_stops_before_the_next_effect(bot: Bot, world: InMemoryWorld) -> None:
    """The source's selector changes while the certificate is validated: the Service is not made, people are asked."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: world.gate.effects == STORY[:2])
    world.cluster.edit("demo", "app", selector={"app": "v2"})
    bot.until(id_, State.WAITING)
    assert world.gate.effects == STORY[:2]
    assert "selector was app=app, is app=v2" in bot.told(id_, "plan")[1]["differences"][0]
    world.cluster.pods[:] = [replace(p, labels={"app": "v2"}) for p in world.cluster.pods]
    bot.approve(id_)
    bot.until(id_, State.ACTIVE)
    assert world.gate.effects == STORY


def test_a_record_deleted_by_hand_is_not_made_twice(bot: Bot, world: InMemoryWorld) -> None:
    """An approval covers each change once: also while the request still runs."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: world.gate.effects == STORY)
    bot.turn()
    world.route53.content["Z1"].pop((OURS, "A"))
    bot.until(id_, State.WAITING)
    assert world.gate.effects == STORY
    assert "done once under the approval" in bot.told(id_, "plan")[1]["differences"][0]


def test_a_record_deleted_after_active_is_not_made_again(bot: Bot, world: InMemoryWorld) -> None:
    """An active endpoint never acts."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run()
    world.route53.content["Z1"].clear()
    bot.start()
    bot.store.wake([id_], bot.clock())
    bot.run(hours=200)
    assert world.gate.effects == STORY
    assert bot.request(id_).state is State.ACTIVE


def test_check_now_while_a_change_is_made_does_not_renew_the_approval(bot: Bot, world: InMemoryWorld) -> None:
    """Somebody writes the row between the effect and its note: the note must not be lost, nor the approval last."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: world.gate.effects == STORY[:3])

    def pressed() -> None:
        bot.requests.check_now(id_, "U-dev")

    world.gate.before["route53.change"] = [pressed]
    bot.run(lambda: world.gate.effects == STORY)
    bot.turn()
    assert bot.happened(id_).count("ended") == 4
    world.route53.content["Z1"].pop((OURS, "A"))
    bot.until(id_, State.WAITING)
    assert world.gate.effects == STORY


def test_a_race_on_create_ends_in_a_refusal(bot: Bot, world: InMemoryWorld) -> None:
    """A record appears between look and change: theirs stays, and the message says whose it is."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: world.gate.effects == STORY[:3])
    world.gate.before["route53.change"] = [lambda: world.route53.put("Z1", THEIR_RECORD)]
    bot.until(id_, State.FAILED)
    assert world.route53.content["Z1"][OURS, "A"] == THEIR_RECORD
    stopped = bot.told(id_, "stopped")[0]
    assert "not ours" in stopped["reason"]
    assert len(stopped["exists"]) == 4  # the record itself only perhaps
    endpoint = bot.store.endpoint(OURS)
    assert endpoint is not None
    assert endpoint.state is EndpointState.INCOMPLETE


def test_a_refusal_that_stays_is_told_after_the_second_try(bot: Bot, world: InMemoryWorld) -> None:
    """Once more after a look, then it ends: no loop against a wall."""
    id_ = bot.plan()
    bot.approve(id_)
    world.gate.fail("kubernetes.apply", Refused("Field x is managed by helm.", code="Conflict"), lasts=True)
    bot.until(id_, State.FAILED)
    assert world.gate.calls["kubernetes.apply"] == 2
    assert "managed by helm" in bot.request(id_).reason


def test_nothing_waits_for_ever_for_a_controller(bot: Bot, world: InMemoryWorld) -> None:
    """Nobody takes the Service up: told once, and after half an hour it ends."""
    world.cluster.controller_runs = False
    id_ = bot.plan()
    bot.approve(id_)
    bot.until(id_, State.FAILED, hours=2)
    assert len(bot.told(id_, "problem")) == 1
    assert "took up the Service" in bot.told(id_, "problem")[0]["sentence"]


def test_a_controllers_trouble_is_told_once_in_words(bot: Bot, world: InMemoryWorld) -> None:
    """And when the cause is mended it goes on by itself."""
    world.cluster.controller_says = [ControllerEvent("Warning", "FailedBuildModel", "couldn't find all subnets", None)]
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(hours=0.3)
    (problem,) = bot.told(id_, "problem")
    assert "Tag public subnets" in problem["sentence"]
    world.cluster.controller_says = []
    bot.until(id_, State.ACTIVE)


def test_a_certificate_deleted_while_it_is_validated_ends_it(bot: Bot, world: InMemoryWorld) -> None:
    """Its record would be waited for in vain."""
    id_ = bot.plan(THEIRS)
    bot.approve(id_)
    bot.run(hours=0.2)
    world.acm.held.clear()
    bot.until(id_, State.FAILED, hours=2)
    assert "gone from ACM" in bot.request(id_).reason


# ---- 72 hours, and other ends


def test_a_record_that_nobody_makes(bot: Bot, world: InMemoryWorld) -> None:
    """Instructions once, warnings at 48 and 66 hours, the end after 72; over restarts."""
    id_ = bot.plan(THEIRS)
    bot.approve(id_)
    for pause in (0, 46, 16, 4):
        bot.clock.forward(hours=pause)
        bot.start()
        bot.run(hours=2)
    request = bot.request(id_)
    assert request.state is State.FAILED
    assert request.ended_at is not None
    assert 72 <= (request.ended_at - request.created_at).total_seconds() / 3600 <= 74
    assert [t["kind"] for t in bot.told(id_)] == ["plan", "approved", "instructions", "warning", "warning", "stopped"]
    assert "publish it" in bot.told(id_, "stopped")[0]["hint"]


def test_a_rung_that_never_says_anything_ends_too(bot: Bot, world: InMemoryWorld) -> None:
    """Public DNS falls silent for good: told once, and after three days it ends."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: bot.request(id_).step == "dns_record")
    world.public.silent = True
    bot.clock.forward(minutes=2)  # what was seen is remembered for a minute
    bot.run(hours=1)
    bot.clock.forward(hours=70)
    bot.until(id_, State.FAILED, hours=6)
    assert len(bot.told(id_, "problem")) == 1
    assert "within 72 hours" in bot.request(id_).reason


@pytest.mark.parametrize("choosing", [False, True], ids=["a plan nobody approves", "a choice nobody makes"])
def test_what_nobody_decides_expires(bot: Bot, world: InMemoryWorld, choosing: bool) -> None:
    """After a day; then the host name is free again."""
    if choosing:
        world.cluster.add("web", annotations={"nlbtls/hostname": OURS})
    id_ = bot.create()
    bot.run(hours=23)
    assert bot.request(id_).state is (State.CHOOSING if choosing else State.WAITING)
    bot.run(hours=2)
    assert bot.request(id_).state is State.EXPIRED
    assert world.gate.effects == []
    bot.create()


def test_what_is_woken_does_not_expire_early(bot: Bot) -> None:
    """A watch wakes everything that has to do with a Service; a plan that waits just goes on waiting."""
    id_ = bot.plan()
    bot.store.wake([id_], bot.clock())
    bot.run(hours=1)
    assert bot.request(id_).state is State.WAITING
    bot.run(hours=24)
    assert bot.request(id_).state is State.EXPIRED


def test_a_cluster_that_left_the_configuration_holds_nobody_up(bot: Bot, world: InMemoryWorld) -> None:
    """Its own request ends with a sentence; the others of the group are served."""
    world.clusters = ("main", "old")
    lost = bot.plan(OURS, {"cluster": "old"})
    kept = bot.plan(THEIRS, {"cluster": "main"})
    bot.approve(lost)
    bot.approve(kept)
    bot.run(lambda: {bot.request(i).step for i in (lost, kept)} == {"validation"})
    world.clusters = ("main",)
    bot.run(hours=0.3)
    assert "not in the configuration" in bot.request(lost).reason
    assert bot.request(kept).wait["wait_for"] == "person"


def test_the_group_is_that_of_the_planned_cluster(bot: Bot, world: InMemoryWorld) -> None:
    """(region, step): a plan without effects starts in it at once."""
    bot.approve(bot.plan())
    bot.run()
    again = bot.create()
    bot.run(lambda: bot.request(again).state is State.RUNNING)
    assert bot.request(again).group == "eu-west-1:certificate"
    assert bot.request(again).facts == Facts()


def test_two_approvals(new_bot: Callable[..., Bot], world: InMemoryWorld) -> None:
    """The first one starts nothing."""
    bot = new_bot(Policy((replace(RULE, approvals=2),)))
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(hours=1)
    assert (bot.request(id_).state, world.gate.effects) == (State.WAITING, [])
    bot.approve(id_, "U-second")
    bot.until(id_, State.ACTIVE)
