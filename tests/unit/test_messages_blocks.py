"""The builders: what foreign text cannot do, where things are cut, how times and names are written."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.messages import blocks
from handlers.messages.blocks import code, cut_markup, date, duration, enumerated, moment, person

WHEN = datetime(2026, 3, 1, 14, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<!channel>", "`&lt;!channel&gt;`"),
        ("a`b*c*\nd", "`a'b*c* d`"),
        ("<https://evil.example|app.example.com>", "`&lt;https://evil.example|app.example.com&gt;`"),
        ("app\u202emoc.elpmaxe", "`appmoc.elpmaxe`"),
        ("", "`–`"),
    ],
)
def test_a_foreign_value_as_code(value: str, expected: str) -> None:
    """One line of code: no mention, no link, no formatting, no way out of the backticks, no reversed reading."""
    assert code(value) == expected


@pytest.mark.parametrize(
    ("user", "expected"), [("U0ONCALL001", "<@U0ONCALL001>"), ("U1> <!here", "`U1&gt; &lt;!here`")]
)
def test_a_person_is_mentioned_only_by_an_id(user: str, expected: str) -> None:
    """What is no id of Slack's is shown, not mentioned."""
    assert person(user) == expected


def test_a_link_needs_an_address() -> None:
    """Anything else is only a label; the label cannot end the link."""
    assert blocks.link("https://x.slack.com/p1", "a>b") == "<https://x.slack.com/p1|a&gt;b>"
    assert blocks.link("javascript:x|y", "Go") == "Go"
    assert blocks.channel("C0X> <!here") == "`C0X&gt; &lt;!here`"


def test_prose_is_literal_but_for_code() -> None:
    """Backticks make code, an odd one is a character, markup is only characters."""
    section = blocks.prose("use `a b`, not <!channel> or *c*", "Why:")["elements"][0]["elements"]
    assert [e["text"] for e in section] == ["Why:", " ", "use ", "a b", ", not <!channel> or *c*"]
    assert [e.get("style") for e in section] == [{"bold": True}, None, None, {"code": True}, None]
    assert "".join(e["text"] for e in blocks.prose("it`s")["elements"][0]["elements"]) == "it`s"


def test_mrkdwn_is_verbatim() -> None:
    """Slack shall not look for links and names in our text by itself."""
    built = [blocks.section("a")["text"], blocks.fields(("a", "b"))["fields"][0], blocks.context("a")["elements"][0]]
    assert all(text["verbatim"] for text in built)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["word ", "<@U0ONCALL001>", "&amp;", "`co de`", date(WHEN)]), max_size=60),
    st.integers(10, 200),
)
def test_markup_is_not_cut_in_the_middle(pieces: list[str], limit: int) -> None:
    """Whatever the length, no half mention, date or entity and no open code is left."""
    cut = cut_markup("".join(pieces), limit)
    assert len(cut) <= limit
    assert cut.count("<") == cut.count(">")
    assert cut.count("&") == cut.count("&amp;")
    assert cut.count("`") % 2 == 0


def test_a_long_name_keeps_both_ends() -> None:
    """The start says which host, the end says which domain and, in a title, which state."""
    cut = blocks.clip_middle("app." + "x" * 300 + ".example.com: planning", 60)
    assert len(cut) == 60
    assert cut.startswith("app.")
    assert cut.endswith(".example.com: planning")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (14, "14 s"), (190, "3 min 10 s"), (120, "2 min"), (7500, "2 h 5 min"), (86400 * 3 + 59, "3 d"),
     (-5, "0 s")],
)  # fmt: skip
def test_durations(seconds: int, text: str) -> None:
    """Two units at most."""
    assert duration(timedelta(seconds=seconds)) == text


def test_dates() -> None:
    """Each reader's own clock, with the fallback in UTC; naive and ISO times are UTC."""
    assert date(WHEN) == "<!date^1772373720^{date_short_pretty} {time}|2026-03-01 14:02 UTC>"
    assert moment("2026-03-01T14:02:00") == moment("2026-03-01T15:02:00+01:00") == moment(WHEN) == WHEN
    assert moment("") is None
    assert moment(None) is None


def test_enumerations() -> None:
    """Words between, and a count for what is too much."""
    assert [enumerated(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert enumerated(list("abc"), last="or") == "a, b or c"
    assert enumerated(["x"] * 64, 3) == "x, x, x and 61 more"


def test_lists_say_what_they_leave_out() -> None:
    """Whole points only; the rest is a number."""
    points = blocks.bullets([f"{i} {'x' * 90}" for i in range(100)], 1000)["elements"][0]["elements"]
    shown = len(points) - 1
    assert 3 < shown < 10
    assert points[-1]["elements"][0]["text"] == f"… and {100 - shown} more"
