"""Small combinators that say what a JSON value must look like, and name each fault the way Slack does.

A check is a function (value, pointer, findings); it adds a sentence per fault and never raises. The sentences are those
that Slack answers in `response_metadata.messages`, each ending in the JSON pointer of the fault.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Findings:
    """The faults of one payload, and what has to be unique or counted across it."""

    surface: str = "message"  #: message, modal or home
    messages: list[str] = field(default_factory=list)
    block_ids: set[str] = field(default_factory=set)
    focused: int = 0
    markdown_characters: int = 0
    tables: int = 0
    inputs: int = 0

    def add(self, sentence: str, pointer: str) -> None:
        """Note one fault at a JSON pointer."""
        self.messages.append(f"[ERROR] {sentence} [json-pointer:{pointer}]")


Check = Callable[[Any, str, Findings], None]


def string(longest: int | None = None, shortest: int = 0) -> Check:
    """A string of at most `longest` characters."""

    def check(value: Any, at: str, findings: Findings) -> None:
        if not isinstance(value, str):
            findings.add("must provide a string", at)
        elif len(value) < shortest:
            findings.add(f"must be more than {shortest - 1} characters", at)
        elif longest is not None and len(value) > longest:
            findings.add(f"must be less than {longest + 1} characters", at)

    return check


def boolean(value: Any, at: str, findings: Findings) -> None:
    """True or false."""
    if not isinstance(value, bool):
        findings.add("must provide a boolean", at)


def integer(least: int | None = None, most: int | None = None) -> Check:
    """A whole number within bounds."""

    def check(value: Any, at: str, findings: Findings) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            findings.add("must provide a number", at)
        elif least is not None and value < least:
            findings.add(f"must be greater than or equal to {least}", at)
        elif most is not None and value > most:
            findings.add(f"must be less than or equal to {most}", at)

    return check


def choice(*allowed: str) -> Check:
    """One of the given strings."""

    def check(value: Any, at: str, findings: Findings) -> None:
        if value not in allowed:
            findings.add(f"must be a valid enum value: {', '.join(allowed)}", at)

    return check


def array(item: Check, fewest: int = 0, most: int | None = None) -> Check:
    """A list of `fewest` to `most` items, each passing `item`."""

    def check(value: Any, at: str, findings: Findings) -> None:
        if not isinstance(value, list):
            findings.add("must provide an array", at)
            return
        if len(value) < fewest:
            findings.add(f"no less than {fewest} items allowed", at)
        if most is not None and len(value) > most:
            findings.add(f"no more than {most} items allowed", at)
        for index, entry in enumerate(value):
            item(entry, f"{at}/{index}", findings)

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these keys and no others (`type` is always allowed: union() looks at it)."""
    known = {**required, **(optional or {})}

    def check(value: Any, at: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add("must provide an object", at)
            return
        for key in required:
            if key not in value:
                findings.add(f"missing required field: {key}", at)
        for key, entry in value.items():
            if key in known:
                known[key](entry, f"{at}/{key}", findings)
            elif key != "type":
                findings.add(f"invalid additional property: {key}", at)

    return check


def union(members: Mapping[str, Check]) -> Check:
    """An object whose `type` chooses the check."""

    def check(value: Any, at: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add("must provide an object", at)
        elif not isinstance(value.get("type"), str):
            findings.add("missing required field: type", at)
        elif value["type"] not in members:
            findings.add(f"unsupported type: {value['type']}", f"{at}/type")
        else:
            members[value["type"]](value, at, findings)

    return check


def both(*checks: Check) -> Check:
    """All checks, in order."""

    def check(value: Any, at: str, findings: Findings) -> None:
        for one in checks:
            one(value, at, findings)

    return check


def exactly_one_of(*keys: str) -> Check:
    """Of these keys of an object, one must be there and only one."""

    def check(value: Any, at: str, findings: Findings) -> None:
        if isinstance(value, dict) and sum(key in value for key in keys) != 1:
            findings.add(f"must define exactly one of {', '.join(keys)}", at)

    return check


def at_least_one_of(*keys: str) -> Check:
    """Of these keys of an object, at least one must be there."""

    def check(value: Any, at: str, findings: Findings) -> None:
        if isinstance(value, dict) and not any(key in value for key in keys):
            findings.add(f"must define either {' or '.join(keys)}", at)

    return check
