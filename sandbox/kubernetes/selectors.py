"""Label and field selectors."""

import re
from collections.abc import Callable
from typing import Any

from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.status import Object, bad_request

Test = Callable[[Object], bool]

_SET_BASED = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s+\((?P<values>[^()]*)\)\s*$")
_EQUALITY = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|!=|=)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTENCE = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
_COMMA = re.compile(r",(?![^()]*\))")


def label_selector(text: str) -> Test:
    """A test of an object's labels. Raises ApiError (400) for a selector that does not parse."""
    tests = [_label_requirement(part, text) for part in _COMMA.split(text)] if text.strip() else []
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _label_requirement(part: str, whole: str) -> Callable[[dict[str, str]], bool]:
    if found := _EQUALITY.match(part):
        key, value, negated = found["key"], found["value"], found["op"] == "!="
        return lambda labels: (labels.get(key) == value) != negated
    if found := _SET_BASED.match(part):
        key, values, negated = found["key"], {v.strip() for v in found["values"].split(",")}, found["op"] == "notin"
        return lambda labels: (labels.get(key) in values) != negated
    if found := _EXISTENCE.match(part):
        key, negated = found["key"], bool(found["not"])
        return lambda labels: (key in labels) != negated
    raise bad_request(f"unable to parse requirement: found '{whole}', expected: valid label selector")


def field_selector(text: str, resource: Resource) -> Test:
    """A test of the fields that the resource lets a selector ask for. Raises ApiError (400) for any other."""
    wanted: list[tuple[str, bool, str]] = []
    for part in filter(None, text.split(",")):
        found = _EQUALITY.match(part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        label = found["key"]
        if label not in ("metadata.name", "metadata.namespace", *resource.field_labels):
            words = f'"{label}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            raise bad_request(words if not resource.field_labels else f"field label not supported: {label}")
        wanted.append((label, found["op"] == "!=", found["value"]))
    return lambda obj: all((_value(obj, label) == value) != negated for label, negated, value in wanted)


def _value(obj: Object, label: str) -> str:
    if label == "source":
        return str(obj.get("source", {}).get("component") or obj.get("reportingComponent", ""))
    value: Any = obj
    for name in label.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)
