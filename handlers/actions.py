"""Buttons and menus in messages: one call into services, reply to the person if it could not be done."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from slack_bolt import Ack, App, BoltContext

from handlers.guard import Guard
from handlers.messages import choice
from handlers.messages import replies as words
from handlers.messages.blocks import Message
from handlers.replies import Replies
from services.errors import Refused
from services.requests import Requests
from services.storage import InboxItem, Store


class Actions:
    """Answers clicks. A refusal is told to the clicking person only, with what became of the request.

    `group_names`: Slack's id by handle, for mentions.
    """

    def __init__(
        self, requests: Requests, store: Store, replies: Replies, group_names: Callable[[], Mapping[str, str]]
    ) -> None:
        self._requests = requests
        self._store = store
        self._replies = replies
        self._group_names = group_names

    def handle(self, item: InboxItem) -> None:
        """One click as it came in."""
        known = {
            "approve": self._approve,
            "reject": self._reject,
            "check_now": self._check_now,
            "choose_target": self._choose,
        }
        act = known.get(item.payload["action_id"])
        if act is None:
            self._replies.reply(item.payload, words.outdated())
            return
        try:
            act(item)
        except Refused as error:
            self._replies.reply(item.payload, self._told(item, error))

    def _approve(self, item: InboxItem) -> None:
        request_id, _, digest = item.payload["value"].partition(":")
        self._requests.approve(request_id, digest, item.payload["person"], inbox_key=item.key)

    def _reject(self, item: InboxItem) -> None:
        request_id, _, digest = item.payload["value"].partition(":")
        self._requests.reject(request_id, digest, item.payload["person"], inbox_key=item.key)

    def _check_now(self, item: InboxItem) -> None:
        self._requests.check_now(item.payload["value"], item.payload["person"], inbox_key=item.key)

    def _choose(self, item: InboxItem) -> None:
        request_id = item.payload["block_id"].removeprefix("choose:")
        request = self._store.request(request_id)
        ref = choice.chosen_ref(request, item.payload["value"]) if request else ""
        self._requests.choose(request_id, ref, item.payload["person"], inbox_key=item.key)

    def _told(self, item: InboxItem, error: Refused) -> Message:
        request_id, _, digest = item.payload["value"].partition(":")
        request = None if item.payload["action_id"] == "choose_target" else self._store.request(request_id)
        if request and error.code in ("late", "replaced"):
            by, at = self._decided(request.id)
            return words.late(request, digest, by=by, at=at)
        if request and error.code == "denied":
            return words.denied(request, error.sentence, self._group_names())
        return words.refused(error.sentence, error.hint)

    def _decided(self, request_id: str) -> tuple[str, datetime | None]:
        """Who decided the plan last, and when."""
        decisions = [e for e in self._store.events(request_id) if e.kind in ("approved", "rejected")]
        return (decisions[-1].actor, decisions[-1].at) if decisions else ("", None)


def register(app: App, guard: Guard, actions: Actions) -> None:
    """Plug every action into Bolt; unknown ones too: buttons of older versions stay in old messages for ever."""
    guard.register("action", actions.handle)

    @app.action(re.compile(".*"))
    def on_action(ack: Ack, context: BoltContext) -> None:
        ack()
        if context["item"] is not None:
            guard.accept(context["item"])
