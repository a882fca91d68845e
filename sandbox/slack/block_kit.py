"""Would Slack take these blocks? A pure check of messages, modals and Home views, answering as Slack does.

Not modelled, and so refused as unsupported: call, file, video, card, carousel, container, context_actions, data_table.
Slack's own schema is not public; the rules are those of its reference pages and of chatops.md §3.
"""

from collections.abc import Sequence
from typing import Any

from sandbox.slack.block_elements import (
    ACCESSORY,
    IN_ACTIONS,
    IN_CONTEXT,
    IN_INPUT,
    RICH_TEXT,
    any_text,
    plain_text,
    url,
)
from sandbox.slack.schema import (
    Check,
    Findings,
    array,
    at_least_one_of,
    boolean,
    both,
    choice,
    exactly_one_of,
    record,
    string,
    union,
)

BLOCKS_IN_MESSAGE = 50
BLOCKS_IN_VIEW = 100
MARKDOWN_CHARACTERS = 12_000


def _block_id(value: Any, at: str, findings: Findings) -> None:
    """At most 255 characters, and once per payload."""
    string(255)(value, at, findings)
    if not isinstance(value, str):
        return
    if value in findings.block_ids:
        findings.add(f"`block_id` {value!r} already exists", at)
    findings.block_ids.add(value)


def _distinct_action_ids(value: Any, at: str, findings: Findings) -> None:
    """An action_id may appear once in a block: block_id and action_id together name the element."""
    seen: set[str] = set()
    for index, element in enumerate(value if isinstance(value, list) else []):
        name = element.get("action_id") if isinstance(element, dict) else None
        if isinstance(name, str) and name in seen:
            findings.add(f"`action_id` {name!r} already exists", f"{at}/{index}/action_id")
        elif isinstance(name, str):
            seen.add(name)


def _markdown(value: Any, at: str, findings: Findings) -> None:
    """The characters of all markdown blocks of a message count together."""
    string(None, 1)(value, at, findings)
    findings.markdown_characters += len(value) if isinstance(value, str) else 0
    if findings.markdown_characters > MARKDOWN_CHARACTERS:
        findings.add(f"must be less than {MARKDOWN_CHARACTERS + 1} characters", at)


def _table(value: Any, at: str, findings: Findings) -> None:
    """One table per message, and its rows are all as long as the first."""
    findings.tables += 1
    if findings.tables > 1:
        findings.add("only one table is allowed", at)
    rows = value.get("rows")
    lengths = {len(row) for row in rows if isinstance(row, list)} if isinstance(rows, list) else set()
    if len(lengths) > 1:
        findings.add("all rows must have the same number of cells", f"{at}/rows")


def _count_input(value: Any, at: str, findings: Findings) -> None:
    findings.inputs += 1


def _block(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    return record(required, {"block_id": _block_id, **(optional or {})})


_rich_text = _block({"elements": RICH_TEXT})
_cell = union(
    {
        "raw_text": record({"text": string(None, 1)}),
        "raw_number": record({"value": lambda value, at, findings: None, "text": string(None, 1)}),
        "rich_text": record({"elements": RICH_TEXT}),
    }
)
_column = record({}, {"align": choice("left", "center", "right"), "is_wrapped": boolean})
_source = union({"url": record({"url": url, "text": string(None, 1)})})
_task_status = choice("pending", "in_progress", "complete", "error")
_detail = union({"rich_text": _rich_text})
_task_card = _block(
    {"task_id": string(255, 1), "title": string(None, 1), "status": _task_status},
    {"details": _detail, "output": _detail, "sources": array(_source)},
)

_EVERYWHERE: dict[str, Check] = {
    "section": both(
        _block(
            {},
            {
                "text": any_text(3000),
                "fields": array(any_text(2000), 1, 10),
                "accessory": union(ACCESSORY),
                "expand": boolean,
            },
        ),
        at_least_one_of("text", "fields"),
    ),
    "header": _block({"text": plain_text(150)}),
    "divider": _block({}),
    "context": _block({"elements": array(union(IN_CONTEXT), 1, 10)}),
    "actions": _block({"elements": both(array(union(IN_ACTIONS), 1, 25), _distinct_action_ids)}),
    "image": both(
        _block(
            {"alt_text": string(2000, 1)},
            {"image_url": url, "slack_file": record({}, {"id": string(), "url": url}), "title": plain_text(2000)},
        ),
        exactly_one_of("image_url", "slack_file"),
    ),
    "input": both(
        _block(
            {"label": plain_text(2000), "element": union(IN_INPUT)},
            {"hint": plain_text(2000), "optional": boolean, "dispatch_action": boolean},
        ),
        _count_input,
    ),
    "rich_text": _rich_text,
}
_ONLY_IN: dict[str, dict[str, Check]] = {
    "message": {
        "markdown": _block({"text": _markdown}),
        "table": both(
            _block({"rows": array(array(_cell, 1, 20), 1, 100)}, {"column_settings": array(_column, 0, 20)}), _table
        ),
        "task_card": _task_card,
        "plan": _block({"title": string(None, 1)}, {"tasks": array(union({"task_card": _task_card}))}),
    },
    "modal": {
        "alert": _block({"text": any_text(3000)}, {"level": choice("default", "info", "warning", "error", "success")}),
    },
    "home": {},
}
_BLOCK = {surface: union({**_EVERYWHERE, **extra}) for surface, extra in _ONLY_IN.items()}

_VIEW_COMMON: dict[str, Check] = {
    "private_metadata": string(3000),
    "callback_id": string(255),
    "external_id": string(255),
}
_VIEW = {
    "modal": record(
        {"title": plain_text(24), "blocks": array(_BLOCK["modal"], 0, BLOCKS_IN_VIEW)},
        {
            **_VIEW_COMMON,
            "submit": plain_text(24),
            "close": plain_text(24),
            "clear_on_close": boolean,
            "notify_on_close": boolean,
            "submit_disabled": boolean,
        },
    ),
    "home": record({"blocks": array(_BLOCK["home"], 0, BLOCKS_IN_VIEW)}, _VIEW_COMMON),
}


def check_message(blocks: Any, at: str = "/blocks") -> list[str]:
    """What Slack would say against these blocks of a message; an empty list if it would take them."""
    findings = Findings("message")
    array(_BLOCK["message"], 0, BLOCKS_IN_MESSAGE)(blocks, at, findings)
    return findings.messages


def check_view(view: Any, surfaces: Sequence[str] = ("modal", "home")) -> list[str]:
    """What Slack would say against this modal or Home view; an empty list if it would take it."""
    surface = view.get("type") if isinstance(view, dict) else None
    findings = Findings(surface if isinstance(surface, str) else "modal")
    union({name: _VIEW[name] for name in surfaces})(view, "/view", findings)
    if surface == "modal" and findings.inputs and "submit" not in view:
        findings.add("missing required field: submit (a modal with input blocks needs it)", "/view")
    return findings.messages


def check_options(answer: Any) -> list[str]:
    """What Slack would say against the options that an external select is answered with."""
    findings = Findings("message")
    option = record({"text": plain_text(75), "value": string(150, 1)}, {"description": plain_text(75)})
    group = record({"label": plain_text(75), "options": array(option, 0, 100)})
    both(
        record({}, {"options": array(option, 0, 100), "option_groups": array(group, 0, 100)}),
        exactly_one_of("options", "option_groups"),
    )(answer, "", findings)
    return findings.messages
