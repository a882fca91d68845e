"""kill -9 of the bot at each boundary of either story, then a restart: the same end state, and nothing twice."""

import threading
import time

import pytest

from sandbox.calls import Phase
from sandbox.world import World
from tests.stories.bot_process import BotProcess
from tests.stories.conftest import Calls
from tests.stories.looking import Looking
from tests.stories.play import ELSEWHERE, OURS, Play

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]

STEPS = ("certificate", "validation", "load_balancer", "dns_record", "probe")
#: (host name, service, operation, how many of them went before it plus one): every effect of either story.
EFFECTS = [
    pytest.param(OURS, "acm", "RequestCertificate", 1, id="ours-certificate"),
    pytest.param(OURS, "route53", "ChangeResourceRecordSets", 1, id="ours-validation-record"),
    pytest.param(OURS, "kubernetes", "apply services", 1, id="ours-service"),
    pytest.param(OURS, "route53", "ChangeResourceRecordSets", 2, id="ours-alias"),
    pytest.param(ELSEWHERE, "acm", "RequestCertificate", 1, id="elsewhere-certificate"),
    pytest.param(ELSEWHERE, "kubernetes", "apply services", 1, id="elsewhere-service"),
]


def assert_proven_once(play: Play, looking: Looking) -> None:
    """The end state of an undisturbed story."""
    host = play.hostname
    card = play.ended()
    assert card.text.startswith(f"✅ {host} serves TLS")
    assert card.text.count("✅ yes") == 3
    found = looking.inventory(host)
    assert len(found.certificates) == 1
    assert len(found.services) == 1
    ours = [f"A {host}.", f"TXT a-{host}."] if host == OURS else []
    validation = [r for r in found.records if r.startswith("CNAME _")]
    assert len(validation) == (1 if host == OURS else 0)
    assert sorted(set(found.records) - set(validation)) == ours
    assert len(found.records) == len(ours) + len(validation)
    assert [row["state"] for row in looking.requests(host)] == ["active"]
    assert_nothing_posted_twice(play, looking)


def assert_nothing_posted_twice(play: Play, looking: Looking) -> None:
    """One card, and each kind of post once: plan, approved, verdict, and elsewhere the two instructions."""
    posted = looking.posted(play.hostname)
    marks = [m.metadata["event_payload"]["mark"] for m in posted if m.metadata]
    assert len(marks) == len(posted), "a message without a mark could not be found again after a crash"
    assert len(set(marks)) == len(marks), "a message was posted twice"
    assert len(play.cards()) == 1
    kinds = ["plan", "Approved", "serves TLS"] + (["DNS record is"] * 2 if play.hostname == ELSEWHERE else [])
    texts = [m.text for m in play.thread()]
    assert len(texts) == len(kinds), texts
    assert all(any(kind in text for text in texts) for kind in kinds)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize(("hostname", "service", "operation", "nth"), EFFECTS)
def test_killed_beside_an_effect(
    world: World, bot: BotProcess, looking: Looking, calls: Calls,
    hostname: str, service: str, operation: str, nth: int, phase: Phase,
) -> None:  # fmt: skip
    """Dead just before the call is carried out, or just before its answer: made once all the same."""
    act = bot.kill_before if phase is Phase.BEFORE else bot.kill
    came = calls.once(service, operation, phase, act, nth)
    play = Play(world, bot, hostname)
    play.run()
    assert came.is_set()
    assert bot.starts == 2
    assert_proven_once(play, looking)


@pytest.mark.parametrize("hostname", [OURS, ELSEWHERE])
def test_killed_whenever_a_step_is_reached(world: World, bot: BotProcess, looking: Looking, hostname: str) -> None:
    """Dead as soon as its database says that a step was reached, five times in one story."""
    killer = _StepKiller(bot, looking, hostname)
    killer.start()
    play = Play(world, bot, hostname)
    try:
        play.run()
    finally:
        killer.stop()
    assert killer.killed_at == list(STEPS)
    assert bot.starts == 1 + len(STEPS)
    assert_proven_once(play, looking)


class _StepKiller(threading.Thread):
    """Looks at the row, read only, and kills the bot when each step is first seen."""

    def __init__(self, bot: BotProcess, looking: Looking, hostname: str) -> None:
        super().__init__(daemon=True)
        self._bot, self._looking, self._hostname = bot, looking, hostname
        self._done = threading.Event()
        self.killed_at: list[str] = []

    def run(self) -> None:
        """Look fifty times a second."""
        while not self._done.wait(0.02):
            step = self._looking.step(self._hostname)
            if step and step not in self.killed_at and self._bot.is_running:
                self._bot.kill()
                self.killed_at.append(step)

    def stop(self) -> None:
        """End looking."""
        self._done.set()
        self.join()


@pytest.mark.parametrize("phase", list(Phase))
def test_killed_beside_every_post(world: World, bot: BotProcess, looking: Looking, calls: Calls, phase: Phase) -> None:
    """Dead before each message is posted, or after it was posted and before Slack's answer: each is there once.

    The story with DNS elsewhere has a message of every kind.
    """
    killed: list[int] = []

    def act(nth: int) -> None:
        if phase is Phase.AFTER:
            killed.append(nth)
            bot.kill()
        elif nth % 2:  # the next one is the same message, tried again
            killed.append(nth)
            bot.kill_before()

    calls.each("slack", "chat.postMessage", phase, act)
    play = Play(world, bot, ELSEWHERE)
    play.run()
    play.until(lambda: bot.is_running)
    assert len(killed) == 6  # card, plan, approved, two instructions, verdict
    assert_proven_once(play, looking)


def test_killed_right_after_the_command_was_acknowledged(world: World, bot: BotProcess, looking: Looking) -> None:
    """The command was taken in and nothing done about it: the next process takes it up."""
    play = Play(world, bot, OURS)
    world.faults.switch("slack-slow", True)  # creating a request asks Slack who is in the group: that takes 2 s now
    assert play.create().problem == ""
    bot.kill()
    world.faults.switch("slack-slow", False)
    assert looking.requests() == []
    bot.start()
    play.approve()
    assert_proven_once(play, looking)


def test_killed_right_after_approve_was_clicked(world: World, bot: BotProcess, looking: Looking) -> None:
    """The click was taken in and the approval not yet processed: the next process takes it up, once."""
    play = Play(world, bot, OURS)
    play.create()
    plan = play.plan()
    bot.restart()  # a process that has just asked Slack who is on call would not ask again
    world.faults.switch("slack-slow", True)
    assert play.click(play.oncall, "Approve", plan).problem == ""
    bot.kill()
    world.faults.switch("slack-slow", False)
    assert [row["state"] for row in looking.requests()] == ["waiting for approval"]
    bot.start()
    assert_proven_once(play, looking)


def test_killed_while_it_waits_for_the_record_of_somebody_else(world: World, bot: BotProcess, looking: Looking) -> None:
    """Days pass and processes come and go: the instructions are posted once, the record is seen when it is there."""
    play = Play(world, bot, ELSEWHERE)
    play.create()
    play.approve()
    play.said("a DNS record is needed")
    play.until(lambda: play.cards()[-1].text.startswith("✋") or None)
    bot.restart()
    time.sleep(1.5)  # a sweep of the new process has seen the record missing
    assert sum("DNS record is needed" in m.text for m in play.thread()) == 1
    bot.kill()
    play.own_dns()
    bot.start()
    assert_proven_once(play, looking)
