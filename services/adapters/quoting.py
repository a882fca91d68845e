"""How much of a foreign message a sentence may carry."""

LONGEST = 300  #: characters


def cut(text: str, longest: int = LONGEST) -> str:
    """On one line, and not longer than a person reads."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
