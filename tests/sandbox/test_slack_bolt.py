"""The Slack stand-in driven by a real app: slack-bolt's App and SocketModeHandler, with only base_url set."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from slack_bolt import Ack, App, Respond
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from sandbox.faults import Faults
from sandbox.slack.person import NotPossibleError, Person, SeenMessage
from sandbox.slack.server import FAULTS, SlackStandIn

pytestmark = pytest.mark.sandbox

Json = dict[str, Any]
PLATFORM = "#platform"


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def button(action_id: str, label: str, **more: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain(label), "value": "r-1", **more}


CONFIRM = {"title": plain("Sure?"), "text": plain("app.example.com"), "confirm": plain("Yes"), "deny": plain("No")}
SERVICES: list[Json] = [{"text": plain("web"), "value": "demo/web"}, {"text": plain("api"), "value": "demo/api"}]
CARD: list[Json] = [
    {"type": "header", "text": plain("TLS for app.example.com")},
    {
        "type": "actions",
        "elements": [
            button("approve", "✅ Approve", confirm=CONFIRM),
            {"type": "static_select", "action_id": "service", "placeholder": plain("Service"), "options": SERVICES},
            {"type": "overflow", "action_id": "more", "options": [{"text": plain("Cancel…"), "value": "cancel"}]},
        ],
    },
]
FORM: Json = {
    "type": "modal",
    "callback_id": "form",
    "title": plain("New name"),
    "submit": plain("Plan"),
    "notify_on_close": True,
    "private_metadata": "r-1",
    "blocks": [
        {"type": "input", "block_id": "host", "label": plain("Host"),
         "element": {"type": "plain_text_input", "action_id": "h"}},
        {"type": "input", "block_id": "svc", "label": plain("Service"), "optional": True,
         "element": {"type": "external_select", "action_id": "s", "min_query_length": 0}},
        {"type": "actions", "block_id": "acts", "elements": [button("inside", "Check")]},
    ],
}  # fmt: skip


def just_ack(ack: Ack, **_: Any) -> None:
    """What the app does unless a test says otherwise."""
    ack()


class Bot:
    """What the app was sent, and how it answers: set `on[...]` in a test."""

    def __init__(self, app: App) -> None:
        self.got: list[tuple[str, Json]] = []
        self.on: dict[str, Callable[..., None]] = {}
        every: dict[str, Callable[..., Any]] = {"command": app.command("/nlbtls"), "shortcut": app.shortcut("new")}
        every |= {"mention": app.event("app_mention")}
        every |= {"home": app.event("app_home_opened"), "group": app.event("subteam_members_changed")}
        every |= {name: app.action(name) for name in ("approve", "service", "more", "inside")}
        every |= {"submit": app.view("form"), "close": app.view_closed("form"), "options": app.options("s")}
        for name, register in every.items():
            register(self._listener(name))

    def _listener(self, name: str) -> Callable[..., None]:
        def listener(ack: Ack, body: Json, client: WebClient, respond: Respond) -> None:
            self.got.append((name, body))
            answer: Callable[..., None] = self.on.get(name, just_ack)
            answer(ack=ack, body=body, client=client, respond=respond)

        return listener

    def bodies(self, name: str) -> list[Json]:
        """All payloads of one kind."""
        return [body for kind, body in self.got if kind == name]


@contextmanager
def connected(slack: SlackStandIn) -> Iterator[Bot]:
    """A bolt app on a socket of the stand-in."""
    client = WebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")
    app = App(client=client)
    bot = Bot(app)
    handler = SocketModeHandler(app, slack.app_token, ping_interval=0.2)
    handler.connect()  # type: ignore[no-untyped-call]
    Person(slack.url, "requester").wait_for(lambda: slack.connections)
    try:
        yield bot
    finally:
        handler.client.auto_reconnect_enabled = False
        slack.stop()  # first: bolt's close waits for its receiver, which an ended socket sets free
        handler.close()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults([FAULTS])


@pytest.fixture(scope="module")
def connected_bot(faults: Faults) -> Iterator[tuple[SlackStandIn, Bot]]:
    """One app for all tests of this module: bolt takes a second to close."""
    with SlackStandIn(faults, fault_seconds=0.05) as slack, connected(slack) as bot:
        yield slack, bot


@pytest.fixture
def slack(connected_bot: tuple[SlackStandIn, Bot]) -> SlackStandIn:
    """The stand-in, with nothing said yet and the app only where it was at first."""
    slack, _ = connected_bot
    slack.workspace.messages.clear()
    slack.workspace.views.clear("U0REQUESTER")
    slack.workspace.remove_member("C0RANDOM001", "U0NLBTLSBOT")
    return slack


@pytest.fixture
def bot(slack: SlackStandIn, connected_bot: tuple[SlackStandIn, Bot]) -> Bot:
    _, bot = connected_bot
    bot.got.clear()
    bot.on.clear()
    return bot


@pytest.fixture
def requester(slack: SlackStandIn) -> Person:
    return Person(f"{slack.url}/api/", "requester")


@pytest.fixture
def oncall(slack: SlackStandIn) -> Person:
    return Person(slack.url, "oncall")


def post_card(ack: Ack, body: Json, client: WebClient, **_: Any) -> None:
    """Ack the command with a sentence, then post the card."""
    ack("Planning app.example.com.")
    client.chat_postMessage(channel=body["channel_id"], text="TLS for app.example.com", blocks=CARD)


def then_respond(**body: Any) -> Callable[..., None]:
    """Ack, then use the response URL."""

    def listener(ack: Ack, respond: Respond, **_: Any) -> None:
        ack()
        respond(**body)

    return listener


def too_late(ack: Ack, **_: Any) -> None:
    """Ack after the limit of test_three_seconds."""
    time.sleep(0.5)
    ack("too late")


def with_buttons(person: Person, channel: str = PLATFORM) -> SeenMessage:
    """The card, as soon as the person sees it."""
    return person.wait_for(lambda: next((m for m in person.messages(channel) if m.buttons), None))


def test_command_card_click_update(bot: Bot, requester: Person, oncall: Person) -> None:
    """A command is acked with a text for its author; the card comes for all; a click changes it in place."""
    bot.on["command"] = post_card
    seen = requester.command(PLATFORM, "/nlbtls create app.example.com")
    assert (seen.text, seen.problem) == ("Planning app.example.com.", "")
    card = with_buttons(oncall)
    assert (card.author, card.buttons) == ("nlbtls", ["✅ Approve", "Cancel…"])
    assert [m.text for m in oncall.messages(PLATFORM)] == [card.text]
    assert card.text.startswith("TLS for app.example.com\n[✅ Approve]")

    def approve(ack: Ack, body: Json, client: WebClient, **_: Any) -> None:
        ack()
        name = body["user"]["id"]
        client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text=f"By <@{name}>", blocks=[])

    bot.on["approve"] = approve
    assert oncall.click(card.ts, "approve").problem == ""
    changed = requester.wait_for(lambda: next((m for m in requester.messages(PLATFORM) if m.edited), None))
    assert (changed.ts, changed.text, changed.buttons) == (card.ts, "By @oncall", [])


def test_payload_of_a_command(bot: Bot, requester: Person) -> None:
    """A command carries what Slack sends; private channels and direct messages hide their names."""
    for channel in (PLATFORM, "#secret-ops", "@oncall", "@nlbtls"):
        requester.command(channel, "/nlbtls  status x ")
    bodies = bot.bodies("command")
    assert [b["channel_name"] for b in bodies] == ["platform", "privategroup", "directmessage", "directmessage"]
    assert bodies[0] | {"trigger_id": "", "response_url": "", "token": ""} == {
        "token": "",
        "team_id": "T0SANDBOX01",
        "team_domain": "sandbox",
        "channel_id": "C0PLATFORM1",
        "channel_name": "platform",
        "user_id": "U0REQUESTER",
        "user_name": "requester",
        "command": "/nlbtls",
        "text": "status x",
        "api_app_id": "A0NLBTLSAPP",
        "is_enterprise_install": "false",
        "response_url": "",
        "trigger_id": "",
    }


def test_payload_of_a_click(bot: Bot, requester: Person, oncall: Person) -> None:
    """A click names person, place, message, state and action; a choice made before is in its state."""
    bot.on["command"] = post_card
    requester.command(PLATFORM, "/nlbtls")
    card = with_buttons(oncall)
    oncall.select(card.ts, "Service", "web")
    oncall.click(card.ts, "approve")
    (chosen,), (clicked,) = bot.bodies("service"), bot.bodies("approve")
    assert chosen["actions"][0]["selected_option"]["value"] == "demo/web"
    actions_block = card.raw["blocks"][1]["block_id"]
    assert clicked["state"]["values"][actions_block]["service"]["selected_option"]["value"] == "demo/web"
    assert clicked["container"] == {
        "type": "message",
        "message_ts": card.ts,
        "channel_id": "C0PLATFORM1",
        "is_ephemeral": False,
    }
    action = clicked["actions"][0]
    assert (action["action_id"], action["block_id"], action["value"]) == ("approve", actions_block, "r-1")
    assert (clicked["user"]["id"], clicked["message"]["ts"]) == ("U0ONCALL001", card.ts)
    assert clicked["trigger_id"]
    assert "/response/" in clicked["response_url"]


def test_menus_and_confirm_dialogs(bot: Bot, requester: Person) -> None:
    """An entry of an overflow menu is named by its label; who says no to a confirm dialog sends nothing."""
    bot.on["command"] = post_card
    requester.command(PLATFORM, "/nlbtls")
    card = with_buttons(requester)
    requester.click(card.ts, "approve", confirm=False)
    requester.click(card.ts, "Cancel")
    assert [kind for kind, _ in bot.got] == ["command", "more"]
    assert bot.bodies("more")[0]["actions"][0]["selected_option"]["value"] == "cancel"


def test_three_seconds() -> None:
    """Without an ack in time (0.3 s here) the person sees operation_timeout, even if one comes later."""
    with SlackStandIn(Faults([FAULTS]), ack_seconds=0.3) as slack, connected(slack) as bot:
        requester = Person(slack.url, "requester")
        bot.on |= {"command": too_late, "approve": too_late}
        seen = requester.command(PLATFORM, "/nlbtls create x")
        assert (seen.text, seen.problem) == ('/nlbtls failed with the error "operation_timeout"', "operation_timeout")
        assert [(m.author, m.ephemeral) for m in requester.messages(PLATFORM)] == [("slackbot", True)]
        client = WebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")
        card = client.chat_postMessage(channel="C0PLATFORM1", text="card", blocks=CARD)["ts"]
        assert requester.click(card, "approve").problem == "operation_timeout"


def test_what_slack_does_not_let_people_do(slack: SlackStandIn, requester: Person) -> None:
    """Slash commands do not work in threads, other commands are not known, and one must be in the channel."""
    ts = requester.say(PLATFORM, "hello")
    assert requester.command(PLATFORM, "/nlbtls status", thread_ts=ts).problem == "not_in_threads"
    assert requester.command(PLATFORM, "/deploy").problem == "not_a_command"
    with pytest.raises(NotPossibleError, match="outsider is not in #ops-private"):
        Person(slack.url, "outsider").command("#ops-private", "/nlbtls")
    with pytest.raises(NotPossibleError, match="sees no message"):
        requester.click(None, "approve")
    with pytest.raises(NotPossibleError, match="no person 'nobody'"):
        Person(slack.url, "nobody").say(PLATFORM, "x")
    assert Person(slack.url, "outsider").messages("#ops-private") == []


def test_blocks_in_an_ack_are_checked(bot: Bot, requester: Person) -> None:
    """An ack that Slack would not show fails; one in_channel is seen by all, an empty one by nobody."""
    bot.on["command"] = lambda ack, **_: ack(text="x", blocks=[{"type": "nope"}])
    assert requester.command(PLATFORM, "/nlbtls").problem == "invalid_command_response"
    bot.on["command"] = lambda ack, **_: ack(text="for all", response_type="in_channel")
    requester.command(PLATFORM, "/nlbtls")
    bot.on["command"] = lambda ack, **_: ack()
    assert requester.command(PLATFORM, "/nlbtls").text == ""
    assert [m.text for m in requester.messages(PLATFORM) if not m.ephemeral] == ["for all"]


def test_response_url(slack: SlackStandIn, bot: Bot, requester: Person, oncall: Person) -> None:
    """respond() reaches the author even where the bot is not, and can be made public or replace a message."""

    def answer(ack: Ack, respond: Respond, **_: Any) -> None:
        ack()
        respond("Invite me: /invite @nlbtls")
        respond("public", response_type="in_channel")

    bot.on["command"] = answer
    requester.command("#random", "/nlbtls status")
    requester.wait_for(lambda: len(requester.messages("#random")) == 2)
    assert [m.text for m in oncall.messages("#random")] == ["public"]
    requester.invite("#random")
    bot.on["command"] = post_card
    requester.command("#random", "/nlbtls")
    bot.on["approve"] = then_respond(text="gone", replace_original=True)
    card = with_buttons(oncall, "#random")
    oncall.click(card.ts, "approve", "#random")
    assert (
        oncall.wait_for(lambda: next((m for m in oncall.messages("#random") if m.text == "gone"), None)).ts == card.ts
    )


def test_ephemeral_buttons(bot: Bot, requester: Person, oncall: Person) -> None:
    """An ephemeral message can be clicked by its reader; its payload has no message, its response URL can delete it."""

    def ask(ack: Ack, body: Json, client: WebClient, **_: Any) -> None:
        ack()
        client.chat_postEphemeral(channel=body["channel_id"], user=body["user_id"], text="which?", blocks=CARD)

    bot.on["command"] = ask
    requester.command(PLATFORM, "/nlbtls")
    card = with_buttons(requester)
    with pytest.raises(NotPossibleError):
        oncall.click(card.ts, "approve")
    bot.on["approve"] = then_respond(delete_original=True)
    requester.click(card.ts, "approve")
    requester.wait_for(lambda: not requester.messages(PLATFORM))
    body = bot.bodies("approve")[0]
    assert body["container"]["is_ephemeral"]
    assert "message" not in body


def open_form(ack: Ack, body: Json, client: WebClient, **_: Any) -> None:
    """Ack, then open the form."""
    ack()
    client.views_open(trigger_id=body["trigger_id"], view=FORM)


def test_modal(bot: Bot, requester: Person) -> None:
    """A form is held back by the client, refused by the app at a field, then taken; its values arrive."""
    bot.on["command"] = open_form
    bot.on["options"] = lambda ack, **_: ack(options=SERVICES)
    requester.command(PLATFORM, "/nlbtls create")
    requester.wait_for(requester.modal)
    assert requester.submit_view().errors == {"host": "Please complete this required field."}
    bot.on["submit"] = lambda ack, **_: ack(response_action="errors", errors={"host": "not a host name"})
    assert requester.submit_view(host="app", Service="web").errors == {"host": "not a host name"}
    bot.on["submit"] = lambda ack, **_: ack()
    assert requester.submit_view({"host": "app.example.com"}).errors == {}
    assert requester.modal() is None
    first, second = bot.bodies("submit")
    values = second["view"]["state"]["values"]
    assert values["host"]["h"] == {"type": "plain_text_input", "value": "app.example.com"}
    assert values["svc"]["s"]["selected_option"]["value"] == "demo/web"
    assert first["trigger_id"] != second["trigger_id"]
    assert (first["view"]["id"], first["view"]["hash"]) == (second["view"]["id"], second["view"]["hash"])
    assert bot.bodies("options")[0]["value"] == "web"


def test_modal_answers(bot: Bot, requester: Person) -> None:
    """An ack can update, push or clear; wrong answers are refused; buttons inside send view_id; closing is told."""
    bot.on["command"] = open_form
    requester.command(PLATFORM, "/nlbtls create")
    form = requester.wait_for(requester.modal)
    requester.click_view("inside")
    assert bot.bodies("inside")[0]["container"] == {"type": "view", "view_id": form["id"]}
    bot.on["submit"] = lambda ack, **_: ack(response_action="errors", errors={"acts": "x"})
    assert requester.submit_view(host="a").problem.startswith("invalid_errors")
    bot.on["submit"] = lambda ack, **_: ack(response_action="update", view={**FORM, "title": plain("Again")})
    requester.submit_view(host="a")
    assert (requester.modal() or {})["title"]["text"] == "Again"
    bot.on["submit"] = lambda ack, **_: ack(response_action="push", view={**FORM, "title": plain("On top")})
    requester.submit_view(host="a")
    assert (requester.modal() or {})["previous_view_id"] == form["id"]
    requester.close_view()
    assert (requester.modal() or {})["title"]["text"] == "Again"
    assert bot.bodies("close")[0]["is_cleared"] is False
    bot.on["submit"] = lambda ack, **_: ack(response_action="clear")
    requester.submit_view(host="a")
    assert requester.modal() is None


def test_home_and_shortcut(bot: Bot, oncall: Person) -> None:
    """Opening the Home tab lets the app publish, buttons there work; a shortcut brings a trigger id."""

    def publish(ack: Ack, body: Json, client: WebClient, **_: Any) -> None:
        blocks = [{"type": "actions", "elements": [button("approve", "Approve")]}]
        client.views_publish(user_id=body["event"]["user"], view={"type": "home", "blocks": blocks})

    bot.on["home"] = publish
    oncall.open_home()
    oncall.wait_for(oncall.home)
    oncall.click_view("Approve", where="home")
    assert bot.bodies("approve")[0]["view"]["type"] == "home"
    bot.on["shortcut"] = open_form
    oncall.shortcut("new")
    assert oncall.wait_for(oncall.modal)["callback_id"] == "form"


def test_mentions(bot: Bot, requester: Person) -> None:
    """A mention reaches the app where it is, with its thread and Slack's links in the text; elsewhere it does not."""
    requester.mention("#random", "status")
    root = requester.say(PLATFORM, "hello")
    requester.mention(PLATFORM, "create app.example.com & <b>", thread_ts=root)
    (body,) = requester.wait_for(lambda: bot.bodies("mention"))
    event = body["event"]
    assert event["text"] == "<@U0NLBTLSBOT> create <http://app.example.com|app.example.com> &amp; &lt;b&gt;"
    assert (event["thread_ts"], event["user"], event["channel"]) == (root, "U0REQUESTER", "C0PLATFORM1")
    assert requester.thread(PLATFORM, root)[1].text == "@nlbtls create app.example.com & <b>"


def test_user_group_changes(slack: SlackStandIn, bot: Bot, requester: Person) -> None:
    """Whoever changes a user group, the app hears who came and who went."""
    slack.workspace.set_group_users("S0ONCALL001", ["U0OUTSIDER1"])
    (body,) = requester.wait_for(lambda: bot.bodies("group"))
    event = body["event"]
    assert (event["added_users"], event["removed_users"]) == (["U0OUTSIDER1"], ["U0ONCALL001"])


def test_nobody_there_at_first() -> None:
    """With no app connected a command fails with dispatch_failed, an event is sent again until somebody takes it."""
    with SlackStandIn(Faults([FAULTS]), retry_delays=(0.0, *[0.2] * 20)) as slack:
        requester = Person(slack.url, "requester")
        assert requester.command(PLATFORM, "/nlbtls").problem == "dispatch_failed"
        requester.mention(PLATFORM, "status")
        with connected(slack) as bot:
            (body,) = requester.wait_for(lambda: bot.bodies("mention"))
            assert body["event"]["text"] == "<@U0NLBTLSBOT> status"


def test_repeated_events(faults: Faults, slack: SlackStandIn, bot: Bot, requester: Person) -> None:
    """The fault delivers every event three times, under one event_id."""
    faults.switch("slack-events-repeated", on=True)
    requester.mention(PLATFORM, "status")
    faults.switch("slack-events-repeated", on=False)
    requester.wait_for(lambda: len(bot.bodies("mention")) == 3)
    assert len({body["event_id"] for body in bot.bodies("mention")}) == 1


def test_refresh(slack: SlackStandIn, bot: Bot, requester: Person) -> None:
    """Asked to reconnect, the app gets a new socket by itself; commands work on."""
    slack.refresh_sockets()
    assert slack.connections == 0  # told to go, the old socket gets nothing more
    requester.wait_for(lambda: slack.connections)
    requester.wait_for(
        lambda: requester.command(PLATFORM, "/nlbtls").problem == ""
    )  # bolt takes a moment to change over


def test_dropped_sockets(slack: SlackStandIn, bot: Bot, requester: Person, faults: Faults) -> None:
    """Sockets that end without a word are noticed, and the app comes back."""
    faults.switch("slack-disconnects", on=True)
    requester.wait_for(lambda: not slack.connections)
    faults.switch("slack-disconnects", on=False)
    requester.wait_for(lambda: slack.connections)
    requester.wait_for(lambda: requester.command(PLATFORM, "/nlbtls").problem == "")
