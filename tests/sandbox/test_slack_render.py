"""Slack messages as terminal text."""

from typing import Any

import pytest

from sandbox.slack import render

NAMES = render.Names(users={"U1": "rita"}, channels={"C1": "platform"}, groups={"S1": "oncall"})


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("hello", "hello"),
        ("<@U1> and <@U2>", "@rita and @U2"),
        ("<@U2|otto>", "@otto"),
        ("<#C1>, <#C2|ops>", "#platform, #ops"),
        ("<!subteam^S1>", "@oncall"),
        ("<!subteam^S2|@web>", "@web"),
        ("<!here>", "@here"),
        ("<https://a.example>", "https://a.example"),
        ("<https://a.example|the log>", "the log (https://a.example)"),
        ("<http://a.example|a.example>", "a.example"),
        ("<!date^1700000000^{date_num} {time}|soon>", "2023-11-14 22:13 UTC"),
        ("<!date^1700000000^{date_short}^https://a.example|soon>", "Nov 14, 2023"),
        ("<!date^never^{date_num}|soon>", "soon"),
        ("*bold* _italic_ ~gone~", "bold italic gone"),
        ("2*3*4 a_b_c", "2*3*4 a_b_c"),
        ("`*code*` ```_block_```", "`*code*` ```_block_```"),
        ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
        (":white_check_mark: :unheard_of:", "✅ :unheard_of:"),
    ],
)
def test_mrkdwn(markup: str, plain: str) -> None:
    """Mentions, links, dates and emphasis are resolved; code and ordinary stars are left alone."""
    assert render.mrkdwn(markup, NAMES) == plain


def text(words: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": words}


def test_a_card() -> None:
    """Blocks are drawn one below the other; what can be pressed is in brackets."""
    blocks = [
        {"type": "header", "text": text("TLS for app.example.com")},
        {"type": "section", "text": {"type": "mrkdwn", "text": "*Plan*"}, "fields": [text("Zone\nexample.com")]},
        {
            "type": "plan",
            "title": "Steps",
            "tasks": [{"type": "task_card", "title": "certificate", "status": "complete"}],
        },
        {"type": "context", "elements": [text("a"), {"type": "mrkdwn", "text": "<@U1>"}]},
        {"type": "divider"},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "text": text("Approve")},
                {"type": "overflow", "options": [{"text": text("Cancel"), "value": "c"}]},
                {"type": "static_select", "placeholder": text("Service"), "options": [{"text": text("web")}]},
            ],
        },
    ]
    assert render.message({"text": "fallback", "blocks": blocks}, NAMES).split("\n") == [
        "TLS for app.example.com",
        "Plan",
        "Zone · example.com",
        "Steps",
        "  ● certificate",
        "  a · @rita",
        "─" * 24,
        "[Approve] [Cancel] [Service ▾ web]",
    ]


def test_rich_text_and_tables() -> None:
    """Lists are numbered or dotted, code is indented, table columns line up."""
    section = {
        "type": "rich_text_section",
        "elements": [{"type": "text", "text": "one "}, {"type": "user", "user_id": "U1"}],
    }
    numbered: dict[str, Any] = {"type": "rich_text_list", "style": "ordered", "elements": [section, section]}
    code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "a\nb"}]}
    cells: list[Any] = [[{"type": "raw_text", "text": "Type"}, {"type": "raw_text", "text": "Name"}],
             [{"type": "raw_text", "text": "CNAME"}, {"type": "raw_text", "text": "app"}]]  # fmt: skip
    blocks: list[Any] = [{"type": "rich_text", "elements": [numbered, code]}, {"type": "table", "rows": cells}]
    assert render.blocks_text(blocks, NAMES).split("\n") == [
        "1. one @rita", "2. one @rita", "    a", "    b", "Type   Name", "CNAME  app",
    ]  # fmt: skip


def test_text_is_only_the_fallback() -> None:
    """With blocks the text is not shown, as in Slack; without, it is; files are named."""
    assert render.message({"text": "fallback"}, NAMES) == "fallback"
    shown = {"text": "fallback", "blocks": [{"type": "header", "text": text("Seen")}], "files": [{"title": "plan.txt"}]}
    assert render.message(shown, NAMES) == "Seen\n📎 plan.txt"


def test_a_modal() -> None:
    """Title, blocks, then the buttons below."""
    element = {"type": "plain_text_input", "action_id": "host"}
    view = {
        "title": text("New name"),
        "submit": text("Plan"),
        "close": text("Cancel"),
        "blocks": [{"type": "input", "label": text("Host"), "element": element, "hint": text("full name")}],
    }
    assert render.view(view, NAMES) == "New name\nHost: ________ (full name)\n[Plan] [Cancel]"
