"""The Block Kit check, as a table: what Slack takes, what it refuses, and where it points."""

from typing import Any

import pytest

from sandbox.slack.block_kit import check_message, check_options, check_view

Json = dict[str, Any]


def plain(text: str = "x") -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str = "x") -> Json:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "x", **more: Any) -> Json:
    return {"type": "section", "text": mrkdwn(text), **more}


def button(action_id: str = "a", **more: Any) -> Json:
    return {"type": "button", "text": plain(), "action_id": action_id, **more}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def option(value: str = "v", text: str = "x") -> Json:
    return {"text": plain(text), "value": value}


def select(**more: Any) -> Json:
    return {"type": "static_select", "action_id": "s", **more}


def field(element: Json, **more: Any) -> Json:
    return {"type": "input", "label": plain(), "element": element, **more}


def rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": list(elements)}


def rich_section(*elements: Json) -> Json:
    return {"type": "rich_text_section", "elements": list(elements)}


def table(rows: int, columns: int) -> Json:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * columns] * rows}


def confirm(**more: Any) -> Json:
    return {"title": plain(), "text": mrkdwn(), "confirm": plain(), "deny": plain(), **more}


def task(status: str = "complete") -> Json:
    return {"type": "task_card", "task_id": "1", "title": "x", "status": status}


GOOD_MESSAGES: dict[str, list[Json]] = {
    "no blocks": [],
    "section": [section()],
    "section at its longest": [section("x" * 3000)],
    "section with ten fields at their longest": [{"type": "section", "fields": [mrkdwn("x" * 2000)] * 10}],
    "section with a button": [section(accessory=button())],
    "section with an image": [
        section(accessory={"type": "image", "image_url": "https://a.example/x.png", "alt_text": "x"})
    ],
    "header at its longest": [{"type": "header", "text": plain("x" * 150)}],
    "divider": [{"type": "divider"}],
    "context with text and image": [
        {
            "type": "context",
            "elements": [mrkdwn(), {"type": "image", "image_url": "https://a.example/x.png", "alt_text": "x"}],
        }
    ],
    "25 buttons": [actions(*(button(f"a{i}") for i in range(25)))],
    "button with everything": [
        actions(button(style="danger", value="v" * 2000, url="https://a.example", confirm=confirm(style="danger")))
    ],
    "same action_id in two blocks": [actions(button()), actions(button())],
    "overflow": [actions({"type": "overflow", "action_id": "o", "options": [option(str(i)) for i in range(5)]})],
    "select of 100": [actions(select(options=[option(str(i)) for i in range(100)]))],
    "select with groups": [actions(select(option_groups=[{"label": plain(), "options": [option()]}]))],
    "select with initial option": [actions(select(options=[option()], initial_option=option()))],
    "external select": [actions({"type": "external_select", "action_id": "e", "min_query_length": 0})],
    "multi select in a section": [
        section(accessory={"type": "multi_static_select", "options": [option()], "max_selected_items": 1})
    ],
    "input": [field({"type": "plain_text_input", "action_id": "t"})],
    "rich text": [
        rich(
            rich_section({"type": "text", "text": "x", "style": {"bold": True}}, {"type": "user", "user_id": "U1"}),
            {"type": "rich_text_list", "style": "bullet", "elements": [rich_section({"type": "text", "text": "x"})]},
            {"type": "rich_text_preformatted", "elements": [{"type": "link", "url": "https://a.example"}]},
            {"type": "rich_text_quote", "elements": [{"type": "emoji", "name": "tada"}]},
        )
    ],
    "date in rich text": [rich(rich_section({"type": "date", "timestamp": 1, "format": "{date}", "fallback": "x"}))],
    "largest table": [table(100, 20)],
    "markdown at its longest": [{"type": "markdown", "text": "x" * 12_000}],
    "plan of tasks": [{"type": "plan", "title": "x", "tasks": [task(), task("pending")]}],
    "50 blocks": [{"type": "divider"}] * 50,
}

BAD_MESSAGES: dict[str, tuple[Any, str, str]] = {
    "not a list": ({}, "must provide an array", "/blocks"),
    "block is no object": (["x"], "must provide an object", "/blocks/0"),
    "51 blocks": ([{"type": "divider"}] * 51, "no more than 50 items allowed", "/blocks"),
    "no type": ([{}], "missing required field: type", "/blocks/0"),
    "unknown type": ([{"type": "nope"}], "unsupported type: nope", "/blocks/0/type"),
    "alert outside a modal": ([{"type": "alert", "text": plain()}], "unsupported type: alert", "/blocks/0/type"),
    "unknown key": ([section(color="red")], "invalid additional property: color", "/blocks/0"),
    "section without text or fields": ([{"type": "section"}], "must define either text or fields", "/blocks/0"),
    "empty section text": ([section("")], "must be more than 0 characters", "/blocks/0/text/text"),
    "section text too long": ([section("x" * 3001)], "must be less than 3001 characters", "/blocks/0/text/text"),
    "text without an object": ([{"type": "section", "text": "x"}], "must provide an object", "/blocks/0/text"),
    "text of unknown type": (
        [{"type": "section", "text": {"type": "markdown", "text": "x"}}],
        "unsupported type: markdown",
        "/blocks/0/text/type",
    ),
    "emoji on mrkdwn": (
        [{"type": "section", "text": {**mrkdwn(), "emoji": True}}],
        "invalid additional property: emoji",
        "/blocks/0/text",
    ),
    "11 fields": ([{"type": "section", "fields": [plain()] * 11}], "no more than 10 items allowed", "/blocks/0/fields"),
    "no field": ([{"type": "section", "fields": []}], "no less than 1 items allowed", "/blocks/0/fields"),
    "field too long": (
        [{"type": "section", "fields": [mrkdwn(), mrkdwn("x" * 2001)]}],
        "must be less than 2001 characters",
        "/blocks/0/fields/1/text",
    ),
    "accessory that is an input": (
        [section(accessory={"type": "plain_text_input"})],
        "unsupported type: plain_text_input",
        "/blocks/0/accessory/type",
    ),
    "header with mrkdwn": ([{"type": "header", "text": mrkdwn()}], "unsupported type: mrkdwn", "/blocks/0/text/type"),
    "header too long": (
        [{"type": "header", "text": plain("x" * 151)}],
        "must be less than 151 characters",
        "/blocks/0/text/text",
    ),
    "header without text": ([{"type": "header"}], "missing required field: text", "/blocks/0"),
    "11 context elements": (
        [{"type": "context", "elements": [plain()] * 11}],
        "no more than 10 items allowed",
        "/blocks/0/elements",
    ),
    "button in context": (
        [{"type": "context", "elements": [button()]}],
        "unsupported type: button",
        "/blocks/0/elements/0/type",
    ),
    "no actions": ([actions()], "no less than 1 items allowed", "/blocks/0/elements"),
    "26 actions": (
        [actions(*(button(f"a{i}") for i in range(26)))],
        "no more than 25 items allowed",
        "/blocks/0/elements",
    ),
    "same action_id twice in a block": (
        [actions(button(), button())],
        "`action_id` 'a' already exists",
        "/blocks/0/elements/1/action_id",
    ),
    "same block_id twice": (
        [section(block_id="b"), section(block_id="b")],
        "`block_id` 'b' already exists",
        "/blocks/1/block_id",
    ),
    "block_id too long": ([section(block_id="b" * 256)], "must be less than 256 characters", "/blocks/0/block_id"),
    "action_id too long": (
        [actions(button("a" * 256))],
        "must be less than 256 characters",
        "/blocks/0/elements/0/action_id",
    ),
    "button text too long": (
        [actions(button(text=plain("x" * 76)))],
        "must be less than 76 characters",
        "/blocks/0/elements/0/text/text",
    ),
    "button with mrkdwn": (
        [actions(button(text=mrkdwn()))],
        "unsupported type: mrkdwn",
        "/blocks/0/elements/0/text/type",
    ),
    "button value too long": (
        [actions(button(value="v" * 2001))],
        "must be less than 2001 characters",
        "/blocks/0/elements/0/value",
    ),
    "button style unknown": (
        [actions(button(style="green"))],
        "must be a valid enum value: primary, danger",
        "/blocks/0/elements/0/style",
    ),
    "button url too long": (
        [actions(button(url="https://a.example/" + "x" * 3000))],
        "must be less than 3001 characters",
        "/blocks/0/elements/0/url",
    ),
    "button url is none": ([actions(button(url="ftp"))], "must be a valid URL", "/blocks/0/elements/0/url"),
    "confirm title too long": (
        [actions(button(confirm=confirm(title=plain("x" * 101))))],
        "must be less than 101 characters",
        "/blocks/0/elements/0/confirm/title/text",
    ),
    "confirm text too long": (
        [actions(button(confirm=confirm(text=mrkdwn("x" * 301))))],
        "must be less than 301 characters",
        "/blocks/0/elements/0/confirm/text/text",
    ),
    "confirm button too long": (
        [actions(button(confirm=confirm(confirm=plain("x" * 31))))],
        "must be less than 31 characters",
        "/blocks/0/elements/0/confirm/confirm/text",
    ),
    "six entries in an overflow": (
        [actions({"type": "overflow", "options": [option(str(i)) for i in range(6)]})],
        "no more than 5 items allowed",
        "/blocks/0/elements/0/options",
    ),
    "101 options": (
        [actions(select(options=[option(str(i)) for i in range(101)]))],
        "no more than 100 items allowed",
        "/blocks/0/elements/0/options",
    ),
    "no options": ([actions(select(options=[]))], "no less than 1 items allowed", "/blocks/0/elements/0/options"),
    "neither options nor groups": (
        [actions(select())],
        "must define exactly one of options, option_groups",
        "/blocks/0/elements/0",
    ),
    "option text too long": (
        [actions(select(options=[option(text="x" * 76)]))],
        "must be less than 76 characters",
        "/blocks/0/elements/0/options/0/text/text",
    ),
    "option value too long": (
        [actions(select(options=[option("v" * 151)]))],
        "must be less than 151 characters",
        "/blocks/0/elements/0/options/0/value",
    ),
    "initial option that is none": (
        [actions(select(options=[option()], initial_option=option("w")))],
        "must match one of the options",
        "/blocks/0/elements/0/initial_option",
    ),
    "initial options of something that is no list": (
        [actions(select(options=3, initial_option=option()))],
        "must provide an array",
        "/blocks/0/elements/0/options",
    ),
    "multi select in actions": (
        [actions({"type": "multi_users_select"})],
        "unsupported type: multi_users_select",
        "/blocks/0/elements/0/type",
    ),
    "placeholder too long": (
        [actions(select(options=[option()], placeholder=plain("x" * 151)))],
        "must be less than 151 characters",
        "/blocks/0/elements/0/placeholder/text",
    ),
    "11 check boxes": (
        [actions({"type": "checkboxes", "options": [option(str(i)) for i in range(11)]})],
        "no more than 10 items allowed",
        "/blocks/0/elements/0/options",
    ),
    "date that is none": (
        [actions({"type": "datepicker", "initial_date": "tomorrow"})],
        "must be a date as YYYY-MM-DD",
        "/blocks/0/elements/0/initial_date",
    ),
    "button in an input": ([field(button())], "unsupported type: button", "/blocks/0/element/type"),
    "input without label": (
        [{"type": "input", "element": {"type": "plain_text_input"}}],
        "missing required field: label",
        "/blocks/0",
    ),
    "two elements want the focus": (
        [field({"type": "plain_text_input", "focus_on_load": True, "action_id": name}) for name in "ab"],
        "only one element may set focus_on_load",
        "/blocks/1/element/focus_on_load",
    ),
    "image without alt_text": (
        [{"type": "image", "image_url": "https://a.example/x.png"}],
        "missing required field: alt_text",
        "/blocks/0",
    ),
    "unknown rich text": (
        [rich({"type": "rich_text_table", "elements": []})],
        "unsupported type: rich_text_table",
        "/blocks/0/elements/0/type",
    ),
    "empty text in rich text": (
        [rich(rich_section({"type": "text", "text": ""}))],
        "must be more than 0 characters",
        "/blocks/0/elements/0/elements/0/text",
    ),
    "style that is no boolean": (
        [rich(rich_section({"type": "text", "text": "x", "style": {"bold": "yes"}}))],
        "must provide a boolean",
        "/blocks/0/elements/0/elements/0/style/bold",
    ),
    "101 rows": ([table(101, 1)], "no more than 100 items allowed", "/blocks/0/rows"),
    "21 columns": ([table(1, 21)], "no more than 20 items allowed", "/blocks/0/rows/0"),
    "two tables": ([table(1, 1), table(1, 1)], "only one table is allowed", "/blocks/1"),
    "markdown blocks too long together": (
        [{"type": "markdown", "text": "x" * 6001}] * 2,
        "must be less than 12001 characters",
        "/blocks/1/text",
    ),
    "task of unknown status": (
        [task("done")],
        "must be a valid enum value: pending, in_progress, complete, error",
        "/blocks/0/status",
    ),
}


@pytest.mark.parametrize("name", GOOD_MESSAGES)
def test_good_message_is_taken(name: str) -> None:
    """Nothing is said against blocks that Slack takes, up to each limit."""
    assert check_message(GOOD_MESSAGES[name]) == []


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_bad_message_is_refused(name: str) -> None:
    """One step beyond a limit is refused, with Slack's sentence and a pointer to the place."""
    blocks, sentence, pointer = BAD_MESSAGES[name]
    assert f"[ERROR] {sentence} [json-pointer:{pointer}]" in check_message(blocks)


def modal(*blocks: Json, **more: Any) -> Json:
    return {"type": "modal", "title": plain(), "blocks": list(blocks), **more}


VIEWS: dict[str, tuple[Json, str | None]] = {
    "modal": (modal(section(), submit=plain("x" * 24), close=plain(), private_metadata="x" * 3000), None),
    "alert in a modal": (modal({"type": "alert", "text": plain(), "level": "warning"}), None),
    "100 blocks": (modal(*[{"type": "divider"}] * 100), None),
    "home": ({"type": "home", "blocks": [section()], "callback_id": "x" * 255}, None),
    "101 blocks on the Home tab": (
        {"type": "home", "blocks": [{"type": "divider"}] * 101},
        "no more than 100 items allowed [json-pointer:/view/blocks]",
    ),
    "title too long": (modal(title=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/title/text]"),
    "title in mrkdwn": (modal(title=mrkdwn()), "unsupported type: mrkdwn [json-pointer:/view/title/type]"),
    "no title": ({"type": "modal", "blocks": []}, "missing required field: title [json-pointer:/view]"),
    "submit too long": (
        modal(submit=plain("x" * 25)),
        "must be less than 25 characters [json-pointer:/view/submit/text]",
    ),
    "inputs without submit": (
        modal(field({"type": "plain_text_input"})),
        "missing required field: submit (a modal with input blocks needs it) [json-pointer:/view]",
    ),
    "metadata too long": (
        modal(private_metadata="x" * 3001),
        "must be less than 3001 characters [json-pointer:/view/private_metadata]",
    ),
    "table in a modal": (modal(table(1, 1)), "unsupported type: table [json-pointer:/view/blocks/0/type]"),
    "title on the Home tab": (
        {"type": "home", "blocks": [], "title": plain()},
        "invalid additional property: title [json-pointer:/view]",
    ),
    "view of unknown type": ({"type": "page"}, "unsupported type: page [json-pointer:/view/type]"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_view(name: str) -> None:
    """Modals and Home views have rules of their own besides those of their blocks."""
    view, fault = VIEWS[name]
    found = check_view(view)
    assert found == [] if fault is None else f"[ERROR] {fault}" in found


def test_options_of_an_external_select() -> None:
    """The answer to block_suggestion holds options or groups, up to a hundred, perhaps none."""
    assert check_options({"options": []}) == []
    assert check_options({"options": [option()]}) == []
    assert check_options({}) == ["[ERROR] must define exactly one of options, option_groups [json-pointer:]"]
    assert check_options({"options": [option(str(i)) for i in range(101)]})


@pytest.mark.parametrize("junk", [None, 3, "x", [], [[]], [None], {"type": 3}, [{"type": []}], [{"type": "table"}]])
def test_junk_never_raises(junk: Any) -> None:
    """Whatever is sent is answered with sentences, not with an exception."""
    check_message(junk)
    assert check_view(junk)
