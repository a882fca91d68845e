"""The store's JSON: everything comes back as it went in, and documents of older versions load."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.adapters.store.codec import decode, decode_data, encode, encode_data, moment, seconds
from services.errors import Permanent
from services.model import Change, Endpoint, Facts, Plan, Request, Resource, Scheme, Spec, State, Verb, Wait
from tests.adapters.store_values import NOON, a_request, an_endpoint

TEXTS = st.text(max_size=4)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | TIMES
FREE = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.lists(inner, max_size=2).map(tuple) | st.dictionaries(TEXTS, inner, max_size=2)
    ),
    max_leaves=4,
)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """All values of a type of the model, every field filled: a new field is tested from the day it is added."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if NoneType in arguments:
        return st.none() | values_of(next(a for a in arguments if a is not NoneType))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(TEXTS, FREE if arguments[1] is Any else values_of(arguments[1]), max_size=2)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    assert isinstance(hint, type)
    assert is_dataclass(hint)
    hints = get_type_hints(hint)
    return st.builds(hint, **{f.name: values_of(hints[f.name]) for f in fields(hint)})


_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    datetime: TIMES,
}


@settings(max_examples=60, deadline=None)
@given(values_of(Request))
def test_every_request_comes_back_equal(request_: Request) -> None:
    """Through JSON text and back, a request with any values in any field is the same, and so is its plan's digest."""
    back = decode(Request, json.loads(json.dumps(encode(request_))))
    assert back == request_
    assert type(back.state) is State


@settings(max_examples=30, deadline=None)
@given(values_of(Endpoint))
def test_every_endpoint_comes_back_equal(endpoint: Endpoint) -> None:
    """The same for endpoints."""
    assert decode(Endpoint, json.loads(json.dumps(encode(endpoint)))) == endpoint


def test_a_plan_keeps_its_digest() -> None:
    """An approval names the digest of a plan; the plan that was read back still has it, and compares field by field."""
    spec = Spec("app.example.com", "main", "web", "app", source_ranges=("10.0.0.0/8",), scheme=Scheme.INTERNAL)
    after = {"values": ("a", "b"), "ports": ["443 → 80"], "ttl": 300, "alias": {"zone": "Z1"}}
    plan = Plan(spec, (Change(Verb.CREATE, Resource.DNS_RECORD, "app.example.com A", None, after),))
    back = decode(Plan, json.loads(json.dumps(encode(plan))))
    assert back.digest == plan.digest
    assert back.changes == plan.changes
    assert back.spec.source_ranges == ("10.0.0.0/8",)
    assert back.spec.scheme is Scheme.INTERNAL


def test_an_older_document_takes_the_defaults() -> None:
    """Fields that an older version did not write have their default."""
    document = encode(a_request(facts=Facts(certificate_arn="arn:1"), approvals_needed=3))
    for name in ("approvals_needed", "progress", "verdict", "wish"):
        del document[name]
    del document["facts"]["dual_stack"]
    back = decode(Request, document)
    assert (back.approvals_needed, back.progress, back.verdict, back.wish) == (1, (), None, {})
    assert back.facts == Facts(certificate_arn="arn:1")


def test_unknown_keys_are_ignored() -> None:
    """What another version wrote beside is not an error, at any depth."""
    document = encode(an_endpoint())
    document["colour"] = "red"
    document["facts"]["shade"] = "dark"
    assert decode(Endpoint, document) == an_endpoint()


@pytest.mark.parametrize("broken", [{"state": "dreaming"}, {"id": None}])
def test_what_cannot_be_read_is_said(broken: dict[str, Any]) -> None:
    """A state that this version does not know, or a required field that is missing, is a Permanent in plain words."""
    document = {**encode(a_request()), **broken}
    document = {name: value for name, value in document.items() if value is not None}
    with pytest.raises(Permanent, match="A Request in the database cannot be read by this version") as caught:
        decode(Request, document)
    assert caught.value.code == "Unreadable"


def test_times_are_utc_to_the_microsecond() -> None:
    """Stored as seconds since the epoch whatever the zone, and back as aware UTC."""
    there = datetime(2026, 7, 8, 9, 10, 11, 123457, tzinfo=timezone(timedelta(hours=5)))
    assert moment(seconds(there)) == there
    assert moment(seconds(there)).tzinfo is UTC
    assert encode(a_request(due_at=NOON))["due_at"] == NOON.timestamp()


def test_naive_times_are_refused() -> None:
    """A time without a zone would mean another moment on another machine."""
    with pytest.raises(ValueError, match="has no time zone"):
        seconds(datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_free_data_keeps_times_and_tells_lists_from_tuples() -> None:
    """Data of events and notices: enums become their text, all else is as it was written, nested too."""
    data = {"at": NOON, "names": ["a", "b"], "deep": {"pairs": [(1, None)]}, "state": State.ACTIVE}
    back = decode_data(json.loads(json.dumps(encode_data(data))))
    assert back == {**data, "state": "active"}


@pytest.mark.parametrize("bad", [{"a": object()}, {"a": {1, 2}}, {1: "a"}, {"a": Facts()}, {"a": timedelta(1)}])
def test_free_data_that_would_not_come_back_is_refused(bad: Any) -> None:
    """Better an error where it is written than another value where it is read."""
    with pytest.raises(TypeError):
        encode_data(bad)


def test_a_field_of_a_type_without_json_form_fails_at_once() -> None:
    """A Wait holds a timedelta, which is not stored; a field like that in a stored type fails in every test."""
    with pytest.raises(TypeError, match="timedelta"):
        decode(Wait, {})
