"""views.*: modals behind a trigger id, and Home views."""

import json
from typing import Any

from sandbox.slack.api import Call, SlackError, refuse, with_ids
from sandbox.slack.block_kit import check_view
from sandbox.slack.entities import Json
from sandbox.slack.tickets import LapsedError
from sandbox.slack.views import View

LARGEST_VIEW = 250_000  #: bytes


def open_view(call: Call) -> Json:
    """views.open."""
    content = _content(call, "modal")
    return _answer(call.workspace.views.open(_exchange(call), content))


def push(call: Call) -> Json:
    """views.push: at most three modals lie on each other."""
    content = _content(call, "modal")
    view = call.workspace.views.push(_exchange(call), content)
    if view is None:
        raise SlackError("push_limit_reached")
    return _answer(view)


def update(call: Call) -> Json:
    """views.update: by view_id or external_id; with `hash`, only if nothing changed since."""
    shelf = call.workspace.views
    view = shelf.find(call.text("view_id")) or shelf.find_external(call.text("external_id"))
    if view is None:
        raise SlackError("not_found")
    _expect_hash(call, view)
    return _answer(shelf.update(view, _content(call, view.content["type"])))


def publish(call: Call) -> Json:
    """views.publish: the Home view of one person."""
    user = call.text("user_id", missing="invalid_arguments")
    if user not in call.workspace.users:
        raise SlackError("user_not_found")
    content = _content(call, "home")
    if current := call.workspace.views.homes.get(user):
        _expect_hash(call, current)
    return _answer(call.workspace.views.publish(user, content))


def checked_view(view: Any, surface: str) -> Json:
    """A view as it will be kept. Raises invalid_arguments with JSON pointers, or view_too_large."""
    refuse("invalid_arguments", check_view(view, (surface,)))
    if len(json.dumps(view).encode()) > LARGEST_VIEW:
        raise SlackError("view_too_large")
    return {**view, "blocks": with_ids(view["blocks"])}


def _content(call: Call, surface: str) -> Json:
    return checked_view(call.structure("view", "invalid_arguments"), surface)


def _exchange(call: Call) -> str:
    try:
        return call.tickets.exchange(call.text("trigger_id", missing="invalid_arguments"))
    except LapsedError as lapsed:
        raise SlackError(lapsed.code) from None


def _expect_hash(call: Call, view: View) -> None:
    expected = call.text("hash")
    if expected and expected != view.hash:
        raise SlackError("hash_conflict")


def _answer(view: View) -> Json:
    return {"view": view.to_json()}
