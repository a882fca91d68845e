"""Builders for Block Kit: the only place that knows Slack's limits, its escaping and its markup.

Two ways to show text. `section`, `fields` and `context` take mrkdwn that we wrote, foreign values put in by `code`,
`person` or `date`. `prose`, `lines`, `bullets` and `preformatted` take text from anywhere: rich_text is literal, so
nothing in it can become a link, a mention or formatting; only `backticks` turn into code.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

Block = dict[str, Any]

HEADER, SECTION, FIELD, OPTION, OPTION_VALUE, BUTTON = 150, 3000, 2000, 75, 150, 75
FIELDS, OPTIONS, BLOCKS = 10, 100, 50
CONFIRM_TITLE, CONFIRM_TEXT, CONFIRM_BUTTON = 100, 300, 30
#: Not a limit of Slack, which allows 40,000: notifications and screen readers are served better by less.
FALLBACK = 1500
#: Slack refuses a message whose blocks are longer than about 13,200 characters in all, containers included, with
#: msg_blocks_too_long; that is measured, not documented (slackapi/bolt-js#2509, #2867). Options are not counted here.
TOTAL = 12_000


class Message(TypedDict):
    """What chat.postMessage, chat.update and a response_url take. `text` says all that matters on its own."""

    text: str
    blocks: list[Block]


# ---- text


def clean(text: str) -> str:
    """Without control characters and without marks that turn the direction of reading (they can disguise a name)."""
    return _UNSEEN.sub("", text)


#: Category Cc but for line feed and tab, and the marks of direction.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clip(text: str, limit: int) -> str:
    """At most `limit` characters; what was cut is said by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def clip_middle(text: str, limit: int) -> str:
    """At most `limit` characters with both ends kept: of a long host name they say more than the middle."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return text[:head] + "…" + text[len(text) - (limit - 1 - head) :]


def escape(text: str) -> str:
    """Text in which Slack sees neither link nor mention."""
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str, limit: int = 300) -> str:
    """A foreign value as inline code: on one line, not formatted and never made a link."""
    flat = clip_middle(" ".join(clean(text[: 4 * limit]).split()).replace("`", "'"), limit)
    while len(escape(flat)) > limit:  # "&" takes five characters
        flat = clip_middle(flat, len(flat) * 3 // 4)
    return f"`{escape(flat) or '–'}`"


def person(user_id: str) -> str:
    """A mention of one person; anything that is no id of Slack's is shown as it is."""
    return f"<@{user_id}>" if re.fullmatch(r"[UW][A-Z0-9]+", user_id) else code(user_id)


def link(url: str, label: str) -> str:
    """A link of ours; without a proper address only the label."""
    return f"<{url}|{escape(label)}>" if re.fullmatch(r"https?://[^\s|<>]+", url) else escape(label)


def channel(channel_id: str) -> str:
    """A mention of a channel."""
    return f"<#{channel_id}>" if re.fullmatch(r"[CGD][A-Z0-9]+", channel_id) else code(channel_id)


def people(user_ids: Iterable[str]) -> str:
    """Several people: "<@U1>, <@U2> and <@U3>"."""
    return enumerated([person(u) for u in user_ids])


def enumerated(items: Sequence[str], most: int = 20, last: str = "and") -> str:
    """ "a, b and c"; with more than `most`: "a, b and 3 more"."""
    shown = [*items[:most], f"{len(items) - most} more"] if len(items) > most else list(items)
    return f" {last if len(items) <= most else 'and'} ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def counted(number: int, noun: str) -> str:
    """ "1 approval", "2 approvals"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def moment(value: object) -> datetime | None:
    """A time from a value or its ISO form; None if there is none. Without a zone it is UTC."""
    found = datetime.fromisoformat(value) if isinstance(value, str) and value else value
    return (found if found.tzinfo else found.replace(tzinfo=UTC)) if isinstance(found, datetime) else None


def date(value: datetime) -> str:
    """A moment as each reader's own clock shows it; where that fails, in UTC."""
    fallback = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(value.timestamp())}^{{date_short_pretty}} {{time}}|{fallback}>"


def duration(value: timedelta) -> str:
    """ "14 s", "3 min 10 s", "2 h 5 min", "3 d 4 h": the two largest units."""
    seconds = max(0, int(value.total_seconds()))
    units = (("d", seconds // 86400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60), ("s", seconds % 60))
    first = next((i for i, (_, n) in enumerate(units) if n), 3)
    return " ".join(f"{n} {unit}" for unit, n in units[first : first + 2] if n) or "0 s"


# ---- blocks of our own mrkdwn


def _mrkdwn(text: str, limit: int) -> Block:
    # verbatim: Slack shall not look for links, channels and names in it on its own
    return {"type": "mrkdwn", "text": cut_markup(text, limit), "verbatim": True}


def cut_markup(text: str, limit: int) -> str:
    """mrkdwn of at most `limit` characters, not cut inside a mention, a date, an entity or code."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 2]
    if cut.rfind("<") > cut.rfind(">"):
        cut = cut[: cut.rfind("<")]
    if cut.rfind("&") > cut.rfind(";"):
        cut = cut[: cut.rfind("&")]
    return cut + "…" + ("`" if cut.count("`") % 2 else "")


def header(text: str) -> Block:
    """The title of a message."""
    return {"type": "header", "text": {"type": "plain_text", "text": clip_middle(clean(text), HEADER)}}


def section(*paragraphs: str) -> Block:
    """Lines of mrkdwn; empty ones are left out."""
    return {"type": "section", "text": _mrkdwn("\n".join(filter(None, paragraphs)), SECTION)}


def sections(rows: Iterable[str]) -> list[Block]:
    """Many lines of mrkdwn in as few sections as they need, no line torn apart."""
    packed: list[str] = []
    for row in rows:
        if packed and len(packed[-1]) + 1 + len(row) <= SECTION:
            packed[-1] += "\n" + row
        else:
            packed.append(row)
    return [section(text) for text in packed]


def fields(*pairs: tuple[str, str]) -> Block:
    """Labelled values in two columns; pairs without a value are left out."""
    shown = [_mrkdwn(f"*{label}*\n{value}", FIELD) for label, value in pairs if value]
    return {"type": "section", "fields": shown[:FIELDS]}


def context(*parts: str) -> Block:
    """Small print, its parts separated by dots."""
    return {"type": "context", "elements": [_mrkdwn(" · ".join(filter(None, parts)), SECTION)]}


# ---- blocks of text from anywhere


#: Pieces of code in one line; further backticks are characters (each piece takes far more of the length than it shows).
MOST_CODE = 10


def _inline(text: str) -> list[Block]:
    """Elements of rich text; what stands between two backticks is code."""
    pieces = clean(text).split("`", 2 * MOST_CODE)
    if len(pieces) % 2 == 0:  # an odd backtick is only a character
        pieces[-2:] = ["`".join(pieces[-2:])]
    styled = [(piece, {"style": {"code": True}} if i % 2 else {}) for i, piece in enumerate(pieces)]
    return [{"type": "text", "text": piece, **style} for piece, style in styled if piece]


def _line(lead: str, text: str, limit: int) -> list[Block]:
    bold = [{"type": "text", "text": clean(lead), "style": {"bold": True}}] if lead else []
    gap = [{"type": "text", "text": " "}] if lead and text else []
    return [*bold, *gap, *_inline(_clip_json(text, limit))]


def _clip_json(text: str, limit: int) -> str:
    """At most `limit` characters in JSON, where quotes and line ends take two."""
    text = clip(text, limit)
    while length(text) - 2 > limit:
        text = clip(text, len(text) * 3 // 4)
    return text


def prose(text: str, lead: str = "", limit: int = 1000) -> Block:
    """One paragraph, opened by a bold word if there is a lead."""
    elements = _line(lead, text, limit) or [{"type": "text", "text": "–"}]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def lines(pairs: Iterable[tuple[str, str]], budget: int = 3000, each: int = 500) -> Block:
    """One line per (bold lead, text). Whole lines beyond `budget` characters are counted, not shown."""
    rows = _within([*pairs] or [("", "–")], budget, each)
    newline = [{"type": "text", "text": "\n"}]
    elements = [e for i, row in enumerate(rows) for e in (newline + row if i else row)]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def bullets(sentences: Iterable[str], budget: int = 1800, each: int = 500) -> Block:
    """A list with one sentence a point. Whole points beyond `budget` characters are counted, not shown."""
    rows = _within([("", s) for s in sentences if s.strip()] or [("", "–")], budget, each)
    points = [{"type": "rich_text_section", "elements": row} for row in rows]
    return {"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": points}]}


#: What the container of a line or point takes of a message's length.
_CONTAINER = 45


def _within(pairs: Sequence[tuple[str, str]], budget: int, each: int) -> list[list[Block]]:
    """The lines that fit into the budget, at least one, and how many are left out."""
    kept: list[list[Block]] = []
    for lead, text in pairs:
        row = _line(lead, text, each) or _line("", "–", each)
        budget -= length(row) + _CONTAINER
        if kept and budget < 0:
            return [*kept, _line("", f"… and {len(pairs) - len(kept)} more", each)]
        kept.append(row)
    return kept


def preformatted(text: str, limit: int = 2800) -> Block:
    """A code block, shown exactly as it is, to be copied."""
    element = {"type": "text", "text": _clip_json(clean(text), limit) or "–"}
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [element]}]}


# ---- things to press


def confirm(title: str, text: str, yes: str, no: str) -> Block:
    """The question asked before a button counts."""
    texts = {"title": (title, CONFIRM_TITLE), "text": (text, CONFIRM_TEXT), "confirm": (yes, 30), "deny": (no, 30)}
    return {name: {"type": "plain_text", "text": clip(clean(t), limit)} for name, (t, limit) in texts.items()}


def button(label: str, action_id: str, value: str, *, style: str = "", ask: Block | None = None) -> Block:
    """A button; `value` is an opaque id and nothing else. `style`: primary, danger or nothing."""
    optional = {"style": style, "confirm": ask}
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": clip(label, BUTTON)},
        "action_id": action_id,
        "value": value,
        **{key: part for key, part in optional.items() if part},
    }


def select(placeholder: str, action_id: str, choices: Sequence[tuple[str, str]]) -> Block:
    """A drop-down list of (label, value); the first hundred, which is what Slack takes."""
    options = [
        {"text": {"type": "plain_text", "text": clip_middle(clean(label), OPTION)}, "value": value}
        for label, value in choices[:OPTIONS]
    ]
    return {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": {"type": "plain_text", "text": placeholder},
        "options": options,
    }


def actions(*elements: Block, block_id: str = "") -> Block:
    """A row of things to press."""
    return {"type": "actions", "elements": list(elements), **({"block_id": block_id} if block_id else {})}


# ---- messages


def message(text: str, blocks: Iterable[Block]) -> Message:
    """A message; `text` is mrkdwn and is what notifications and screen readers get."""
    return {"text": cut_markup(text, FALLBACK), "blocks": list(blocks)}


def length(part: Block | list[Block] | str) -> int:
    """Characters of a part as Slack seems to count them for msg_blocks_too_long; options of selects left out."""

    def bare(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: bare(v) for k, v in value.items() if k != "options"}
        return [bare(v) for v in value] if isinstance(value, list) else value

    return len(json.dumps(bare(part), ensure_ascii=False, separators=(",", ":")))
