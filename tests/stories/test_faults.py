"""Stories during which something outside does not work: they go on when it does, and say what is in their way."""

import time

import pytest

from sandbox.world import World
from tests.stories.bot_process import BotProcess
from tests.stories.looking import Looking
from tests.stories.play import ELSEWHERE, OURS, Play
from tests.stories.test_crashes import assert_proven_once

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]


def strike(world: World, fault: str, seconds: float) -> None:
    """Let a fault strike for some time."""
    world.faults.switch(fault, True)
    time.sleep(seconds)
    world.faults.switch(fault, False)


def test_aws_asks_for_patience_all_the_time(world: World, bot: BotProcess, looking: Looking) -> None:
    """Every second call of every service is throttled: no word of it to people, and everything once."""
    for service in ("acm", "route53", "elbv2"):
        world.faults.switch(f"aws-throttle-{service}", True)
    play = Play(world, bot, OURS)
    play.create()
    play.approve()
    card = play.ended()
    for service in ("acm", "route53", "elbv2"):
        world.faults.switch(f"aws-throttle-{service}", False)
    assert card.text.startswith("✅")
    assert not any("Problem" in m.text for m in play.thread())
    assert_proven_once(play, looking)


@pytest.mark.parametrize(
    "faults", [("slack-rate-limited", "slack-answer-lost"), ("slack-disconnects", "slack-down")], ids="-then-".join
)
def test_slack_fails_for_three_seconds_at_a_time(
    world: World, bot: BotProcess, looking: Looking, faults: tuple[str, str]
) -> None:
    """The work goes on meanwhile; every message is there in the end, and none of them twice."""
    play = Play(world, bot, OURS)
    play.create()
    play.approve()
    for fault in faults:
        strike(world, fault, 3)
    play.until(lambda: world.slack.connections > 0)
    assert_proven_once(play, looking)


def test_kubernetes_fails_for_three_seconds(world: World, bot: BotProcess, looking: Looking) -> None:
    """It begins when the Service is next: waited for, not given up."""
    play = Play(world, bot, OURS)
    play.create()
    play.approve()
    play.until(lambda: looking.step(OURS) == "validation" or None)
    strike(world, "kubernetes-down", 3)
    assert_proven_once(play, looking)


def test_kubernetes_fails_while_planning(world: World, bot: BotProcess, looking: Looking) -> None:
    """The card says what is waited for; the plan follows by itself."""
    world.faults.switch("kubernetes-down", True)
    play = Play(world, bot, OURS)
    play.create()
    play.until(lambda: [c for c in play.cards() if "Kubernetes API server cannot answer for the moment" in c.text])
    assert looking.writes() == 0
    world.faults.switch("kubernetes-down", False)
    assert "4 to create" in play.plan().text


def test_one_address_of_the_load_balancer_is_dead(world: World, bot: BotProcess, looking: Looking) -> None:
    """The card names the address that refuses connections; once it is mended, the proof holds."""
    world.faults.switch("nlb-one-address-dead", True)
    play = Play(world, bot, OURS)
    play.create()
    play.approve()
    card = play.until(lambda: next((c for c in play.cards() if "1 of 2 addresses failed" in c.text), None))
    addresses = [a for b in world.aws.load_balancers() for a in b.addresses]
    assert sum(address in card.text for address in addresses) == 1
    world.faults.switch("nlb-one-address-dead", False)
    assert_proven_once(play, looking)


def test_the_controller_cannot_build_the_load_balancer(world: World, bot: BotProcess) -> None:
    """What the controller says in an event of Kubernetes reaches the thread, with what it means (F14)."""
    world.faults.switch("F14", True)
    play = Play(world, bot, ELSEWHERE)
    play.create()
    play.approve()
    play.said("a DNS record is needed")
    play.own_dns()
    problem = play.said("Problem", "FailedBuildModel")
    assert "unable to resolve at least one subnet" in problem.text
    assert "Tag public subnets kubernetes.io/role/elb=1" in problem.text
    card = play.card()
    assert card is not None
    assert "FailedBuildModel" in card.text
    assert sum("Problem" in m.text for m in play.thread()) == 1
    world.faults.switch("F14", False)
    assert play.ended().text.startswith("✅")
