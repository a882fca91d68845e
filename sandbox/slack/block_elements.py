"""What Slack accepts as text, option, confirm dialog, interactive element and rich text. Pure data over schema.py.

Limits: chatops.md §3 and the models of slack_sdk; the 2,000 characters of a section field are not in the SDK. Elements
that this bot has no use for (file_input, workflow_button, feedback_buttons, icon_button) are refused as unsupported.
"""

import re
from typing import Any

from sandbox.slack.schema import (
    Check,
    Findings,
    array,
    boolean,
    both,
    choice,
    exactly_one_of,
    integer,
    record,
    string,
    union,
)


def plain_text(longest: int, shortest: int = 1) -> Check:
    """A text object that must be plain_text."""
    return union({"plain_text": record({"text": string(longest, shortest)}, {"emoji": boolean})})


def any_text(longest: int, shortest: int = 1) -> Check:
    """A text object, plain_text or mrkdwn."""
    content = string(longest, shortest)
    return union(
        {
            "plain_text": record({"text": content}, {"emoji": boolean}),
            "mrkdwn": record({"text": content}, {"verbatim": boolean}),
        }
    )


def pattern(expression: str, meaning: str) -> Check:
    """A string that matches in full."""
    compiled = re.compile(expression)

    def check(value: Any, at: str, findings: Findings) -> None:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            findings.add(f"must be {meaning}", at)

    return check


url = both(string(3000), pattern(r"https?://\S+", "a valid URL"))
link = both(string(3000), pattern(r"(https?://|mailto:|tel:)\S+", "a valid URL"))
action_id = string(255, 1)

confirm = record(
    {"title": plain_text(100), "text": any_text(300)},
    {"confirm": plain_text(30), "deny": plain_text(30), "style": choice("primary", "danger")},
)
_plain_option = record({"text": plain_text(75), "value": string(150, 1)}, {"description": plain_text(75), "url": url})
_rich_option = record({"text": any_text(75), "value": string(150, 1)}, {"description": any_text(75)})
_option_group = record({"label": plain_text(75), "options": array(_plain_option, 1, 100)})


def _focus(value: Any, at: str, findings: Findings) -> None:
    """focus_on_load: a boolean, true for one element only."""
    boolean(value, at, findings)
    findings.focused += value is True
    if findings.focused > 1:
        findings.add("only one element may set focus_on_load", at)


_base: dict[str, Check] = {"action_id": action_id, "confirm": confirm, "focus_on_load": _focus}
_field: dict[str, Check] = {**_base, "placeholder": plain_text(150)}
_many: dict[str, Check] = {**_field, "max_selected_items": integer(1)}


def _listed(value: dict[str, Any], key: str) -> list[Any]:
    """The list under a key, or none: its own check says so if it is something else."""
    found = value.get(key)
    return found if isinstance(found, list) else []


def _initial_is_an_option(value: Any, at: str, findings: Findings) -> None:
    """initial_option(s) must be among the options, whole."""
    if not isinstance(value, dict):
        return
    groups = [group for group in _listed(value, "option_groups") if isinstance(group, dict)]
    offered = [*_listed(value, "options"), *(option for group in groups for option in _listed(group, "options"))]
    if "initial_option" in value and value["initial_option"] not in offered:
        findings.add("must match one of the options", f"{at}/initial_option")
    if any(chosen not in offered for chosen in _listed(value, "initial_options")):
        findings.add("must match one of the options", f"{at}/initial_options")


_static_options: dict[str, Check] = {
    "options": array(_plain_option, 1, 100),
    "option_groups": array(_option_group, 1, 100),
}
_conversations: dict[str, Check] = {
    "default_to_current_conversation": boolean,
    "filter": record(
        {},
        {
            "include": array(choice("im", "mpim", "private", "public"), 1),
            "exclude_external_shared_channels": boolean,
            "exclude_bot_users": boolean,
        },
    ),
}
_ids = array(string(), 1)

SELECTS: dict[str, Check] = {
    "static_select": both(
        record({}, {**_field, **_static_options, "initial_option": _plain_option}),
        exactly_one_of("options", "option_groups"),
        _initial_is_an_option,
    ),
    "external_select": record({}, {**_field, "initial_option": _plain_option, "min_query_length": integer(0)}),
    "users_select": record({}, {**_field, "initial_user": string()}),
    "conversations_select": record(
        {}, {**_field, **_conversations, "initial_conversation": string(), "response_url_enabled": boolean}
    ),
    "channels_select": record({}, {**_field, "initial_channel": string(), "response_url_enabled": boolean}),
}
MULTI_SELECTS: dict[str, Check] = {
    "multi_static_select": both(
        record({}, {**_many, **_static_options, "initial_options": array(_plain_option, 1, 100)}),
        exactly_one_of("options", "option_groups"),
        _initial_is_an_option,
    ),
    "multi_external_select": record(
        {}, {**_many, "initial_options": array(_plain_option, 1, 100), "min_query_length": integer(0)}
    ),
    "multi_users_select": record({}, {**_many, "initial_users": _ids}),
    "multi_conversations_select": record({}, {**_many, **_conversations, "initial_conversations": _ids}),
    "multi_channels_select": record({}, {**_many, "initial_channels": _ids}),
}
PICKERS: dict[str, Check] = {
    "datepicker": record({}, {**_field, "initial_date": pattern(r"\d{4}-\d{2}-\d{2}", "a date as YYYY-MM-DD")}),
    "timepicker": record(
        {}, {**_field, "initial_time": pattern(r"([01]\d|2[0-3]):[0-5]\d", "a time as HH:mm"), "timezone": string()}
    ),
    "checkboxes": both(
        record({"options": array(_rich_option, 1, 10)}, {**_base, "initial_options": array(_rich_option, 1, 10)}),
        _initial_is_an_option,
    ),
    "radio_buttons": both(
        record({"options": array(_rich_option, 1, 10)}, {**_base, "initial_option": _rich_option}),
        _initial_is_an_option,
    ),
}
DATETIME: dict[str, Check] = {
    "datetimepicker": record({}, {**_base, "initial_date_time": integer(1_000_000_000, 9_999_999_999)}),
}
BUTTON = record(
    {"text": plain_text(75)},
    {
        "action_id": action_id,
        "confirm": confirm,
        "url": url,
        "value": string(2000, 1),
        "style": choice("primary", "danger"),
        "accessibility_label": string(75),
    },
)
OVERFLOW = record({"options": array(_plain_option, 1, 5)}, {"action_id": action_id, "confirm": confirm})
IMAGE = both(
    record({"alt_text": string(2000, 1)}, {"image_url": url, "slack_file": record({}, {"id": string(), "url": url})}),
    exactly_one_of("image_url", "slack_file"),
)

_dispatch = record({}, {"trigger_actions_on": array(choice("on_enter_pressed", "on_character_entered"), 1, 2)})
_typed: dict[str, Check] = {**_field, "dispatch_action_config": _dispatch}
_number = pattern(r"-?\d+(\.\d+)?", "a number as a string")
TYPED: dict[str, Check] = {
    "plain_text_input": record(
        {},
        {
            **_typed,
            "initial_value": string(3000),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        },
    ),
    "number_input": record(
        {"is_decimal_allowed": boolean},
        {**_typed, "initial_value": _number, "min_value": _number, "max_value": _number},
    ),
    "email_text_input": record({}, {**_typed, "initial_value": string()}),
    "url_text_input": record({}, {**_typed, "initial_value": string()}),
}

ACCESSORY: dict[str, Check] = {
    "button": BUTTON, "overflow": OVERFLOW, "image": IMAGE, **SELECTS, **MULTI_SELECTS, **PICKERS,
}  # fmt: skip
IN_ACTIONS: dict[str, Check] = {"button": BUTTON, "overflow": OVERFLOW, **SELECTS, **PICKERS, **DATETIME}
IN_INPUT: dict[str, Check] = {**SELECTS, **MULTI_SELECTS, **PICKERS, **DATETIME, **TYPED}
IN_CONTEXT: dict[str, Check] = {
    "image": IMAGE,
    "plain_text": record({"text": string(3000, 1)}, {"emoji": boolean}),
    "mrkdwn": record({"text": string(3000, 1)}, {"verbatim": boolean}),
}

_style = record({}, dict.fromkeys(("bold", "italic", "strike", "code", "underline"), boolean))
_optional_style: dict[str, Check] = {"style": _style}
_inline = union(
    {
        "text": record({"text": string(None, 1)}, _optional_style),
        "link": record({"url": link}, {"text": string(), "unsafe": boolean, **_optional_style}),
        "user": record({"user_id": string(None, 1)}, _optional_style),
        "usergroup": record({"usergroup_id": string(None, 1)}, _optional_style),
        "channel": record({"channel_id": string(None, 1)}, _optional_style),
        "emoji": record(
            {"name": string(None, 1)}, {"unicode": string(), "skin_tone": integer(1, 6), **_optional_style}
        ),
        "date": record(
            {"timestamp": integer(0), "format": string(None, 1)}, {"url": url, "fallback": string(), **_optional_style}
        ),
        "broadcast": record({"range": choice("here", "channel", "everyone")}, _optional_style),
        "color": record({"value": string(None, 1)}, _optional_style),
    }
)
_rich_section = record({"elements": array(_inline)})
RICH_TEXT = array(
    union(
        {
            "rich_text_section": _rich_section,
            "rich_text_list": record(
                {"style": choice("bullet", "ordered"), "elements": array(union({"rich_text_section": _rich_section}))},
                {"indent": integer(0, 8), "offset": integer(0), "border": integer(0, 1)},
            ),
            "rich_text_preformatted": record(
                {"elements": array(_inline)}, {"border": integer(0, 1), "language": string()}
            ),
            "rich_text_quote": record({"elements": array(_inline)}, {"border": integer(0, 1)}),
        }
    )
)
