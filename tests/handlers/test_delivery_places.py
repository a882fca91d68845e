"""Where a message may not be written, and messages for one person: somebody is told, and nothing is lost."""

import pytest

from services.model import Audience, State
from tests.handlers.desk import PLATFORM, PRIVATE, RANDOM, REQUESTER, Desk, texts

pytestmark = pytest.mark.sandbox


# ---- where the bot may not write


@pytest.mark.parametrize("channel", [RANDOM, "C0SECRETOPS"])
def test_where_the_bot_is_not_a_member_the_requester_is_told_to_invite_it(desk: Desk, channel: str) -> None:
    """Public: not_in_channel; private: channel_not_found. The request ends: nobody could have approved it."""
    ticket = desk.slack.tickets.response(REQUESTER, channel)
    request = desk.request(channel=channel, state=State.WAITING, reply_to=f"{desk.slack.url}/response/{ticket}")
    for _ in range(5):
        desk.deliver(seconds=10)

    ended = desk.store.request(request.id)
    assert ended is not None
    assert ended.state is State.REFUSED
    (told,) = desk.private()
    assert "/invite @nlbtls" in told.text
    assert desk.shown(channel) == []


def test_an_archived_channel_ends_the_request_too(desk: Desk) -> None:
    """is_archived."""
    desk.slack.workspace.archive(PLATFORM)
    request = desk.request(state=State.WAITING)
    desk.deliver()

    ended = desk.store.request(request.id)
    assert ended is not None
    assert ended.state is State.REFUSED


def test_a_request_that_runs_goes_on_where_the_bot_was_put_out(desk: Desk) -> None:
    """Its requester is told once, and after /invite everything that was to be said is said."""
    request = desk.request(state=State.RUNNING)
    desk.deliver()
    desk.slack.workspace.remove_member(PLATFORM, desk.slack.workspace.bot_user)
    desk.say(request, "#1")
    for _ in range(5):
        desk.deliver(minutes=6)
    running = desk.store.request(request.id)
    assert running is not None
    assert running.state is State.RUNNING
    direct = [m for m in desk.slack.workspace.messages if m.channel.startswith("D")]
    assert len(direct) == 1
    assert "/invite @nlbtls" in direct[0].text

    desk.slack.workspace.add_member(PLATFORM, desk.slack.workspace.bot_user)
    desk.deliver(minutes=6)
    (card,) = desk.shown()
    assert texts(desk.thread(card)) == ["#1"]


def test_a_card_of_a_private_channel_comes_back_after_an_invitation(desk: Desk) -> None:
    """There chat.update fails as well (channel_not_found): the card is not given up while the request runs."""
    request = desk.request(channel=PRIVATE, state=State.RUNNING)
    desk.deliver()
    desk.slack.workspace.remove_member(PRIVATE, desk.slack.workspace.bot_user)
    desk.say(request, state=State.ACTIVE, ended_at=desk.clock())
    desk.deliver(seconds=1)
    desk.slack.workspace.add_member(PRIVATE, desk.slack.workspace.bot_user)
    desk.deliver(minutes=6)

    (card,) = desk.shown(PRIVATE)
    assert "serves" in card.text


def test_a_request_that_ended_at_the_same_moment_is_not_forgotten(desk: Desk) -> None:
    """Somebody else wrote the row just then: the next delivery tells again, instead of leaving it without a card."""
    request = desk.request(channel=RANDOM, state=State.WAITING)
    real, stale = desk.store.commit, [True]

    def commit(*args: object, **more: object) -> object:
        if stale.pop() if stale else False:
            desk.store.commit = real  # type: ignore[method-assign]
            desk.say(request)
        return real(*args, **more)  # type: ignore[arg-type]

    desk.store.commit = commit  # type: ignore[assignment, method-assign]
    desk.deliver()
    for _ in range(3):
        desk.deliver(seconds=60)

    ended = desk.store.request(request.id)
    assert ended is not None
    assert ended.state is State.REFUSED


def test_a_token_that_is_revoked_for_a_while_loses_no_post(desk: Desk) -> None:
    """invalid_auth is not about the message."""
    request = desk.request()
    desk.deliver()
    desk.say(request, "#1")
    token, desk.client.token = desk.client.token, "xoxb-revoked"
    desk.client.headers.clear()
    desk.deliver()
    desk.client.token = token
    desk.deliver(minutes=6)

    (card,) = desk.shown()
    assert texts(desk.thread(card)) == ["#1"]


def test_a_post_that_slack_cannot_take_lets_the_next_ones_pass(desk: Desk) -> None:
    """invalid_blocks, msg_too_long: given up, with a line in the log."""
    request = desk.say(desk.request(), "#1")
    desk.deliver()
    real = desk.client.chat_postMessage

    def once(**content: object) -> object:
        desk.client.chat_postMessage = real  # type: ignore[method-assign]
        return real(**{**content, "blocks": [{"type": "nonsense"}]})  # type: ignore[arg-type]

    desk.client.chat_postMessage = once  # type: ignore[assignment, method-assign]
    desk.say(request, "#2", "#3")
    desk.deliver()

    (card,) = desk.shown()
    assert texts(desk.thread(card)) == ["#1", "#3"]


def test_a_delivery_that_shall_stop_sends_nothing_more(desk: Desk) -> None:
    """So that the end of the process does not wait for a Slack that does not answer."""
    desk.request()
    desk.delivery.stop()
    desk.deliver()

    assert not desk.calls.made


# ---- private messages


def test_private_messages_use_the_response_url_while_it_lives(desk: Desk) -> None:
    """Then, and where it is used up, they are ephemeral messages."""
    ticket = desk.slack.tickets.response(REQUESTER, PLATFORM)
    request = desk.request(reply_to=f"{desk.slack.url}/response/{ticket}")
    for n in range(7):
        request = desk.say(request, f"#{n}", audience=Audience.REQUESTER)
    desk.deliver()

    assert texts(desk.private()) == [f"#{n}" for n in range(7)]
    assert desk.calls.made["chat.postEphemeral"] == 2

    desk.say(request, "#late", audience=Audience.REQUESTER)
    desk.deliver(minutes=31)
    assert desk.calls.made["chat.postEphemeral"] == 3


def test_a_response_url_that_slack_does_not_know_falls_back(desk: Desk) -> None:
    """404."""
    request = desk.request(reply_to=f"{desk.slack.url}/response/unknown")
    desk.say(request, "#1", audience=Audience.REQUESTER)
    desk.deliver()

    assert texts(desk.private()) == ["#1"]


def test_who_left_the_channel_is_told_directly(desk: Desk) -> None:
    """user_not_in_channel."""
    request = desk.request()
    desk.slack.workspace.remove_member(PLATFORM, REQUESTER)
    desk.say(request, "#1", audience=Audience.REQUESTER)
    desk.deliver()

    (told,) = [m for m in desk.slack.workspace.messages if m.channel.startswith("D")]
    assert texts([told]) == ["#1"]


def test_private_messages_wait_for_slack_like_the_others(desk: Desk) -> None:
    """Nothing is lost while it is down."""
    request = desk.request()
    with desk.fault("slack-down"):
        desk.say(request, "#1", audience=Audience.REQUESTER)
        desk.deliver()
    desk.deliver(minutes=6)

    assert texts(desk.private()) == ["#1"]
