"""Draws lines of a demo's transcript as an SVG picture, for README and docs.

    make demo PLAY=once | python docs/draw_transcript.py docs/pictures/demo.svg

Takes the plan's card, the instructions of the second act and the verdicts: what a person sees, in the order in which
they see it.
"""

import html
import re
import sys
import textwrap
from pathlib import Path

WIDTH = 116  # characters
LINE, COLUMN, MARGIN = 18, 7.6, 20
COLOURS = {"▶": "#ffd479", "│": "#d8dee9", "↳": "#88c0d0", "=": "#a3be8c", "…": "#88c0d0"}


#: What is worth a picture, each once but for what somebody does.
WORTH: tuple[tuple[str, bool], ...] = (  # a pattern, and whether every match is shown
    (r"^▶", True),
    (r"^===", True),
    (r"^nlbtls\n│ .*: waiting for approval", False),
    (r"a DNS record is needed", False),
    (r"^app\.example\.com: proven", True),
    (r"^shop\.example\.org: proven", True),
)


def chosen(transcript: str) -> list[str]:
    """Commands and clicks, the first plan on its card, the first instructions, the two verdicts."""
    kept: list[str] = []
    shown: set[str] = set()
    for block in (b.strip() for b in transcript.split("\n\n")):
        pattern, always = next(((p, a) for p, a in WORTH if re.search(p, block)), ("", False))
        if pattern and (always or pattern not in shown):
            kept.append(block)
            shown.add(pattern)
    return kept


def lines(blocks: list[str]) -> list[str]:
    """Wrapped to the picture's width, a blank line between two blocks."""
    drawn: list[str] = []
    for block in blocks:
        for line in block.splitlines():
            lead = re.match(r"\s*(│\s*)?", line)
            indent = lead.group(0) if lead else ""
            drawn += textwrap.wrap(line, WIDTH, subsequent_indent=indent + "  ", drop_whitespace=False) or [""]
        drawn.append("")
    return drawn


def svg(drawn: list[str]) -> str:
    """One text element per line, white space kept."""
    height = len(drawn) * LINE + 2 * MARGIN
    width = int(WIDTH * COLUMN) + 2 * MARGIN
    rows = [
        f'<text x="{MARGIN}" y="{MARGIN + (i + 1) * LINE}" fill="{_colour(line)}">{html.escape(line)}</text>'
        for i, line in enumerate(drawn)
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12.5" xml:space="preserve">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" rx="8" fill="#242933"/>', *rows, "</svg>", ""])


def _colour(line: str) -> str:
    return next((colour for mark, colour in COLOURS.items() if line.lstrip().startswith(mark)), "#eceff4")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(svg(lines(chosen(sys.stdin.read()))), encoding="utf-8")
