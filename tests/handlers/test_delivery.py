"""Cards and posts at a Slack in which things go wrong: nothing lost, nothing twice, nothing out of order."""

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from handlers.outbox import CARD_GRACE
from handlers.slack_errors import translated
from services.errors import Transient
from services.model import Audience, State
from tests.handlers.desk import PLATFORM, Desk, Died, texts

pytestmark = pytest.mark.sandbox


def card_text(desk: Desk) -> str:
    (card,) = desk.shown()
    return card.text


# ---- all is well


def test_one_card_per_request_is_edited_in_place_and_posts_follow_in_its_thread(desk: Desk) -> None:
    """The card comes first, posts in the order in which they were committed."""
    request = desk.request()
    request = desk.say(request, "#1", "#2")
    desk.deliver()
    desk.say(request, "#3", state=State.ACTIVE)
    desk.deliver()

    (card,) = desk.shown()
    assert [method for method in desk.calls.order if method.startswith("chat.")] == [
        *("chat.postMessage", "chat.postMessage", "chat.postMessage"),
        *("chat.update", "chat.postMessage"),
    ]
    assert texts(desk.thread(card)) == ["#1", "#2", "#3"]
    assert card.edited_ts is not None


def test_ten_commits_make_one_edit(desk: Desk) -> None:
    """The newest wins."""
    request = desk.request()
    desk.deliver()
    desk.calls.forget()
    for _ in range(10):
        request = desk.say(request)
    desk.deliver()

    assert desk.calls.made == {"chat.update": 1}


def test_nothing_is_sent_where_nothing_is_due(desk: Desk) -> None:
    """A tick of the clock costs no call."""
    desk.say(desk.request(), "#1")
    desk.deliver()
    desk.calls.forget()
    desk.deliver(seconds=1)

    assert not desk.calls.made


def test_metadata_holds_ids_only(desk: Desk) -> None:
    """Anybody in the channel can read it."""
    request = desk.say(desk.request(), "#1")
    desk.deliver()

    (card,) = desk.shown()
    (post,) = desk.thread(card)
    assert card.metadata == {"event_type": "nlbtls_message", "event_payload": {"mark": request.id}}
    assert post.metadata == {"event_type": "nlbtls_message", "event_payload": {"mark": f"{request.id}/1"}}


def test_a_quick_refusal_leaves_no_public_card(desk: Desk) -> None:
    """While a new request is planned its card waits a moment; a refusal within it is told to the requester only."""
    request = desk.request(state=State.PLANNING)
    desk.deliver()
    assert desk.shown() == []

    desk.say(request, "#no", audience=Audience.REQUESTER, state=State.REFUSED, ended_at=desk.clock())
    desk.deliver(seconds=5)

    assert desk.shown() == []
    assert texts(desk.private()) == ["#no"]


def test_a_plan_that_takes_long_shows_its_card_meanwhile(desk: Desk) -> None:
    """The grace is short."""
    desk.request(state=State.PLANNING)
    desk.deliver(seconds=CARD_GRACE.total_seconds() + 0.1)

    assert "planning" in card_text(desk)


# ---- the process dies


def test_a_card_that_was_posted_but_not_noted_is_found_again(desk: Desk) -> None:
    """One card after a death between Slack's answer and the note."""
    desk.request()
    desk.client.dies_after = "chat.postMessage"
    with pytest.raises(Died):
        desk.deliver()
    desk.start()
    desk.deliver(seconds=1)

    assert len(desk.shown()) == 1
    assert desk.calls.made["conversations.history"] == 1


def test_a_card_that_is_found_again_shows_what_is_wanted_by_now(desk: Desk) -> None:
    """What was posted before the death is older than what happened since."""
    request = desk.request(state=State.RUNNING)
    desk.client.dies_after = "chat.postMessage"
    with pytest.raises(Died):
        desk.deliver()
    desk.start()
    desk.say(request, state=State.FAILED, reason="the cluster is gone", ended_at=desk.clock())
    desk.deliver(seconds=1)

    assert "stopped" in card_text(desk)


def test_a_card_is_found_behind_many_messages_of_others(desk: Desk) -> None:
    """A busy channel: the mark is not on the first page of its history."""
    desk.request()
    desk.client.dies_after = "chat.postMessage"
    with pytest.raises(Died):
        desk.deliver()
    for _ in range(250):
        desk.client.chat_postMessage(channel=PLATFORM, text="chatter")
    desk.start()
    desk.deliver(seconds=1)

    assert len([m for m in desk.shown() if m.text != "chatter"]) == 1


def test_a_post_that_was_sent_but_not_noted_is_found_in_its_thread(desk: Desk) -> None:
    """One post, and the next one after it."""
    request = desk.request()
    desk.deliver()
    desk.say(request, "#1", "#2")
    desk.client.dies_after = "chat.postMessage"
    with pytest.raises(Died):
        desk.deliver()
    desk.start()
    desk.deliver(seconds=1)

    (card,) = desk.shown()
    assert texts(desk.thread(card)) == ["#1", "#2"]


def test_a_death_in_an_edit_is_made_good_by_the_same_edit(desk: Desk) -> None:
    """An edit may be made twice; it is not a message."""
    request = desk.request()
    desk.deliver()
    desk.say(request, state=State.ACTIVE)
    desk.client.dies_after = "chat.update"
    with pytest.raises(Died):
        desk.deliver()
    desk.start()
    desk.deliver(seconds=1)

    assert len(desk.shown()) == 1


# ---- Slack is not well


def test_an_answer_that_is_lost_makes_no_second_message(desk: Desk) -> None:
    """chat.postMessage posts, but answers 500: card and post stand once."""
    with desk.fault("slack-answer-lost"):
        request = desk.request()
        desk.deliver()
        desk.deliver(seconds=2)
        desk.say(request, "#1")
        desk.deliver(seconds=2)
        desk.deliver(seconds=10)

    (card,) = desk.shown()
    assert texts(desk.thread(card)) == ["#1"]


def test_nothing_is_lost_and_nothing_twice_while_slack_is_down(desk: Desk) -> None:
    """Three requests with posts each, committed while Slack answers 503; then it is back."""
    requests = [desk.request(f"{name}.example.com") for name in ("one", "two", "three")]
    with desk.fault("slack-down"):
        for n in range(10):
            for request in requests:
                desk.say(request, f"#{n}")
            desk.deliver(seconds=1)
    assert desk.shown() == []
    for _ in range(10):
        desk.deliver(seconds=60)

    assert len(desk.shown()) == 3
    assert all(texts(desk.thread(card)) == [f"#{n}" for n in range(10)] for card in desk.shown())
    assert desk.calls.made["chat.postMessage"] == 33


def test_while_slack_is_down_one_call_fails_and_the_others_wait(desk: Desk) -> None:
    """Fifty cards are not fifty calls a second that hang for ten."""
    for n in range(20):
        desk.request(f"app-{n}.example.com")
    desk.calls.lost["chat.postMessage"] = 100
    desk.deliver()

    assert desk.calls.lost["chat.postMessage"] == 99


def test_retry_after_is_honoured(desk: Desk) -> None:
    """Nothing is tried again before Slack said so, for no card."""
    desk.request("one.example.com")
    desk.request("two.example.com")
    desk.directory.group_ids()
    desk.client.asked.clear()
    with desk.fault("slack-rate-limited"):
        desk.deliver()
        desk.deliver(seconds=0.5)
    assert desk.client.asked == ["chat.postMessage"]
    desk.deliver(seconds=0.6)

    assert len(desk.shown()) == 2


def test_slacks_own_rate_limits_delay_but_lose_nothing(rate_limited: Desk) -> None:
    """Thirty requests at once in one channel, at five posts in five seconds."""
    desk = rate_limited
    for n in range(30):
        desk.say(desk.request(f"app-{n}.example.com"), "#1")
    for _ in range(120):
        desk.deliver(seconds=1)

    assert len(desk.shown()) == 30
    assert all(texts(desk.thread(card)) == ["#1"] for card in desk.shown())


def test_a_page_of_a_proxy_is_not_an_answer_of_slack(desk: Desk) -> None:
    """A post is not given up for what something else said with status 200."""
    page = SlackResponse(
        client=desk.client,
        http_verb="POST",
        api_url="",
        req_args={},
        data={"ok": False, "error": "Received a response in a non-JSON format: <html>Sign in"},
        headers={},
        status_code=200,
    )

    refused = SlackApiError("", page)  # type: ignore[no-untyped-call]
    assert isinstance(translated(refused, "chat.postMessage"), Transient)


# ---- cards that are gone or cannot be edited


def test_a_deleted_card_is_posted_anew_and_its_thread_goes_on_there(desk: Desk) -> None:
    """What was said under the old one stays there; what is said next is under the new one."""
    request = desk.say(desk.request(), "#1")
    desk.deliver()
    (old,) = desk.shown()
    desk.slack.workspace.delete(old)
    desk.say(request, "#2")
    desk.deliver()

    (new,) = desk.shown()
    assert texts(desk.thread(old)) == ["#1"]
    assert texts(desk.thread(new)) == ["#2"]


def test_a_card_that_is_deleted_just_before_a_post_costs_no_post(desk: Desk) -> None:
    """There is no thread for it, so the card is posted anew first."""
    request = desk.request()
    desk.deliver()
    (old,) = desk.shown()
    desk.say(request, "#1")
    real = desk.store.outbox.card_shown

    def shown(request_id: str, *, ts: str, version: int) -> None:
        real(request_id, ts=ts, version=version)
        desk.slack.workspace.delete(old)

    desk.store.outbox.card_shown = shown  # type: ignore[method-assign]
    desk.deliver()

    (new,) = desk.shown()
    assert texts(desk.thread(new)) == ["#1"]


def test_a_card_that_cannot_be_edited_is_posted_anew_once_for_each_state(desk: Desk) -> None:
    """A workspace that forbids edits is not flooded with cards for each step of progress."""
    request = desk.request()
    desk.deliver()
    with desk.fault("slack-edit-window-closed"):
        for n in range(5):
            request = desk.say(request, f"#{n}")
            desk.deliver(seconds=5)
        assert len(desk.shown()) == 2
        desk.say(request, state=State.ACTIVE, ended_at=desk.clock())
        desk.deliver(seconds=5)
        desk.deliver(seconds=500)

    assert len(desk.shown()) == 3
    assert sum(len(desk.thread(card)) for card in desk.shown()) == 5


def test_an_old_card_that_cannot_be_edited_is_not_taken_for_its_successor(desk: Desk) -> None:
    """The successor was not posted when the process died; the old one carries the same mark."""
    request = desk.request()
    desk.deliver()
    desk.say(request, state=State.ACTIVE, ended_at=desk.clock())
    with desk.fault("slack-edit-window-closed"):
        desk.calls.lost["chat.postMessage"] = 1
        desk.deliver()
        desk.start()
        desk.deliver(seconds=5)

    assert len(desk.shown()) == 2
    assert "serves" in desk.shown()[-1].text


def test_a_message_that_cannot_be_drawn_holds_up_nobody_else(desk: Desk) -> None:
    """A defect in one card is logged and tried again later; the others are brought out."""
    desk.request("broken.example.com", wait={"wait_for": "person", "deadline": "soon"})
    desk.request("fine.example.com")
    desk.deliver()

    assert any("fine" in card.text for card in desk.shown())


# ---- what can be pressed


def test_buttons_go_when_they_would_not_count_any_more(desk: Desk) -> None:
    """A plan keeps its buttons while it can be decided; then they are taken off, once."""
    desk.world.cluster.add("app")
    desk.dispatch(desk.command("create app.example.com"))
    desk.turn()
    desk.deliver(seconds=2)
    (card,) = desk.shown()
    (plan,) = desk.thread(card)
    assert any(block["type"] == "actions" for block in plan.blocks)

    desk.dispatch(desk.click(plan, "reject"))
    desk.calls.forget()
    desk.deliver()
    plan, rejected = desk.thread(card)
    assert not any(block["type"] == "actions" for block in plan.blocks)
    assert "Rejected" in rejected.text
    assert desk.calls.made == {"chat.update": 2, "chat.postMessage": 1}

    desk.deliver(seconds=5)
    assert desk.calls.made == {"chat.update": 2, "chat.postMessage": 1}
