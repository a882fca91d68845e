"""A person at Slack, for tests, the demo and the command line: a client of the stand-in's control API."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from sandbox.slack import render
from sandbox.slack.entities import Json
from sandbox.slack.inputs import elements, label

T = TypeVar("T")
CALL_SECONDS = 40.0  #: longer than the longest the server lets anyone wait

LOOK_AGAIN = 0.25  #: seconds after which wait_for asks again although nothing changed here


class NotPossibleError(Exception):
    """Slack's client would not let the person do that; says why."""


@dataclass(frozen=True)
class CommandResult:
    """What the person saw at once: a text (plain, as on a terminal) and, if it failed, Slack's word for it."""

    text: str
    problem: str = ""  #: such as operation_timeout or dispatch_failed; empty if all went well
    message: Json | None = None


@dataclass(frozen=True)
class ActionResult:
    """What came of a click, choice or submit: a problem in Slack's words, and errors at fields by block_id."""

    problem: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class SeenMessage:
    """A message as one person sees it."""

    channel: str
    ts: str
    thread_ts: str | None
    author: str
    text: str  #: plain, as on a terminal
    ephemeral: bool
    edited: bool
    raw: Json

    @property
    def buttons(self) -> list[str]:
        """The labels of what can be pressed."""
        pressable = (e for _, e in elements(self.raw.get("blocks", [])) if e["type"] in ("button", "overflow"))
        labels: list[str] = []
        for element in pressable:
            labels += [o["text"]["text"] for o in element["options"]] if "options" in element else [label(element)]
        return labels


class Person:
    """Acts and looks as one person. `base_url` is the stand-in's root (SLACK_API_URL does as well).

    Channels are named `#platform`, or `@nlbtls` for a direct message. Raises NotPossibleError for what Slack's own
    client would not allow, such as pressing a button that is not there.
    """

    def __init__(self, base_url: str, name: str) -> None:
        parts = urlsplit(base_url)
        self._host = parts.netloc
        self.name = name.removeprefix("@")

    # --- acting ---

    def command(self, channel: str, line: str, thread_ts: str | None = None) -> CommandResult:
        """Type a slash command; waits until Slack shows something, three seconds at most."""
        answer = self._do("command", channel=channel, line=line, thread_ts=thread_ts)
        seen = answer["message"]
        text = render.message(seen, self.names()) if seen else str(answer["text"])
        return CommandResult(text, answer["problem"], seen)

    def say(self, channel: str, text: str, thread_ts: str | None = None) -> str:
        """Post a message; answers its ts."""
        return str(self._do("say", channel=channel, text=text, thread_ts=thread_ts)["message"]["ts"])

    def mention(self, channel: str, text: str, thread_ts: str | None = None) -> str:
        """Post a message that begins with @nlbtls; answers its ts."""
        return self.say(channel, f"@nlbtls {text}", thread_ts)

    def click(
        self,
        message_ts: str | None,
        action: str,
        channel: str = "#platform",
        confirm: bool = True,
        seen: SeenMessage | None = None,
    ) -> ActionResult:
        """Press a button, or an entry of an overflow menu, by action_id or label.

        Without a ts, on the newest message that has it. A confirm dialog is answered with `confirm`. With `seen`, as
        the message was then: the client has not redrawn it since.
        """
        blocks = seen.raw.get("blocks") if seen else None
        return self._acted("click", channel=channel, message_ts=message_ts, action=action, confirm=confirm, seen=blocks)

    def select(
        self,
        message_ts: str | None,
        action: str,
        value: Any,
        channel: str = "#platform",
        seen: SeenMessage | None = None,
    ) -> ActionResult:
        """Choose in a select or picker of a message: options by value or label, lists for those of many."""
        blocks = seen.raw.get("blocks") if seen else None
        return self._acted("select", channel=channel, message_ts=message_ts, action=action, value=value, seen=blocks)

    def click_view(self, action: str, where: str = "modal", confirm: bool = True) -> ActionResult:
        """Press a button in the open modal, or on the Home tab (where="home")."""
        return self._acted("click", where=where, action=action, confirm=confirm)

    def select_view(self, action: str, value: Any, where: str = "modal") -> ActionResult:
        """Choose in the open modal, or on the Home tab."""
        return self._acted("select", where=where, action=action, value=value)

    def submit_view(self, values: dict[str, Any] | None = None, **more: Any) -> ActionResult:
        """Fill in the open modal (by action_id, block_id or label) and press its submit button."""
        return self._acted("submit_view", values={**(values or {}), **more})

    def close_view(self, everything: bool = False) -> ActionResult:
        """Close the modal on top, or all of them."""
        return self._acted("close_view", everything=everything)

    def open_home(self) -> None:
        """Open the app's Home tab."""
        self._do("open_home")

    def shortcut(self, callback_id: str) -> ActionResult:
        """Run a global shortcut."""
        return self._acted("shortcut", callback_id=callback_id)

    def invite(self, channel: str, who: str = "@nlbtls") -> None:
        """Bring somebody into a channel."""
        self._do("invite", channel=channel, who=who)

    def delete(self, channel: str, message_ts: str) -> None:
        """Delete a message, as an admin may."""
        self._do("delete", channel=channel, message_ts=message_ts)

    # --- looking ---

    def messages(self, channel: str) -> list[SeenMessage]:
        """All that this person sees in a channel, threads and own ephemeral messages included, oldest first."""
        names = self.names()
        answer = self._get(f"/sandbox/people/{quote(self.name)}/messages", channel=channel)
        return [_seen(raw, names) for raw in answer["messages"]]

    def thread(self, channel: str, thread_ts: str) -> list[SeenMessage]:
        """A parent and its replies, oldest first."""
        return [seen for seen in self.messages(channel) if thread_ts in (seen.ts, seen.thread_ts)]

    def modal(self) -> Json | None:
        """The open modal, as views.open would answer it."""
        view: Json | None = self._views()["modal"]
        return view

    def home(self) -> Json | None:
        """The Home view."""
        view: Json | None = self._views()["home"]
        return view

    def names(self) -> render.Names:
        """What ids are called here."""
        directory = self._get("/sandbox/directory")
        return render.Names(directory["users"], directory["channels"], directory["groups"])

    def wait_for(self, predicate: Callable[[], T | None], timeout: float = 10.0) -> T:
        """Ask again after every change until the answer is true, and return it. Raises TimeoutError (seconds)."""
        until = time.monotonic() + timeout
        seen = self._get("/sandbox/directory")["last_change"]
        while not (answer := predicate()):
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.name} waited {timeout:g} s in vain.")
            seen = self._get("/sandbox/changes", after=seen, wait=min(left, LOOK_AGAIN))["last_change"]
        return answer

    # --- HTTP ---

    def _views(self) -> Json:
        return self._get(f"/sandbox/people/{quote(self.name)}/views")

    def _acted(self, verb: str, **body: Any) -> ActionResult:
        answer = self._do(verb, **body)
        return ActionResult(answer["problem"], answer["errors"], answer["text"])

    def _do(self, verb: str, **body: Any) -> Json:
        return self._call("POST", f"/sandbox/people/{quote(self.name)}/{verb}", json.dumps(body))

    def _get(self, path: str, **query: Any) -> Json:
        return self._call("GET", f"{path}?{urlencode(query)}", None)

    def _call(self, method: str, path: str, body: str | None) -> Json:
        connection = HTTPConnection(self._host, timeout=CALL_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status == 400:
            raise NotPossibleError(json.loads(answer)["sentence"])
        if response.status != 200:
            raise ConnectionError(f"The stand-in answered {response.status} to {method} {path}.")
        parsed: Json = json.loads(answer)
        return parsed


def _seen(raw: Json, names: render.Names) -> SeenMessage:
    return SeenMessage(
        channel=raw["channel"],
        ts=raw["ts"],
        thread_ts=raw.get("thread_ts"),
        author=names.users.get(raw["user"], "slackbot"),
        text=render.message(raw, names),
        ephemeral=bool(raw.get("is_ephemeral")),
        edited="edited" in raw,
        raw=raw,
    )
