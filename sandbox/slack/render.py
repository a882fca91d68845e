"""Slack messages as plain terminal text. Pure: names for ids are passed in, times are shown in UTC."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.slack.entities import Json

_EMOJI = {
    "white_check_mark": "✅", "heavy_check_mark": "✔", "x": "❌", "warning": "⚠️", "hourglass": "⌛",
    "hourglass_flowing_sand": "⏳", "wrench": "🔧", "raised_hand": "✋", "hand": "✋", "recycle": "♻️", "lock": "🔒",
    "arrows_counterclockwise": "🔄", "information_source": "ℹ️", "no_entry": "⛔", "clock1": "🕐", "eyes": "👀",
    "rocket": "🚀", "tada": "🎉", "rotating_light": "🚨", "mag": "🔍", "wastebasket": "🗑️", "question": "❓",
}  # fmt: skip
_TASK = {"pending": "○", "in_progress": "◐", "complete": "●", "error": "✗"}
_DATE = {
    "date_num": "%Y-%m-%d",
    "date": "%B %-d, %Y",
    "date_short": "%b %-d, %Y",
    "date_long": "%A, %B %-d, %Y",
    "date_pretty": "%B %-d, %Y",
    "date_short_pretty": "%b %-d, %Y",
    "date_long_pretty": "%A, %B %-d, %Y",
    "day_divider_pretty": "%A, %B %-d",
    "time": "%H:%M UTC",
    "time_secs": "%H:%M:%S UTC",
    "ago": "%Y-%m-%d %H:%M UTC",
}


@dataclass(frozen=True)
class Names:
    """What ids are called: users and channels by name, groups by handle."""

    users: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


def message(content: Json, names: Names) -> str:
    """What a person reads of a message: its blocks, else its text; then attachments and files."""
    blocks = content.get("blocks") or []
    parts = [blocks_text(blocks, names)] if blocks else [mrkdwn(content.get("text", ""), names)]
    for attached in content.get("attachments") or []:
        inner = attached.get("blocks") or []
        parts.append(blocks_text(inner, names) if inner else mrkdwn(attached.get("text", ""), names))
    parts += [f"📎 {file.get('title') or file.get('name')}" for file in content.get("files") or []]
    return "\n".join(part for part in parts if part)


def view(content: Json, names: Names) -> str:
    """What a person reads of a modal or Home view."""
    title = (content.get("title") or {}).get("text", "")
    buttons = [f"[{content[key]['text']}]" for key in ("submit", "close") if content.get(key)]
    return "\n".join(part for part in (title, blocks_text(content["blocks"], names), " ".join(buttons)) if part)


def blocks_text(blocks: list[Json], names: Names) -> str:
    """Blocks, one below the other."""
    return "\n".join(line for line in (_block(block, names) for block in blocks) if line)


# --- mrkdwn ---


def mrkdwn(text: str, names: Names) -> str:
    """Slack's markup resolved: mentions by name, links, dates, emphasis without its marks; code stays as it is."""
    pieces = re.split(r"(```.*?```|`[^`\n]+`)", text, flags=re.DOTALL)
    return "".join(_angles(p, names) if i % 2 else _emphasis(_angles(p, names)) for i, p in enumerate(pieces))


def _angles(text: str, names: Names) -> str:
    resolved = re.sub(r"<([^<>]+)>", lambda found: _resolve(found[1], names), text)
    return resolved.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _resolve(inside: str, names: Names) -> str:
    target, _, shown = inside.partition("|")
    if target.startswith("@"):
        return f"@{names.users.get(target[1:], shown or target[1:])}"
    if target.startswith("#"):
        return f"#{names.channels.get(target[1:], shown or target[1:])}"
    if target.startswith("!subteam^"):
        group = target.removeprefix("!subteam^")
        return f"@{names.groups.get(group, shown.removeprefix('@') or group)}"
    if target.startswith("!date^"):
        seconds, _, template = target.removeprefix("!date^").partition("^")
        return date_text(seconds, template.partition("^")[0], shown)
    if target.startswith("!"):
        return f"@{target[1:]}"
    if shown and shown not in (target, target.removeprefix("mailto:"), target.partition("//")[2]):
        return f"{shown} ({target})"
    return shown or target


def date_text(seconds: str, template: str = "{date_short} {time}", fallback: str = "") -> str:
    """A `<!date^…>`: the template's tokens filled in, in UTC; the fallback if it is broken."""
    try:
        at = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError):
        return fallback
    return re.sub(r"{(\w+)}", lambda token: at.strftime(_DATE[token[1]]) if token[1] in _DATE else token[0], template)


def _emphasis(text: str) -> str:
    for mark in "*_~":
        quoted = re.escape(mark)
        text = re.sub(rf"(?<![\w{quoted}]){quoted}(\S|\S[^\n{quoted}]*?\S){quoted}(?![\w{quoted}])", r"\1", text)
    return emoji(text)


def emoji(text: str) -> str:
    """Well-known :names: as characters; others stay."""
    return re.sub(r":([a-z0-9_+-]+):", lambda found: _EMOJI.get(found[1], found[0]), text)


def _text(item: Json | None, names: Names) -> str:
    """A text object."""
    if not item:
        return ""
    return mrkdwn(item["text"], names) if item["type"] == "mrkdwn" else emoji(item["text"])


# --- blocks ---


def _block(block: Json, names: Names) -> str:
    draw = _DRAW.get(block["type"])
    return draw(block, names) if draw else f"({block['type']})"


def _section(block: Json, names: Names) -> str:
    lines = [_text(block.get("text"), names)]
    lines += [" · ".join(part for part in _text(item, names).split("\n") if part) for item in block.get("fields", [])]
    if "accessory" in block:
        lines.append(_element(block["accessory"], names))
    return "\n".join(line for line in lines if line)


def _context(block: Json, names: Names) -> str:
    shown = (f"({e['alt_text']})" if e["type"] == "image" else _text(e, names) for e in block["elements"])
    return "  " + " · ".join(shown)


def _element(element: Json, names: Names) -> str:
    """A thing to press or fill."""
    if element["type"] == "image":
        return f"({element['alt_text']})"
    if element["type"] == "button":
        return f"[{_text(element['text'], names)}]"
    if element["type"].endswith("_input"):
        return "________"
    if element["type"] == "overflow":
        return " ".join(f"[{_text(option['text'], names)}]" for option in element["options"])
    options = ", ".join(_text(option["text"], names) for option in element.get("options", []))
    name = _text(element.get("placeholder"), names) or element.get("action_id", "")
    return f"[{name} ▾ {options}]" if options else f"[{name} ▾]"


def _input(block: Json, names: Names) -> str:
    hint = f" ({_text(block['hint'], names)})" if "hint" in block else ""
    return f"{_text(block['label'], names)}: {_element(block['element'], names)}{hint}"


def _image(block: Json, names: Names) -> str:
    return f"({_text(block.get('title'), names) or block['alt_text']})"


def _table(block: Json, names: Names) -> str:
    rows = [[_cell(cell, names) for cell in row] for row in block["rows"]]
    widths = [max(len(row[i]) if i < len(row) else 0 for row in rows) for i in range(max(map(len, rows), default=0))]
    padded = ("  ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows)
    return "\n".join(padded)


def _cell(cell: Json, names: Names) -> str:
    return rich_text(cell["elements"], names) if cell["type"] == "rich_text" else str(cell["text"])


def _task(block: Json, names: Names) -> str:
    parts = [f"{_TASK[block['status']]} {block['title']}"]
    parts += [rich_text(block[key]["elements"], names) for key in ("details", "output") if key in block]
    return "\n    ".join(parts)


def _plan(block: Json, names: Names) -> str:
    return "\n  ".join([block["title"], *(_task(task, names) for task in block.get("tasks", []))])


# --- rich text ---


def rich_text(elements: list[Json], names: Names) -> str:
    """The elements of a rich_text block."""
    return "\n".join(_rich(element, names) for element in elements)


def _rich(element: Json, names: Names) -> str:
    if element["type"] == "rich_text_list":
        indent = "  " * element.get("indent", 0)
        start = element.get("offset", 0) + 1
        marks = (f"{start + i}." if element["style"] == "ordered" else "•" for i in range(len(element["elements"])))
        return "\n".join(
            f"{indent}{mark} {_rich(item, names)}" for mark, item in zip(marks, element["elements"], strict=True)
        )
    text = "".join(_inline(part, names) for part in element["elements"])
    prefix = {"rich_text_preformatted": "    ", "rich_text_quote": "> "}.get(element["type"], "")
    return "\n".join(prefix + line for line in text.split("\n"))


def _inline(part: Json, names: Names) -> str:
    known: dict[str, Any] = {
        "text": lambda: part["text"],
        "link": lambda: _resolve(f"{part['url']}|{part.get('text', '')}", names),
        "user": lambda: f"@{names.users.get(part['user_id'], part['user_id'])}",
        "usergroup": lambda: f"@{names.groups.get(part['usergroup_id'], part['usergroup_id'])}",
        "channel": lambda: f"#{names.channels.get(part['channel_id'], part['channel_id'])}",
        "emoji": lambda: _EMOJI.get(part["name"], f":{part['name']}:"),
        "date": lambda: date_text(str(part["timestamp"]), part["format"], part.get("fallback", "")),
        "broadcast": lambda: f"@{part['range']}",
        "color": lambda: part["value"],
    }
    return str(known[part["type"]]())


_DRAW: dict[str, Callable[[Json, Names], str]] = {
    "header": lambda block, names: _text(block["text"], names),
    "section": _section,
    "context": _context,
    "divider": lambda block, names: "─" * 24,
    "actions": lambda block, names: " ".join(_element(element, names) for element in block["elements"]),
    "input": _input,
    "image": _image,
    "table": _table,
    "markdown": lambda block, names: block["text"],
    "rich_text": lambda block, names: rich_text(block["elements"], names),
    "task_card": _task,
    "plan": _plan,
    "alert": lambda block, names: f"! {_text(block['text'], names)}",
}
