"""The Web API of the Slack stand-in, called with slack_sdk: what works, and Slack's error for what does not."""

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from sandbox.faults import Faults
from sandbox.slack.entities import Message, User
from sandbox.slack.server import FAULTS, SlackStandIn

pytestmark = pytest.mark.sandbox

PLATFORM, RANDOM, SECRET, PRIVATE = "C0PLATFORM1", "C0RANDOM001", "C0SECRETOPS", "C0OPSPRIV01"
REQUESTER, ONCALL, OUTSIDER = "U0REQUESTER", "U0ONCALL001", "U0OUTSIDER1"
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "x"}, "blocks": [SECTION]}


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def faults() -> Faults:
    return Faults([FAULTS])


@pytest.fixture
def slack(clock: Clock, faults: Faults) -> Iterator[SlackStandIn]:
    with SlackStandIn(faults, clock, slowness=0.05) as stand_in:
        yield stand_in


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")


def error_of(client: WebClient, method: str, **args: Any) -> str:
    """The error code that a call is answered with."""
    with pytest.raises(SlackApiError) as caught:
        client.api_call(method, json=args)
    return str(caught.value.response["error"])


def post_as(slack: SlackStandIn, user: str, channel: str = PLATFORM) -> str:
    """A message of a person."""
    return slack.workspace.post(Message(channel, slack.workspace.next_ts(), user, "hi")).ts


def test_auth(slack: SlackStandIn, client: WebClient) -> None:
    """auth.test names the bot; the SDK sends it with an empty JSON body."""
    answer = client.auth_test()
    assert (answer["user_id"], answer["user"], answer["team_id"]) == ("U0NLBTLSBOT", "nlbtls", "T0SANDBOX01")


@pytest.mark.parametrize(
    ("token", "method", "error"),
    [
        ("", "auth.test", "not_authed"),
        ("xoxb-wrong", "auth.test", "invalid_auth"),
        ("app", "chat.postMessage", "not_allowed_token_type"),
        ("bot", "apps.connections.open", "not_allowed_token_type"),
        ("bot", "chat.sing", "unknown_method"),
    ],
)
def test_tokens(slack: SlackStandIn, token: str, method: str, error: str) -> None:
    """Each method takes its own kind of token, and only the right one."""
    tokens = {"app": slack.app_token, "bot": slack.bot_token}
    client = WebClient(token=tokens.get(token, token), base_url=f"{slack.url}/api/")
    assert error_of(client, method) == error


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "C404", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": SECRET, "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": RANDOM, "text": "x"}, "not_in_channel"),
        ("chat.postMessage", {"channel": PLATFORM}, "no_text"),
        ("chat.postMessage", {"channel": PLATFORM, "text": "x" * 40_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": PLATFORM, "text": "x", "thread_ts": "1.1"}, "thread_not_found"),
        ("chat.postMessage", {"channel": PLATFORM, "blocks": "[{"}, "invalid_blocks_format"),
        ("chat.postMessage", {"channel": PLATFORM, "blocks": {"type": "divider"}}, "invalid_blocks_format"),
        ("chat.postMessage", {"channel": PLATFORM, "blocks": [{"type": "nope"}]}, "invalid_blocks"),
        ("chat.postMessage", {"channel": PLATFORM, "text": "x", "metadata": {"x": 1}}, "invalid_metadata_format"),
        ("chat.postEphemeral", {"channel": RANDOM, "user": REQUESTER, "text": "x"}, "not_in_channel"),
        ("chat.postEphemeral", {"channel": PRIVATE, "user": OUTSIDER, "text": "x"}, "user_not_in_channel"),
        ("chat.update", {"channel": PLATFORM, "ts": "1.1", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": PLATFORM, "ts": "1.1"}, "message_not_found"),
        ("chat.getPermalink", {"channel": PLATFORM, "message_ts": "1.1"}, "message_not_found"),
        ("reactions.add", {"channel": PLATFORM, "timestamp": "1.1", "name": "eyes"}, "message_not_found"),
        ("conversations.info", {"channel": SECRET}, "channel_not_found"),
        ("conversations.history", {"channel": RANDOM}, "not_in_channel"),
        ("conversations.history", {"channel": PLATFORM, "limit": 1000}, "invalid_limit"),
        ("conversations.history", {"channel": PLATFORM, "cursor": "zzz"}, "invalid_cursor"),
        ("conversations.replies", {"channel": PLATFORM, "ts": "1.1"}, "thread_not_found"),
        ("conversations.members", {"channel": SECRET}, "channel_not_found"),
        ("conversations.list", {"types": "channels"}, "invalid_types"),
        ("conversations.open", {"users": "U404"}, "user_not_found"),
        ("users.info", {"user": "U404"}, "user_not_found"),
        ("users.lookupByEmail", {"email": "nobody@sandbox.test"}, "users_not_found"),
        ("usergroups.users.list", {"usergroup": "S404"}, "no_such_subteam"),
        ("views.open", {"view": MODAL, "trigger_id": "1.2.3"}, "invalid_trigger_id"),
        ("views.update", {"view": MODAL, "view_id": "V404"}, "not_found"),
        ("views.publish", {"view": {"type": "home", "blocks": []}, "user_id": "U404"}, "user_not_found"),
        ("views.publish", {"view": MODAL, "user_id": REQUESTER}, "invalid_arguments"),
    ],
)  # fmt: skip
def test_errors(client: WebClient, method: str, args: dict[str, Any], error: str) -> None:
    """What Slack refuses is refused with Slack's code."""
    assert error_of(client, method, **args) == error


def test_invalid_blocks_point_at_the_fault(client: WebClient) -> None:
    """invalid_blocks says where, as JSON pointers, in both places where clients look."""
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel=PLATFORM, blocks=[SECTION, {"type": "divider", "x": 1}], text="x")
    answer = caught.value.response
    assert answer["errors"] == ["invalid additional property: x [json-pointer:/blocks/1]"]
    assert answer["response_metadata"]["messages"] == [f"[ERROR] {answer['errors'][0]}"]


def test_forms_and_json_are_the_same(slack: SlackStandIn, client: WebClient) -> None:
    """Structures come as JSON or as JSON strings in a form; the token as a header or an argument."""
    blocks = json.dumps([SECTION])
    as_form = client.api_call("chat.postMessage", params={"channel": PLATFORM, "blocks": blocks})
    as_json = client.api_call("chat.postMessage", json={"channel": PLATFORM, "blocks": [SECTION]})
    assert as_form["message"]["blocks"][0]["text"] == as_json["message"]["blocks"][0]["text"]
    connection = HTTPConnection(urlsplit(slack.url).netloc)
    connection.request("POST", f"/api/auth.test?token={slack.bot_token}")
    assert json.loads(connection.getresponse().read())["ok"]
    connection.close()


def test_post_edit_delete(client: WebClient) -> None:
    """A message is posted, edited in place and deleted; what an edit does not send stays."""
    metadata = {"event_type": "outbox", "event_payload": {"row": "7"}}
    posted = client.chat_postMessage(channel="#platform", text="x", blocks=[SECTION], metadata=metadata)
    assert posted["message"]["blocks"][0]["block_id"]
    client.chat_update(channel=PLATFORM, ts=posted["ts"], text="y")
    (kept,) = client.conversations_history(channel=PLATFORM, include_all_metadata=True)["messages"]
    assert (kept["text"], kept["blocks"][0]["type"], kept["metadata"]) == ("y", "section", metadata)
    assert "edited" in kept
    client.chat_update(channel=PLATFORM, ts=posted["ts"], text="z", blocks=[])
    (kept,) = client.conversations_history(channel=PLATFORM)["messages"]
    assert kept["text"] == "z"
    assert "blocks" not in kept
    assert "metadata" not in kept
    client.chat_delete(channel=PLATFORM, ts=posted["ts"])
    assert client.conversations_history(channel=PLATFORM)["messages"] == []
    assert error_of(client, "chat.update", channel=PLATFORM, ts=posted["ts"], text="y") == "message_not_found"


def test_edits_have_limits(slack: SlackStandIn, client: WebClient) -> None:
    """Others' messages, archived channels, long texts and closed edit windows cannot be edited."""
    theirs = post_as(slack, REQUESTER)
    assert error_of(client, "chat.update", channel=PLATFORM, ts=theirs, text="x") == "cant_update_message"
    assert error_of(client, "chat.delete", channel=PLATFORM, ts=theirs) == "cant_delete_message"
    ours = client.chat_postMessage(channel=PLATFORM, text="x")["ts"]
    assert error_of(client, "chat.update", channel=PLATFORM, ts=ours, text="x" * 4001) == "msg_too_long"
    assert error_of(client, "chat.update", channel=PLATFORM, ts=ours) == "no_text"
    slack.workspace.archive(PLATFORM)
    assert error_of(client, "chat.update", channel=PLATFORM, ts=ours, text="y") == "is_inactive"
    assert error_of(client, "chat.postMessage", channel=PLATFORM, text="y") == "is_archived"


def test_threads(client: WebClient) -> None:
    """Replies are in the thread and not in the channel, unless broadcast; a reply to a reply goes to its thread."""
    root = client.chat_postMessage(channel=PLATFORM, text="root")["ts"]
    reply = client.chat_postMessage(channel=PLATFORM, text="reply", thread_ts=root)["ts"]
    loud = client.chat_postMessage(channel=PLATFORM, text="loud", thread_ts=reply, reply_broadcast=True)
    assert loud["message"]["thread_ts"] == root
    assert [m["text"] for m in client.conversations_history(channel=PLATFORM)["messages"]] == ["loud", "root"]
    thread = client.conversations_replies(channel=PLATFORM, ts=root)["messages"]
    assert [m["text"] for m in thread] == ["root", "reply", "loud"]
    assert (thread[0]["reply_count"], thread[0]["latest_reply"]) == (2, loud["ts"])
    client.chat_delete(channel=PLATFORM, ts=root)
    assert client.conversations_history(channel=PLATFORM)["messages"][1]["subtype"] == "tombstone"
    assert client.chat_postMessage(channel=PLATFORM, text="on", thread_ts=root)["ok"]


def test_history_pages_and_windows(client: WebClient) -> None:
    """Newest first, by pages; oldest and latest leave out their own ends."""
    sent = [client.chat_postMessage(channel=PLATFORM, text=str(i))["ts"] for i in range(5)]
    assert sent == sorted(set(sent), key=float)
    first = client.conversations_history(channel=PLATFORM, limit=3)
    assert [m["text"] for m in first["messages"]] == ["4", "3", "2"]
    cursor = first["response_metadata"]["next_cursor"]
    rest = client.conversations_history(channel=PLATFORM, limit=3, cursor=cursor)
    assert ([m["text"] for m in rest["messages"]], rest["has_more"]) == (["1", "0"], False)
    window = client.conversations_history(channel=PLATFORM, oldest=sent[1], latest=sent[3])
    assert [m["text"] for m in window["messages"]] == ["2"]


def test_ephemeral(slack: SlackStandIn, client: WebClient) -> None:
    """Only the one sees it, no history has it, nothing edits it; in a thread it needs somebody's answer first."""
    client.chat_postEphemeral(channel=PLATFORM, user=REQUESTER, text="psst")
    assert [m.text for m in slack.workspace.visible_to(REQUESTER, PLATFORM)] == ["psst"]
    assert slack.workspace.visible_to(ONCALL, PLATFORM) == []
    assert client.conversations_history(channel=PLATFORM)["messages"] == []
    root = client.chat_postMessage(channel=PLATFORM, text="root")["ts"]
    lost = client.chat_postEphemeral(channel=PLATFORM, user=REQUESTER, text="lost", thread_ts=root)["message_ts"]
    assert error_of(client, "chat.update", channel=PLATFORM, ts=lost, text="x") == "message_not_found"
    client.chat_postMessage(channel=PLATFORM, text="reply", thread_ts=root)
    client.chat_postEphemeral(channel=PLATFORM, user=REQUESTER, text="seen", thread_ts=root)
    assert [m.text for m in slack.workspace.visible_to(REQUESTER, PLATFORM)] == ["psst", "root", "reply", "seen"]


def test_permalinks_and_reactions(client: WebClient) -> None:
    """A permalink names channel and ts; a reaction counts once."""
    ts = client.chat_postMessage(channel=PLATFORM, text="x")["ts"]
    link = client.chat_getPermalink(channel=PLATFORM, message_ts=ts)["permalink"]
    assert link == f"https://sandbox.slack.test/archives/{PLATFORM}/p{ts.replace('.', '')}"
    client.reactions_add(channel=PLATFORM, timestamp=ts, name="eyes")
    assert error_of(client, "reactions.add", channel=PLATFORM, timestamp=ts, name="eyes") == "already_reacted"


def test_directory(slack: SlackStandIn, client: WebClient) -> None:
    """Channels, people and user groups, as far as the bot may see them."""
    assert not client.conversations_info(channel=RANDOM)["channel"]["is_member"]
    assert client.conversations_info(channel=PRIVATE)["channel"]["is_private"]
    listed = client.conversations_list(types="public_channel,private_channel")["channels"]
    assert {channel["name"] for channel in listed} == {"platform", "random", "ops-private"}
    assert REQUESTER in client.conversations_members(channel=PLATFORM)["members"]
    slack.workspace.add_user(User("U0GUEST0001", "guest", "Gil Guest", is_restricted=True))
    assert client.users_info(user="U0GUEST0001")["user"]["is_restricted"]
    assert client.users_lookupByEmail(email="oncall@sandbox.test")["user"]["id"] == ONCALL
    assert "U0NLBTLSBOT" in {member["id"] for member in client.users_list()["members"]}
    (group,) = client.usergroups_list()["usergroups"]
    assert (group["handle"], client.usergroups_users_list(usergroup=group["id"])["users"]) == ("oncall", [ONCALL])
    slack.workspace.users[ONCALL].deleted = True
    assert client.usergroups_users_list(usergroup=group["id"])["users"] == []


def test_direct_messages(slack: SlackStandIn, client: WebClient) -> None:
    """A direct message is opened once, posting to a person's id uses it, and nobody else sees it."""
    channel = client.conversations_open(users=REQUESTER)["channel"]["id"]
    assert client.conversations_open(users=[REQUESTER])["channel"]["id"] == channel
    assert client.chat_postMessage(channel=REQUESTER, text="x")["channel"] == channel
    assert slack.workspace.visible_to(OUTSIDER, channel) == []


def test_trigger_ids_lapse(slack: SlackStandIn, client: WebClient, clock: Clock) -> None:
    """A trigger id opens one modal, within three seconds."""
    trigger = slack.tickets.trigger(REQUESTER)
    view = client.views_open(trigger_id=trigger, view=MODAL)["view"]
    assert error_of(client, "views.open", trigger_id=trigger, view=MODAL) == "exchanged_trigger_id"
    late = slack.tickets.trigger(REQUESTER)
    clock.now += 3.1
    assert error_of(client, "views.open", trigger_id=late, view=MODAL) == "expired_trigger_id"
    top = slack.workspace.views.top(REQUESTER)
    assert top is not None
    assert top.id == view["id"]


def test_views(slack: SlackStandIn, client: WebClient) -> None:
    """Modals lie three deep, an old hash is refused, Home views are published per person."""
    view = client.views_open(trigger_id=slack.tickets.trigger(REQUESTER), view=MODAL)["view"]
    newer = client.views_update(view_id=view["id"], hash=view["hash"], view=MODAL)["view"]
    assert newer["hash"] != view["hash"]
    assert error_of(client, "views.update", view_id=view["id"], hash=view["hash"], view=MODAL) == "hash_conflict"
    for _ in range(2):
        client.views_push(trigger_id=slack.tickets.trigger(REQUESTER), view=MODAL)
    trigger = slack.tickets.trigger(REQUESTER)
    assert error_of(client, "views.push", trigger_id=trigger, view=MODAL) == "push_limit_reached"
    long = {**MODAL, "blocks": [{**SECTION, "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 100}
    assert error_of(client, "views.update", view_id=view["id"], view=long) == "view_too_large"
    home = client.views_publish(user_id=REQUESTER, view={"type": "home", "blocks": [SECTION]})["view"]
    again = client.views_publish(user_id=REQUESTER, view={"type": "home", "blocks": []})["view"]
    assert (again["id"], again["blocks"]) == (home["id"], [])


def test_files(slack: SlackStandIn, client: WebClient) -> None:
    """The SDK's upload in three steps ends in a message in the thread."""
    root = client.chat_postMessage(channel=PLATFORM, text="root")["ts"]
    client.files_upload_v2(
        content="a: 1\n", filename="plan.yaml", channel=PLATFORM, thread_ts=root, initial_comment="Plan"
    )
    (reply,) = slack.workspace.replies(PLATFORM, root)
    assert (reply.text, reply.files[0]["name"], reply.files[0]["size"]) == ("Plan", "plan.yaml", 5)
    assert slack.workspace.files[reply.files[0]["id"]]["content"] == b"a: 1\n"


def test_response_urls_lapse(slack: SlackStandIn, clock: Clock) -> None:
    """Five uses in thirty minutes, wherever the person was; then Slack's own words."""
    webhook = WebhookClient(f"{slack.url}/response/{slack.tickets.response(REQUESTER, SECRET)}")
    answers = [webhook.send(text=f"{i}", response_type="ephemeral").status_code for i in range(6)]
    assert answers == [200] * 5 + [404]
    assert [m.text for m in slack.workspace.visible_to(REQUESTER, SECRET)] == list("01234")
    late = WebhookClient(f"{slack.url}/response/{slack.tickets.response(REQUESTER, SECRET)}")
    clock.now += 30 * 60 + 1
    assert "expired_url" in late.send(text="x").body


def test_response_urls_replace_and_delete(slack: SlackStandIn) -> None:
    """From a click, the message clicked on can be replaced or deleted, or a new one posted."""
    ts = post_as(slack, REQUESTER)
    webhook = WebhookClient(f"{slack.url}/response/{slack.tickets.response(REQUESTER, PLATFORM, ts)}")
    webhook.send(text="new", response_type="in_channel", replace_original=False)
    webhook.send(text="changed", replace_original=True)
    assert [m.text for m in slack.workspace.visible_to(OUTSIDER, PLATFORM)] == ["changed", "new"]
    webhook.send(delete_original=True)
    assert [m.text for m in slack.workspace.visible_to(OUTSIDER, PLATFORM)] == ["new"]
    refused = webhook.send(blocks=[{"type": "nope"}])
    assert (refused.status_code, "invalid_blocks" in refused.body) == (400, True)


def test_scopes(faults: Faults) -> None:
    """With the scopes of a manifest, a method that needs another one says which."""
    with SlackStandIn(faults, scopes=["chat:write", "channels:history"]) as slack:
        client = WebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")
        client.chat_postMessage(channel=PLATFORM, text="x")
        client.conversations_history(channel=PLATFORM)
        with pytest.raises(SlackApiError) as caught:
            client.conversations_history(channel=PRIVATE)
        assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", "groups:history")


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("slack-rate-limited", 429, "ratelimited"),
        ("slack-down", 503, None),
        ("slack-answer-lost", 500, None),
        ("slack-edit-window-closed", 200, None),
    ],
)
def test_faults_while_posting(
    slack: SlackStandIn, client: WebClient, faults: Faults, fault: str, status: int, error: str | None
) -> None:
    """Each fault strikes chat.postMessage as it says; a lost answer still leaves the message."""
    faults.switch(fault, on=True)
    connection = HTTPConnection(urlsplit(slack.url).netloc)
    headers = {"Authorization": f"Bearer {slack.bot_token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/chat.postMessage", json.dumps({"channel": PLATFORM, "text": "x"}), headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == status
    assert error is None or (json.loads(body)["error"], response.headers["Retry-After"]) == (error, "1")
    faults.switch(fault, on=False)
    posted = len(client.conversations_history(channel=PLATFORM)["messages"])
    assert posted == (0 if status in (429, 503) else 1)


def test_faults_of_single_methods(slack: SlackStandIn, client: WebClient, faults: Faults) -> None:
    """A closed edit window refuses edits, failing user groups refuse only those."""
    ts = client.chat_postMessage(channel=PLATFORM, text="x")["ts"]
    faults.switch("slack-edit-window-closed", on=True)
    assert error_of(client, "chat.update", channel=PLATFORM, ts=ts, text="y") == "edit_window_closed"
    faults.switch("slack-user-groups-fail", on=True)
    assert error_of(client, "usergroups.list") == "internal_error"
    assert client.users_list()["ok"]


def test_slowness(slack: SlackStandIn, client: WebClient, faults: Faults) -> None:
    """A slow Slack takes its time over every call, and answers as ever."""
    client.auth_test()
    faults.switch("slack-slow", on=True)
    began = time.monotonic()
    assert client.auth_test()["ok"]
    assert time.monotonic() - began >= 0.05
