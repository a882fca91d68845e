"""A person and a modal: filling it in, submitting it, closing it."""

from typing import Any

from sandbox.slack import inputs, payloads
from sandbox.slack.api import SlackError
from sandbox.slack.entities import Json, User
from sandbox.slack.interactions import Interactions, Outcome, Place
from sandbox.slack.view_methods import checked_view
from sandbox.slack.views import View

REQUIRED = "Please complete this required field."


async def submit(interactions: Interactions, user: User, values: Json) -> Outcome:
    """Fill in the values (by action_id, block_id or label) and press submit.

    Slack's client holds back what lacks a required value or is too short or long; the app's ack may show errors at
    fields, put another view in place or on top, or close one or all.
    """
    place = interactions.in_modal(user)
    view = place.view
    if view is None or "submit" not in view.content:
        return Outcome(problem="This modal has nothing to submit.")
    for name, value in values.items():
        await _fill(interactions, user, place, name, value)
    view.state = inputs.state_of(place.blocks, view.state)
    if errors := _held_back(view):
        return Outcome(errors=errors)
    payload = payloads.view_submission(user, view, interactions.tickets.trigger(user.id))
    ack = await interactions.sockets.deliver("interactive", payload, takes_answer=True)
    if ack.problem:
        return Outcome(text="We had some trouble connecting. Try again?", problem=ack.problem)
    try:
        return _follow(interactions, user, view, ack.payload or {})
    except SlackError as error:
        return Outcome(problem=f"{error.code}: {error.extra}")


async def close(interactions: Interactions, user: User, everything: bool = False) -> Outcome:
    """Close the top modal, or all. The app hears of it only if the view asked to (notify_on_close)."""
    view = interactions.in_modal(user).view
    if view is None:
        return Outcome()
    shelf = interactions.workspace.views
    if everything or view.content.get("clear_on_close"):
        shelf.clear(user.id)
    else:
        shelf.pop(user.id)
    if not view.content.get("notify_on_close"):
        return Outcome()
    payload = payloads.view_closed(user, view, cleared=everything)
    return Outcome(problem=(await interactions.sockets.deliver("interactive", payload)).problem)


async def _fill(interactions: Interactions, user: User, place: Place, name: str, value: Any) -> None:
    found = _input(place.blocks, name)
    if found.element["type"] == "external_select":
        await interactions.select(user, place, found.element["action_id"], value)
        return
    state = inputs.chosen(found.element, value)
    place.state.setdefault(found.block["block_id"], {})[found.element["action_id"]] = state


def _input(blocks: list[Json], name: str) -> inputs.Found:
    """An input by block_id or its label, else as find() knows it."""
    for block, element in inputs.elements(blocks):
        labelled = block["type"] == "input" and inputs.same_label(block["label"]["text"], name)
        if block["block_id"] == name or labelled:
            return inputs.Found(block, element)
    return inputs.find(blocks, name)


def _held_back(view: View) -> dict[str, str]:
    """What Slack's client says at fields before it sends anything."""
    errors = {}
    for block, element in inputs.elements(view.content["blocks"]):
        if block["type"] != "input":
            continue
        state = view.state[block["block_id"]][element["action_id"]]
        typed = state.get("value")
        if inputs.is_empty(state):
            if not block.get("optional"):
                errors[block["block_id"]] = REQUIRED
        elif isinstance(typed, str) and len(typed) > element.get("max_length", 3000):
            errors[block["block_id"]] = f"Must be at most {element.get('max_length', 3000)} characters."
        elif isinstance(typed, str) and len(typed) < element.get("min_length", 0):
            errors[block["block_id"]] = f"Must be at least {element['min_length']} characters."
    return errors


def _follow(interactions: Interactions, user: User, view: View, answer: Json) -> Outcome:
    """Do what the app's ack says. Raises SlackError for a view that Slack would refuse."""
    shelf = interactions.workspace.views
    action = answer.get("response_action")
    if action is None:
        if shelf.top(user.id) is view:
            shelf.pop(user.id)
    elif action == "clear":
        shelf.clear(user.id)
    elif action == "update":
        shelf.update(view, checked_view(answer.get("view"), "modal"))
    elif action == "push":
        if shelf.push(user.id, checked_view(answer.get("view"), "modal")) is None:
            raise SlackError("push_limit_reached")
    elif action == "errors":
        return _errors(view, answer.get("errors"))
    else:
        raise SlackError("invalid_response_action", got=action)
    return Outcome()


def _errors(view: View, errors: Any) -> Outcome:
    """Field errors: they must name input blocks of the view."""
    fields = {block["block_id"] for block in view.content["blocks"] if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not set(errors) <= fields:
        raise SlackError("invalid_errors", got=errors, fields=sorted(fields))
    return Outcome(errors={str(block): str(sentence) for block, sentence in errors.items()})
