"""When the outside fails: throttling, missing permissions, outages; what is told, and what it leaves."""

import pytest

from services.errors import Permanent, ServiceError, Transient
from services.model import EndpointState, State
from tests.unit.bots import OURS, Bot
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import DENIED, THROTTLED

STORY = ["acm.request", "route53.change", "kubernetes.apply", "route53.change"]


def test_one_throttled_call_is_nobodys_business(bot: Bot, world: InMemoryWorld) -> None:
    """Whichever it is, it passes by itself: the story ends as ever, and nothing is told of it."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: bot.request(id_).state is State.RUNNING)
    for operation in (*world.gate.calls, *STORY, "elbv2.listeners", "elbv2.targets", "acm.leaf", "route53.in_sync"):
        world.gate.fail(operation, THROTTLED)
    bot.until(id_, State.ACTIVE)
    assert world.gate.effects == STORY
    assert [t["kind"] for t in bot.told(id_)] == ["plan", "approved", "verdict"]
    assert bot.happened(id_).count("look failed") >= 12


@pytest.mark.parametrize("operation", ["acm.list", "route53.records", "kubernetes.services", "elbv2.targets"])
def test_lasting_throttling_is_told_once_and_mends_itself(bot: Bot, world: InMemoryWorld, operation: str) -> None:
    """Fewer and fewer calls; when it is over, the work goes on."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: bot.request(id_).state is State.RUNNING)
    world.gate.fail(operation, THROTTLED, lasts=True)
    before = world.gate.calls[operation]
    bot.run(hours=1)
    assert [t["kind"] for t in bot.told(id_)] == ["plan", "approved", "problem"]
    assert world.gate.calls[operation] - before < 40
    world.gate.mend()
    bot.until(id_, State.ACTIVE)
    assert world.gate.effects == STORY


def test_a_missing_permission_to_look_is_told_at_once(bot: Bot, world: InMemoryWorld) -> None:
    """With what to do; mended within the hour it goes on, without asking anybody again."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: bot.request(id_).state is State.RUNNING)
    world.gate.fail("route53.list", DENIED, lasts=True)
    bot.run(hours=0.01)
    (problem,) = bot.told(id_, "problem")
    assert (problem["sentence"], problem["hint"]) == (DENIED.sentence, DENIED.hint)
    bot.run(hours=0.5)
    world.gate.mend()
    bot.until(id_, State.ACTIVE)
    assert len(bot.told(id_, "problem")) == 1


def test_a_missing_permission_that_stays_ends_it(bot: Bot, world: InMemoryWorld) -> None:
    """After an hour, with a true account: the certificate exists, the rest does not."""
    id_ = bot.plan()
    bot.approve(id_)
    bot.run(lambda: bot.request(id_).step == "load_balancer")
    world.gate.fail("kubernetes.services", DENIED, lasts=True)
    bot.until(id_, State.FAILED, hours=2)
    stopped = bot.told(id_, "stopped")[0]
    assert [e.split()[1] for e in stopped["exists"]] == ["ACM", "validation"]
    assert [e.split()[1] for e in stopped["unchanged"]] == ["Service", "DNS"]


@pytest.mark.parametrize(
    ("operation", "action", "exists", "unchanged"),
    [
        pytest.param("acm.request", "create ACM certificate", 0, 4, id="the certificate"),
        pytest.param("route53.change", "create validation record", 1, 3, id="the validation record"),
        pytest.param("kubernetes.apply", "create Service", 2, 2, id="the Service"),
    ],
)
def test_access_denied_on_an_act_stops_with_the_account(
    bot: Bot, world: InMemoryWorld, operation: str, action: str, exists: int, unchanged: int
) -> None:
    """The action that failed, what exists now, what is unchanged, and what to do."""
    id_ = bot.plan()
    bot.approve(id_)
    world.gate.fail(operation, Permanent(f"AWS denies {operation}.", hint="Allow it.", code="AccessDenied"))
    bot.until(id_, State.FAILED)
    stopped = bot.told(id_, "stopped")[0]
    assert stopped["reason"].startswith(f"Could not {action}")
    assert f"AWS denies {operation}." in stopped["reason"]
    assert stopped["hint"] == "Allow it."
    sure = [e for e in stopped["exists"] if "(perhaps)" not in e]
    assert len(sure) == exists
    assert len(stopped["unchanged"]) == unchanged - 1  # of the one that was begun it is not known
    endpoint = bot.store.endpoint(OURS)
    assert endpoint is not None
    assert endpoint.state is EndpointState.INCOMPLETE


def test_what_stopped_half_way_is_continued_by_the_next_create(bot: Bot, world: InMemoryWorld) -> None:
    """What exists is found again: no second certificate, no second record."""
    id_ = bot.plan()
    bot.approve(id_)
    world.gate.fail("kubernetes.apply", DENIED)
    bot.until(id_, State.FAILED)
    world.clock.forward(hours=30)
    again = bot.plan()
    assert [c.verb.value for c in bot.request(again).plan.changes] == ["keep", "create", "create"]  # type: ignore[union-attr]
    bot.approve(again)
    bot.until(again, State.ACTIVE)
    assert world.gate.effects == STORY


def test_a_lost_answer_to_an_act_is_looked_for_first(bot: Bot, world: InMemoryWorld) -> None:
    """The record was written and the connection broke: seen at the next look, not written again."""
    id_ = bot.plan()
    bot.approve(id_)
    lost = Transient("The connection broke.")
    change = world.route53.change

    def broken(*args: object) -> str:
        world.route53.change = change  # type: ignore[method-assign]
        change(*args)  # type: ignore[arg-type]
        raise lost

    world.route53.change = broken  # type: ignore[method-assign,assignment]
    bot.until(id_, State.ACTIVE)
    assert world.gate.effects == STORY


@pytest.mark.parametrize(
    ("error", "state", "notices"),
    [
        pytest.param(THROTTLED, State.REFUSED, ["refused"], id="throttled for longer than planning is patient"),
        pytest.param(DENIED, State.REFUSED, ["refused"], id="denied"),
    ],
)
def test_planning_in_a_world_that_cannot_be_read(
    bot: Bot, world: InMemoryWorld, error: ServiceError, state: State, notices: list[str]
) -> None:
    """Refused with the sentence, privately: nobody saw a plan."""
    world.gate.fail("acm.list", error, lasts=True)
    id_ = bot.create()
    bot.until(id_, state)
    assert [t["kind"] for t in bot.told(id_)] == notices
    assert bot.request(id_).reason == error.sentence
    assert world.clock() <= bot.request(id_).created_at.replace(minute=3)


def test_an_outage_after_the_approval_is_waited_out(bot: Bot, world: InMemoryWorld) -> None:
    """Nobody has to approve twice for ten minutes of silence; they hear of it once."""
    id_ = bot.plan()
    world.gate.fail("acm.list", THROTTLED, lasts=True)
    bot.approve(id_)
    bot.run(hours=0.2)
    assert bot.request(id_).state is State.APPROVED
    assert len(bot.told(id_, "problem")) == 1
    world.gate.mend()
    bot.until(id_, State.ACTIVE)


def test_an_approval_does_not_lie_in_wait_for_ever(bot: Bot, world: InMemoryWorld) -> None:
    """After an hour without a look at the world it is given back; nothing was changed."""
    id_ = bot.plan()
    world.gate.fail("acm.list", THROTTLED, lasts=True)
    bot.approve(id_)
    bot.run(hours=0.1)
    bot.clock.forward(hours=0.8)
    bot.run(hours=0.05)
    assert bot.request(id_).state is State.APPROVED
    bot.until(id_, State.FAILED)
    assert world.gate.effects == []


def test_planning_anew_half_way_is_patient_too(bot: Bot, world: InMemoryWorld) -> None:
    """A change stops it hours after it was created, and the first look of the new plan is throttled."""
    id_ = bot.plan()
    bot.clock.forward(hours=20)
    bot.approve(id_)
    bot.run(lambda: world.gate.effects == STORY[:2])
    world.cluster.edit("demo", "app", selector={"app": "v2"})
    bot.run(lambda: bot.request(id_).state is State.PLANNING)
    world.gate.fail("acm.list", THROTTLED)
    bot.until(id_, State.WAITING)


def test_trouble_of_one_request_does_not_hold_up_the_others(bot: Bot, world: InMemoryWorld) -> None:
    """Each row is committed by itself, each look fails by itself."""
    world.cluster.add("web")
    first, second = bot.plan(), bot.plan("web.example.com")
    bot.approve(first)
    bot.approve(second)
    bot.run(lambda: world.gate.effects[:2] == ["acm.request", "acm.request"])
    world.gate.fail("acm.describe", DENIED, nth=1)
    bot.run(hours=0.01)
    told = [len(bot.told(i, "problem")) for i in (first, second)]
    assert sorted(told) == [0, 1]
