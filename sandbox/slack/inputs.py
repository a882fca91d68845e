"""What a person does with the elements of blocks: finding one by name, choosing, typing, and the state that results."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.slack.entities import Json


class NoSuchElementError(LookupError):
    """The message or view has nothing like that to press, choose or fill."""


@dataclass(frozen=True)
class Found:
    """An element, the block around it, and the option meant, if it is one of an overflow menu."""

    block: Json
    element: Json
    option: Json | None = None


def elements(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every interactive element with its block, top to bottom."""
    for block in blocks:
        inside = [*block.get("elements", [])] if block["type"] == "actions" else []
        inside += [block[key] for key in ("accessory", "element") if isinstance(block.get(key), dict)]
        yield from ((block, element) for element in inside if element["type"] != "image")


def label(element: Json) -> str:
    """What a person would call it: a button's text, else the placeholder."""
    named = element.get("text") or element.get("placeholder") or {}
    return str(named.get("text", ""))


def same_label(one: str, other: str) -> bool:
    """Equal but for case, emoji and dots: "Approve" is "✅ Approve…"."""
    return bool(_bare(one)) and _bare(one) == _bare(other)


def _bare(text: str) -> str:
    return " ".join(re.sub(r":[\w+-]+:|[^\w\s]", " ", text).casefold().split())


def find(blocks: list[Json], name: str) -> Found:
    """By action_id, else by label (an overflow menu's options count). Raises NoSuchElementError."""
    for block, element in elements(blocks):
        if element.get("action_id") == name:
            return Found(block, element)
    for block, element in elements(blocks):
        if same_label(label(element), name):
            return Found(block, element)
        for option in element.get("options", []) if element["type"] == "overflow" else []:
            if option.get("value") == name or same_label(option["text"]["text"], name):
                return Found(block, element, option)
    there = ", ".join(f"{e.get('action_id')} ({label(e)})" for _, e in elements(blocks)) or "nothing"
    raise NoSuchElementError(f"There is no {name!r} to press here, only: {there}.")


def offered(element: Json) -> list[Json]:
    """All options of an element, groups flattened."""
    groups = element.get("option_groups") or []
    return [*(element.get("options") or []), *(option for group in groups for option in group["options"])]


def option_named(options: list[Json], name: str) -> Json:
    """An option by value, else by label. Raises NoSuchElementError."""
    for option in options:
        if option["value"] == name:
            return option
    for option in options:
        if same_label(option["text"]["text"], name):
            return option
    raise NoSuchElementError(f"There is no option {name!r}, only: {', '.join(o['value'] for o in options)}.")


_SELECTED = {
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}
_MANY_OPTIONS = ("checkboxes", "multi_static_select", "multi_external_select")
ONE_OPTION = ("static_select", "external_select", "radio_buttons", "overflow")


def chosen(element: Json, value: Any) -> Json:
    """The state of an element after a person chose or typed the value (options by value or label)."""
    kind = element["type"]
    if kind in ONE_OPTION:
        return {"type": kind, "selected_option": option_named(offered(element), value) if value is not None else None}
    if kind in _MANY_OPTIONS:
        return {"type": kind, "selected_options": [option_named(offered(element), one) for one in value or []]}
    return {"type": kind, _SELECTED.get(kind, "value"): value}


def initial(element: Json) -> Json | None:
    """The state of an element that nobody touched; None for buttons, which have none."""
    kind = element["type"]
    if kind in ("button", "overflow"):
        return None
    if kind in ONE_OPTION:
        return {"type": kind, "selected_option": element.get("initial_option")}
    if kind in _MANY_OPTIONS:
        return {"type": kind, "selected_options": element.get("initial_options", [])}
    key = _SELECTED.get(kind, "value")
    return {"type": kind, key: element.get(key.replace("selected_", "initial_") if key != "value" else "initial_value")}


def state_of(blocks: list[Json], touched: Json) -> Json:
    """state.values: what was touched, over what the elements began with."""
    values: Json = {}
    for block, element in elements(blocks):
        began = initial(element)
        if began is not None:
            kept = touched.get(block["block_id"], {}).get(element["action_id"])
            values.setdefault(block["block_id"], {})[element["action_id"]] = kept or began
    return values


def is_empty(state: Json) -> bool:
    """Whether an input still lacks its value."""
    return not any(value for key, value in state.items() if key != "type")
