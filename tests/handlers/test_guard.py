"""What comes in: written down before the ack, dealt with once, answered in words, whatever happens."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from handlers.guard import incoming
from services.errors import Permanent, Transient
from services.model import State
from services.storage import InboxItem, Stale
from tests.handlers.desk import PLATFORM, REQUESTER, Desk, Died

pytestmark = pytest.mark.sandbox


def left(desk: Desk) -> list[str]:
    """What is in the inbox and not dealt with."""
    return [item.key for item in desk.store.inbox.unfinished(desk.clock.forward(seconds=1))]


def raising(error: BaseException) -> Callable[[InboxItem], None]:
    """A handler in which everything goes wrong."""

    def handler(item: InboxItem) -> None:
        raise error

    return handler


# ---- before the ack


def test_everything_is_in_the_inbox_before_the_ack(desk: Desk) -> None:
    """When slack-bolt answers, the command is durable, though nobody has begun to deal with it."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(item: InboxItem) -> None:
        begun.set()
        assert go_on.wait(10)

    desk.guard.register("command", slow)
    body = desk.command("create app.example.com")
    answer = desk.answer(body)
    kept = left(desk)
    go_on.set()
    desk.settle()

    assert answer.status == 200
    assert kept == [f"command:{body['trigger_id']}"]
    assert left(desk) == []


def test_an_ack_does_not_wait_for_the_answers_to_others(desk: Desk) -> None:
    """However many handlers hang (a Slack that is slow), the next command is acknowledged in milliseconds."""
    go_on = threading.Event()

    def hanging(item: InboxItem) -> None:
        assert go_on.wait(20)

    desk.guard.register("command", hanging)
    began = time.monotonic()
    answers = [desk.answer(desk.command("help")).status for _ in range(30)]
    took = time.monotonic() - began
    go_on.set()
    desk.settle()

    assert answers == [200] * 30
    assert took < 2.5


def test_what_cannot_be_written_down_is_not_acknowledged(desk: Desk) -> None:
    """So that Slack tells the person at once."""

    def full(item: InboxItem) -> bool:
        raise Permanent("The disk of the database is full.")

    desk.store.inbox.receive = full  # type: ignore[method-assign]
    answer = desk.dispatch(desk.command("create app.example.com"))

    assert answer.status == 500
    assert desk.guard.accepted == 0


def test_a_redelivered_trigger_is_dealt_with_once(desk: Desk) -> None:
    """And acknowledged each time."""
    body = desk.command("create app.example.com")
    answers = [desk.dispatch(body).status for _ in range(3)]

    assert answers == [200, 200, 200]
    assert len(desk.store.requests()) == 1
    assert desk.guard.dealt == 1
    assert desk.private() == []


def test_only_what_is_used_is_kept(desk: Desk) -> None:
    """No verification token, no names, no message: what a person did, in a payload that is JSON."""
    body = desk.command("status")
    item = incoming(body, desk.clock)

    assert item is not None
    assert set(item.payload) == {"person", "channel", "channel_name", "text", "response_url"}
    assert body["token"] not in json.dumps(dict(item.payload))


@pytest.mark.parametrize(
    "body",
    [
        {"type": "event_callback", "event": {"type": "app_mention"}},
        {"type": "block_actions", "actions": []},
        {"command": "/other", "text": "", "trigger_id": "1"},
        {"type": "view_submission", "trigger_id": "1"},
    ],
)
def test_what_nobody_deals_with_is_not_kept(desk: Desk, body: dict[str, Any]) -> None:
    """It would be taken up at every start for ever."""
    assert incoming(body, desk.clock) is None


# ---- after a death


def test_a_create_that_a_dead_process_left_is_taken_up_and_made_once(desk: Desk) -> None:
    """It died between the ack and the work."""
    item = incoming(desk.command("create app.example.com"), desk.clock)
    assert item is not None
    desk.store.inbox.receive(item)
    desk.clock.forward(seconds=1)
    desk.start()
    assert desk.guard.take_up() == 1
    desk.settle()
    desk.start()
    assert desk.guard.take_up() == 0

    assert len(desk.store.requests()) == 1


def test_a_create_whose_process_died_before_it_finished_is_not_doubled(desk: Desk) -> None:
    """The request and the end of its inbox item are one transaction."""
    real = desk.requests.create

    def dying(order: Any) -> Any:
        real(order)
        raise Died

    desk.requests.create = dying  # type: ignore[method-assign]
    item = incoming(desk.command("create app.example.com"), desk.clock)
    assert item is not None
    desk.store.inbox.receive(item)
    with pytest.raises(Died):
        desk.guard.handle(item)
    desk.clock.forward(seconds=1)
    desk.start()

    assert desk.guard.take_up() == 0
    assert len(desk.store.requests()) == 1
    assert desk.private() == []


def test_a_death_in_a_handler_leaves_the_item_for_the_next_process(desk: Desk) -> None:
    """Not even an interpreter that is going down finishes what was not done."""
    item = incoming(desk.command("help"), desk.clock)
    assert item is not None
    desk.store.inbox.receive(item)
    desk.guard.register("command", raising(Died()))
    with pytest.raises(Died):
        desk.guard.handle(item)
    desk.clock.forward(seconds=1)
    desk.start()

    assert desk.guard.take_up() == 1
    desk.settle()
    assert len(desk.private()) == 1


def test_what_comes_in_while_the_process_ends_is_left_for_the_next(desk: Desk) -> None:
    """It was acknowledged, so it must be done."""
    desk.guard.stop()
    body = desk.command("create app.example.com")
    assert desk.answer(body).status == 200
    item = incoming(body, desk.clock)
    assert item is not None
    desk.guard.accept(item)  # raises nothing: the ack was given
    desk.clock.forward(seconds=1)
    desk.start()

    assert desk.guard.take_up() == 1
    desk.settle()
    assert len(desk.store.requests()) == 1


# ---- answers


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Permanent("AWS denies it.", hint="Allow it."), "AWS denies it. Allow it."),
        (Transient("The database is busy."), "The database is busy."),
        (Stale("r-1"), "at the same moment"),
    ],
)
def test_what_services_say_is_told_to_the_person_alone(desk: Desk, error: Exception, words: str) -> None:
    """And the item is finished: the person repeats it."""
    desk.guard.register("command", raising(error))
    answer = desk.dispatch(desk.command("list"))

    (told,) = desk.private()
    assert answer.status == 200
    assert words in told.text
    assert left(desk) == []


def test_the_unexpected_is_told_with_a_reference_that_is_in_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """The log line has the traceback."""
    desk.guard.register("command", raising(ZeroDivisionError("by zero")))
    with capture_logs() as lines:
        desk.dispatch(desk.command("list"))

    (told,) = desk.private()
    (line,) = [line for line in lines if line["event"] == "handler failed"]
    assert line["exc_info"]
    assert line["reference"] in told.text
    assert "by zero" not in told.text


@pytest.mark.parametrize("broken", ["finish", "reply", "after"])
def test_nothing_raises_after_the_ack(desk: Desk, broken: str) -> None:
    """slack-bolt would take the ack back (24 of 24 times), and the person would be told that it failed."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(broken)

    place = {"finish": (desk.store.inbox, "finish"), "reply": (desk.replies, "reply"), "after": (desk.guard, "_after")}
    setattr(*place[broken], fail)
    with capture_logs() as lines:
        answers = [desk.dispatch(desk.command("help")).status for _ in range(5)]

    assert answers == [200] * 5
    assert [line["event"] for line in lines].count("failed after the ack") == 5


# ---- commands and clicks


def test_a_create_is_taken_in_without_a_word(desk: Desk) -> None:
    """Its card answers; the request knows where to reach the person privately."""
    body = desk.command("create app.example.com --dry-run")
    desk.dispatch(body)

    (request,) = desk.store.requests()
    assert (request.requester, request.channel, request.reply_to) == (REQUESTER, PLATFORM, body["response_url"])
    assert request.dry_run
    assert desk.private() == []


def test_a_second_create_is_told_whose_request_is_open_and_where(desk: Desk) -> None:
    """With a link to its card."""
    desk.dispatch(desk.command("create app.example.com"))
    desk.deliver(seconds=2)
    desk.dispatch(desk.command("create app.example.com", person="U0OUTSIDER1"))

    (card,) = desk.shown()
    (told,) = desk.private("U0OUTSIDER1")
    assert f"<@{REQUESTER}>" in told.text
    assert card.ts.replace(".", "") in told.text


def test_a_create_in_a_direct_message_is_told_where_to_go(desk: Desk) -> None:
    """Nobody could approve it there."""
    channel = desk.slack.workspace.direct_message(REQUESTER, desk.slack.workspace.bot_user)
    desk.dispatch(desk.command("create app.example.com", channel=channel.id))

    (told,) = desk.private()
    assert "in a channel" in told.text
    assert not desk.store.requests()


@pytest.mark.parametrize("text", ["", "help", "status", "status app.example.com", "list", "list --page 2"])
def test_looking_answers_privately(desk: Desk, text: str) -> None:
    """One message, seen by nobody else."""
    desk.dispatch(desk.command(text))

    assert len(desk.private()) == 1
    assert desk.shown() == []


@pytest.mark.parametrize(
    "text", ["creat app.example.com", "create app", "create app.example.com --port x", "list --page 0"]
)
def test_bad_input_is_answered_privately_and_changes_nothing(desk: Desk, text: str) -> None:
    """A sentence."""
    desk.dispatch(desk.command(text))

    assert len(desk.private()) == 1
    assert not desk.store.requests()


def planned(desk: Desk) -> Any:
    """A request with its plan in the thread; the message with the buttons."""
    desk.dispatch(desk.command("create app.example.com"))
    desk.turn()
    desk.deliver()
    (card,) = desk.shown()
    (plan,) = desk.thread(card)
    return plan


def test_an_approval_counts_once_however_often_it_is_clicked(desk: Desk) -> None:
    """The second click is told that it is late, and by whom it was decided."""
    plan = planned(desk)
    desk.dispatch(desk.click(plan, "approve"))
    desk.dispatch(desk.click(plan, "approve"))

    (request,) = desk.store.requests()
    (told,) = desk.private("U0ONCALL001")
    assert request.state is State.APPROVED
    assert request.approved_by == ("U0ONCALL001",)
    assert "Already approved" in told.text


def test_two_clicks_at_the_same_moment_cannot_both_win(desk: Desk) -> None:
    """Approve and reject, from two threads."""
    plan = planned(desk)
    bodies = [desk.click(plan, "approve"), desk.click(plan, "reject")]
    threads = [threading.Thread(target=desk.answer, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.settle()

    (request,) = desk.store.requests()
    decided = [e.kind for e in desk.store.events(request.id) if e.kind in ("approved", "rejected")]
    assert len(decided) == 1
    assert len(desk.private("U0ONCALL001")) == 1


def test_a_denied_click_is_told_who_may(desk: Desk) -> None:
    """The requester may not approve the own request; a mention of the group by its Slack id."""
    plan = planned(desk)
    desk.dispatch(desk.click(plan, "approve", REQUESTER))

    (told,) = desk.private()
    assert "<!subteam^S0ONCALL001>" in told.text
    assert desk.store.requests()[0].state is State.WAITING


def test_a_click_while_slack_does_not_say_who_is_in_the_group_approves_nothing(desk: Desk) -> None:
    """Failing closed."""
    plan = planned(desk)
    desk.clock.forward(minutes=2)
    with desk.fault("slack-user-groups-fail"):
        desk.dispatch(desk.click(plan, "approve"))

    assert desk.store.requests()[0].state is State.WAITING
    assert len(desk.private("U0ONCALL001")) == 1


def test_a_button_of_an_older_version_says_so(desk: Desk) -> None:
    """Unknown actions are acknowledged and answered."""
    plan = planned(desk)
    body = desk.click(plan, "approve")
    body["actions"][0]["action_id"] = "approve_v0"
    answer = desk.dispatch(body)

    (told,) = desk.private("U0ONCALL001")
    assert answer.status == 200
    assert "older version" in told.text


def test_a_click_of_a_kind_that_nobody_knows_is_acknowledged(desk: Desk) -> None:
    """A checkbox without a value, a link button: no error sign for the person."""
    plan = planned(desk)
    body = desk.click(plan, "approve")
    body["actions"][0] = {"type": "button", "action_id": "link", "block_id": "b", "url": "https://example.com"}

    assert desk.dispatch(body).status == 200
