"""The workspace's memory and feed, and the control API over it."""

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from slack_sdk import WebClient

from sandbox.faults import Faults
from sandbox.slack.entities import Change, Message
from sandbox.slack.person import NotPossibleError, Person
from sandbox.slack.server import FAULTS, SlackStandIn
from sandbox.slack.workspace import BOT_USER, UnknownNameError, Workspace

PLATFORM, REQUESTER, OUTSIDER = "C0PLATFORM1", "U0REQUESTER", "U0OUTSIDER1"


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(lambda: 1_800_000_000.25)


def post(workspace: Workspace, text: str = "x", **more: Any) -> Message:
    return workspace.post(Message(PLATFORM, workspace.next_ts(), REQUESTER, text, **more))


def test_ts_is_unique_and_grows(workspace: Workspace) -> None:
    """Even where the clock stands still."""
    assert [workspace.next_ts() for _ in range(3)] == ["1800000000.250000", "1800000000.250001", "1800000000.250002"]


def test_feed(workspace: Workspace) -> None:
    """Every change is numbered and told to listeners, until they have had enough."""
    heard: list[Change] = []
    forget = workspace.on_change(heard.append)
    message = post(workspace)
    workspace.edit(message, text="y")
    forget()
    workspace.delete(message)
    assert [change.data["how"] for change in workspace.changes()] == ["posted", "edited", "deleted"]
    assert [change.number for change in workspace.changes(after=1)] == [2, 3]
    assert [change.number for change in heard] == [1, 2]


def test_who_sees_what(workspace: Workspace) -> None:
    """Private channels are for members; ephemeral messages for one; a deleted parent leaves a tombstone."""
    secret = workspace.channel_named("#secret-ops")
    workspace.post(Message(secret.id, workspace.next_ts(), REQUESTER, "psst"))
    assert workspace.visible_to(OUTSIDER, secret.id) == []
    parent = post(workspace, "parent")
    post(workspace, "reply", thread_ts=parent.ts)
    post(workspace, "for one", visible_to=REQUESTER)
    workspace.delete(parent)
    seen = [message.to_json()["text"] for message in workspace.visible_to(OUTSIDER, PLATFORM)]
    assert seen == ["This message was deleted.", "reply"]
    assert workspace.message(PLATFORM, parent.ts) is None


def test_names(workspace: Workspace) -> None:
    """People, channels and groups are found by id or name; `@person` is the direct message with them."""
    assert workspace.user_named("@oncall").id == workspace.user_named("U0ONCALL001").id
    assert workspace.group_named("oncall").users == ["U0ONCALL001"]
    first = workspace.channel_named("@nlbtls", asker=REQUESTER)
    assert first is workspace.channel_named("@nlbtls", asker=REQUESTER)
    assert first.members == {REQUESTER, BOT_USER}
    with pytest.raises(UnknownNameError, match="no channel 'nowhere'"):
        workspace.channel_named("#nowhere")


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(Faults([FAULTS]), ack_seconds=0.2) as stand_in:
        yield stand_in


def call(slack: SlackStandIn, path: str, body: str, content_type: str = "application/json") -> tuple[int, Any]:
    connection = HTTPConnection(urlsplit(slack.url).netloc)
    connection.request("POST", path, body, {"Content-Type": content_type})
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


@pytest.mark.sandbox
def test_admin(slack: SlackStandIn) -> None:
    """User groups, archives and memberships can be changed from outside the process."""
    assert call(slack, "/sandbox/admin/group", '{"handle": "oncall", "users": ["outsider"]}')[0] == 200
    assert slack.workspace.group_named("oncall").users == [OUTSIDER]
    call(slack, "/sandbox/admin/archive", '{"channel": "#platform"}')
    assert slack.workspace.channels[PLATFORM].is_archived
    call(slack, "/sandbox/admin/remove", '{"channel": "#platform", "who": "@nlbtls"}')
    assert BOT_USER not in slack.workspace.channels[PLATFORM].members
    assert call(slack, "/sandbox/admin/refresh", "{}")[0] == 200
    assert call(slack, "/sandbox/admin/dance", "{}")[0] == 400


@pytest.mark.sandbox
def test_bad_control_calls_get_a_sentence(slack: SlackStandIn) -> None:
    """What is missing or impossible is said; forms, which any page could send, are refused."""
    assert call(slack, "/sandbox/people/requester/say", '{"text": "x"}') == (400, {"sentence": "'channel' is missing."})
    status, answer = call(slack, "/sandbox/people/requester/fly", "{}")
    assert (status, answer["sentence"][:19]) == (400, "People cannot 'fly'")
    assert call(slack, "/sandbox/people/requester/say", "channel=x", "application/x-www-form-urlencoded")[0] == 415


@pytest.mark.sandbox
def test_people_wait_for_changes(slack: SlackStandIn) -> None:
    """wait_for returns when something happened that makes its question true, and gives up in time."""
    requester = Person(slack.url, "requester")
    timer = threading.Timer(0.1, post, (slack.workspace, "late"))
    timer.start()
    found = requester.wait_for(lambda: next((m for m in requester.messages("#platform") if m.text == "late"), None))
    timer.join()
    assert found.author == "requester"
    with pytest.raises(TimeoutError):
        requester.wait_for(lambda: None, timeout=0.05)


@pytest.mark.sandbox
def test_people_delete_and_archive(slack: SlackStandIn) -> None:
    """A deleted message is gone for all; nobody speaks in an archived channel."""
    requester = Person(slack.url, "requester")
    ts = requester.say("#platform", "<!channel> hi")
    assert requester.messages("#platform")[0].text == "<!channel> hi"
    requester.delete("#platform", ts)
    assert requester.messages("#platform") == []
    slack.workspace.archive(PLATFORM)
    with pytest.raises(NotPossibleError, match="archived"):
        requester.say("#platform", "anybody?")


@pytest.mark.sandbox
def test_connection_urls_open_one_socket(slack: SlackStandIn) -> None:
    """Used or invented, a connection URL is worth nothing."""
    client = WebClient(token=slack.app_token, base_url=f"{slack.url}/api/")
    issued = urlsplit(str(client.api_call("apps.connections.open")["url"]))
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "c2FuZGJveC1zYW5kYm94IQ=="
    statuses = []
    connections = [HTTPConnection(issued.netloc) for _ in range(3)]
    for connection, ticket in zip(connections, (issued.query, issued.query, "ticket=invented"), strict=True):
        connection.request("GET", f"/link/?{ticket}", headers=upgrade)
        statuses.append(connection.getresponse().status)
    for connection in connections:
        connection.close()
    assert statuses == [101, 404, 404]


def test_stopping_is_always_possible() -> None:
    """Before the start, and twice."""
    slack = SlackStandIn(Faults([FAULTS]))
    slack.stop()
    slack.start()
    slack.stop()
    slack.stop()
