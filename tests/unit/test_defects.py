"""A defect of ours holds up the request that runs into it, is told with a reference, and holds up nobody else."""

from services.model import Decision, Request, State
from services.planner import Outcome, Planner
from services.reconciler import Reconciler
from services.steps.certificate import CertificateStep, Seen
from services.steps.step import Item
from tests.unit.bots import TLS, Bot
from tests.unit.worlds import InMemoryWorld

BROKEN, SOUND = "broken.example.com", "sound.example.com"


class BrittleStep(CertificateStep):
    """Has a defect that one host name runs into."""

    def decide(self, item: Item, seen: Seen) -> Decision:
        if item.spec.hostname == BROKEN:
            raise KeyError("a defect")
        return super().decide(item, seen)


class BrittlePlanner(Planner):
    """The same at the plan."""

    def plan(self, request: Request) -> Outcome:
        if request.hostname == BROKEN:
            raise KeyError("a defect")
        return super().plan(request)


def test_a_row_that_breaks_holds_up_nobody_else(bot: Bot, world: InMemoryWorld) -> None:
    """The other request of its group goes on; this one says so, once, and stops after an hour."""
    for name in ("broken", "sound"):
        world.cluster.add(name)
    broken, sound = bot.plan(BROKEN), bot.plan(SOUND)
    steps = [BrittleStep(world), *list(bot.reconciler._ladder.values())[1:]]
    bot.reconciler = Reconciler(bot.store, bot.planner, steps, world, bot.clock, bot._new_id, lambda group: None)
    bot.approve(broken)
    bot.approve(sound)
    bot.run(lambda: bot.request(sound).facts.certificate_arn != "")
    assert bot.request(broken).state is State.RUNNING
    ended = bot.until(broken, State.FAILED, hours=3)
    assert "broke on our side" in ended.reason
    told = bot.told(broken, "problem")
    assert len(told) == 1
    assert told[0]["raw"]
    assert world.gate.effects.count("acm.request") == 1


def test_a_plan_that_breaks_ends_in_words(bot: Bot, world: InMemoryWorld) -> None:
    """Others are planned; this one is refused with the reference after two minutes."""
    for name in ("broken", "sound"):
        world.cluster.add(name)
    steps = list(bot.reconciler._ladder.values())
    planner = BrittlePlanner(world, steps[:-1], bot.policy, world.people, TLS, bot.clock)
    bot.reconciler = Reconciler(bot.store, planner, steps, world, bot.clock, bot._new_id, lambda group: None)
    broken, sound = bot.create(BROKEN), bot.create(SOUND)
    bot.until(sound, State.WAITING)
    ended = bot.until(broken, State.REFUSED)
    assert "Reference" in ended.reason
