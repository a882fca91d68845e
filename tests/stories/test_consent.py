"""Who may decide what, and that every decision is made once. Also what can be looked at."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.slack.person import NotPossibleError, Person, SeenMessage
from tests.stories.conftest import Stage
from tests.stories.looking import Inventory
from tests.stories.play import CHANNEL, Play
from tests.stories.test_bad_input import answer

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]


def planned(stage: Stage, hostname: str, options: str = "") -> tuple[Play, SeenMessage]:
    """A plan that waits for approval."""
    play = stage.play(hostname)
    play.create(options)
    return play, play.plan()


def state(stage: Stage, hostname: str) -> str:
    """Of the newest request."""
    return str(stage.looking.requests(hostname)[-1]["state"])


#: Of one host name: another test's request may still be running in the shared world.
NOTHING = Inventory((), (), ())


def told_by_click(play: Play, who: Person, label: str, message: SeenMessage) -> str:
    """What only the person who clicks sees."""
    before = {m.ts for m in who.messages(CHANNEL) if m.ephemeral}
    assert play.click(who, label, message).problem == ""
    news = who.wait_for(lambda: [m for m in who.messages(CHANNEL) if m.ephemeral and m.ts not in before], timeout=60)
    return news[0].text


def test_nobody_approves_for_themselves(shared: Stage) -> None:
    """The requester's own click is denied, to them alone."""
    play, plan = planned(shared, "self.example.com")
    text = told_by_click(play, play.requester, "Approve", plan)
    assert "You asked for this yourself" in text
    assert "changed nothing" in text
    assert state(shared, "self.example.com") == "waiting for approval"
    assert len(play.thread()) == 1


def test_even_somebody_on_call_does_not_approve_for_themselves(shared: Stage) -> None:
    """Four eyes: being an approver is not enough."""
    second = Person(shared.world.slack.url, "second")
    assert second.command(CHANNEL, "/nlbtls create eyes.example.com").problem == ""
    play = shared.play("eyes.example.com")
    assert "You asked for this yourself" in told_by_click(play, second, "Approve", play.plan())
    assert state(shared, "eyes.example.com") == "waiting for approval"


@pytest.mark.parametrize("label", ["Approve", "Reject"])
def test_outsiders_decide_nothing(shared: Stage, label: str) -> None:
    """Who is not on call is told so, and who is."""
    hostname = f"outside-{label.lower()}.example.com"
    play, plan = planned(shared, hostname)
    text = told_by_click(play, play.outsider, label, plan)
    assert "You are not one of its approvers" in text
    assert "@oncall" in text
    assert state(shared, hostname) == "waiting for approval"
    assert len(play.thread()) == 1


def test_approve_after_reject(shared: Stage) -> None:
    """One no is final; the late click is told what was decided, and nothing begins."""
    play, plan = planned(shared, "late.example.com")
    play.click(play.oncall, "Reject", plan)
    play.said("Rejected", "@oncall")
    second = Person(shared.world.slack.url, "second")
    assert "Already rejected" in told_by_click(play, second, "Approve", plan)
    assert state(shared, "late.example.com") == "rejected"
    assert shared.looking.inventory("late.example.com") == NOTHING
    assert play.cards()[-1].text.startswith("⛔ late.example.com: rejected")


def test_the_requester_takes_it_back(shared: Stage) -> None:
    """Whoever asked may end it; the host name is free again."""
    play, plan = planned(shared, "back.example.com")
    play.click(play.requester, "Reject", plan)
    play.said("Rejected", "@requester")
    play.create()
    play.until(lambda: len(play.cards()) == 2)


def test_a_double_click_counts_once(shared: Stage) -> None:
    """The second click of the same button finds the decision made."""
    play, plan = planned(shared, "double.example.com")
    play.click(play.oncall, "Reject", plan)
    assert "Already rejected" in told_by_click(play, play.oncall, "Reject", plan)
    assert sum("Rejected" in m.text for m in play.thread()) == 1


def test_two_people_at_once_make_one_decision(shared: Stage) -> None:
    """One approves and one rejects in the same moment: one of them decides, the other is told."""
    play, plan = planned(shared, "race.example.com")
    second = Person(shared.world.slack.url, "second")
    together = threading.Barrier(2)

    def press(who: Person, label: str) -> None:
        together.wait()
        assert play.click(who, label, plan).problem == ""

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(press, play.oncall, "Approve"), pool.submit(press, second, "Reject")]:
            done.result()
    late = play.until(
        lambda: [
            m for who in (play.oncall, second) for m in who.messages(CHANNEL)
            if m.ephemeral and "race.example.com: too late" in m.text
        ]
    )  # fmt: skip
    assert len(late) == 1
    play.said("race.example.com", "@oncall" if state(shared, "race.example.com") != "rejected" else "Rejected")
    decisions = [m for m in play.thread() if m.ts != plan.ts and m.text.startswith(("👍", "⛔"))]
    assert len(decisions) == 1


def test_a_dry_run_ends_with_its_plan(shared: Stage) -> None:
    """No buttons, nothing made, and the host name is free."""
    play = shared.play("dry.example.com")
    play.create("--dry-run")
    plan = play.said("Dry run")
    assert plan.buttons == []
    assert "+ create ACM certificate dry.example.com in eu-central-1" in plan.text
    assert play.cards()[-1].text.startswith("📝 dry.example.com: planned (dry run)")
    assert state(shared, "dry.example.com") == "planned"
    assert shared.looking.inventory("dry.example.com") == NOTHING
    play.create()
    play.plan()


def test_who_asked_chooses_the_service(shared: Stage) -> None:
    """Nothing names a Service for example.net: candidates are listed, only the requester picks, the plan follows."""
    play = shared.play("x.example.net")
    play.create()
    choice = play.said("which Service?")
    for candidate in ("sandbox/demo/demo", "sandbox/demo/other", "sandbox/shop/cart"):
        assert candidate in choice.text
    play.oncall.select(choice.ts, "choose_target", "sandbox/shop/cart", CHANNEL)
    denied = play.until(
        lambda: (
            next((m for m in play.oncall.messages(CHANNEL) if m.ephemeral and "x.example.net" in str(m.raw)), None)
            or next((m for m in play.oncall.messages(CHANNEL) if m.ephemeral and "chooses the Service" in m.text), None)
        )
    )
    assert "Only the person who asked chooses the Service" in denied.text
    assert state(shared, "x.example.net") == "choosing"
    play.requester.select(choice.ts, "choose_target", "sandbox/demo/other", CHANNEL)
    plan = play.plan()
    assert "demo/other" in plan.text
    assert "ask for" in plan.text  # its DNS is not ours
    late = play.requester.select(choice.ts, "choose_target", "sandbox/demo/demo", CHANNEL, choice)
    assert late.problem == ""
    assert "demo/other" in play.plan().text


def test_a_replaced_message_has_no_button_left(shared: Stage) -> None:
    """What cannot be pressed in Slack cannot be pressed here: the tests' people are not more able than real ones."""
    play = shared.play("dry2.example.com")
    play.create("--dry-run")
    with pytest.raises(NotPossibleError):
        play.click(play.oncall, "Approve", play.said("Dry run"))


def test_status_list_and_help(shared: Stage) -> None:
    """What is known of a host, what there is at all, and what can be typed; all of it private."""
    play, _ = planned(shared, "known.example.com")
    request = shared.looking.requests("known.example.com")[-1]
    shown = answer(play.outsider, "/nlbtls status Known.example.com")
    assert request["id"] in shown
    assert "waiting for approval" in shown
    assert "Nothing is known of `unknown.example.com`" in answer(play.outsider, "/nlbtls status unknown.example.com")
    listed = answer(play.outsider, "/nlbtls list")
    assert "known.example.com" in listed
    assert "open request" in listed
    helped = answer(play.outsider, "/nlbtls help")
    for typed in ("/nlbtls create <host> [options]", "/nlbtls status [host]", "--target-port", "--dry-run"):
        assert typed in helped
    assert answer(play.outsider, "/nlbtls") == helped
