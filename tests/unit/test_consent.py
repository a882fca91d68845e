"""What an approval covers: one plan, each change once, and only the world that the approver saw."""

from dataclasses import replace

import pytest

from services import consent
from services.consent import APPROVED, BEGAN, ENDED, PLANNED, Grant
from services.model import LATER, Change, Event, Plan, Resource, Verb
from tests.unit.values import a_change, a_plan
from tests.unit.worlds_gate import NOON

PLAN = a_plan(a_change("a"), a_change("b", after={"arn": LATER, "port": 443}), a_change("k", Verb.KEEP))
OTHER = a_plan(a_change("c"))
A, B, KEPT = PLAN.changes


def event(kind: str, plan: Plan = PLAN, **data: str) -> Event:
    return Event(kind, NOON, "U1", {"digest": plan.digest, **data})


def began(change: Change, plan: Plan = PLAN) -> Event:
    return event(BEGAN, plan, key=change.key, token="t1")


def ended(change: Change, plan: Plan = PLAN) -> Event:
    return event(ENDED, plan, key=change.key)


YES = [event(PLANNED), event(APPROVED)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], Grant(None), id="nothing happened"),
        pytest.param([event(PLANNED)], Grant(None), id="planned only"),
        pytest.param(YES, Grant(PLAN), id="approved"),
        pytest.param([event(PLANNED), event(APPROVED, OTHER)], Grant(None), id="another plan was approved"),
        pytest.param([event(APPROVED), event(PLANNED)], Grant(None), id="planned anew after the approval"),
        pytest.param([event(PLANNED), event("approved in part")], Grant(None), id="one of two said yes"),
        pytest.param([*YES, began(A)], Grant(PLAN, open_tokens={A.key: "t1"}), id="begun"),
        pytest.param([*YES, began(A), ended(A)], Grant(PLAN, frozenset({A.key})), id="made"),
        pytest.param([*YES, began(A), ended(A), event(PLANNED), event(APPROVED)], Grant(PLAN), id="approved anew"),
        pytest.param([*YES, began(A, plan=OTHER)], Grant(PLAN), id="what began under another plan is not its"),
    ],
)
def test_what_is_left_of_an_approval(events: list[Event], expected: Grant) -> None:
    """From the record alone, so that it is the same after a crash."""
    assert consent.grant(PLAN, events) == expected


def test_without_a_plan_nothing_is_granted() -> None:
    """Whatever the record says."""
    assert consent.grant(None, YES) == Grant(None)


GRANTED = consent.grant(PLAN, YES)


@pytest.mark.parametrize(
    ("granted", "wanted", "said"),
    [
        pytest.param(GRANTED, A, "", id="as approved"),
        pytest.param(GRANTED, replace(B, after={"arn": "arn:1", "port": 443}), "", id="what was known later, is known"),
        pytest.param(Grant(None), A, "Nobody approved", id="without an approval"),
        pytest.param(Grant(PLAN, frozenset({A.key})), A, "done once under the approval", id="a second time"),
        pytest.param(Grant(PLAN, open_tokens={A.key: "t1"}), A, "", id="finished after a crash"),
        pytest.param(GRANTED, replace(A, name="z"), "did not change this", id="not in the plan"),
        pytest.param(GRANTED, replace(KEPT, verb=Verb.CREATE), "it existed then", id="what existed is gone"),
        pytest.param(
            GRANTED, replace(A, verb=Verb.CHANGE, before={"key": "EC"}), "exists now with key EC", id="somebody made it"
        ),
        pytest.param(GRANTED, replace(A, after={"key": "EC"}), "key was RSA_2048, is EC", id="another change"),
        pytest.param(
            GRANTED, replace(B, after={"arn": "arn:1", "port": 80}), "port was 443, is 80", id="a known part differs"
        ),
        pytest.param(GRANTED, replace(B, after={"arn": "arn:1"}), "Another change", id="a field less"),
        pytest.param(GRANTED, replace(A, resource=Resource.SERVICE), "did not change this", id="another resource"),
    ],
)
def test_an_objection_says_what_differs(granted: Grant, wanted: Change, said: str) -> None:
    """Same resource, verb, before and after; each change once."""
    objection = consent.objection(granted, wanted)
    assert said in objection
    assert bool(objection) is bool(said)


def test_a_changed_before_is_told_with_both_values() -> None:
    """The approver saw one state, the world has another."""
    approved = a_change(verb=Verb.CHANGE, before={"scheme": "internal"})
    plan = a_plan(approved)
    granted = consent.grant(plan, [event(PLANNED, plan), event(APPROVED, plan)])
    said = consent.objection(granted, replace(approved, before={"scheme": "internet-facing"}))
    assert "scheme was internal, is internet-facing" in said


@pytest.mark.parametrize(
    ("new", "said"),
    [
        pytest.param(PLAN, [], id="the same"),
        pytest.param(a_plan(A, B), ["No longer in the plan: keep ACM certificate k."], id="a line less"),
        pytest.param(
            a_plan(*PLAN.changes, a_change("n")), ["New in the plan: create ACM certificate n."], id="a line more"
        ),
        pytest.param(
            a_plan(replace(A, verb=Verb.KEEP), B, KEPT),
            ["keep ACM certificate a: was “create”, is “keep”."],
            id="a verb",
        ),
        pytest.param(
            a_plan(A, replace(B, after={"arn": "arn:1", "port": 443}), KEPT),
            ["create ACM certificate b: became known."],
            id="something became known",
        ),
        pytest.param(
            a_plan(A, replace(B, after={"arn": LATER, "port": 80}), KEPT),
            ["create ACM certificate b: port was 443, is 80."],
            id="a field",
        ),
    ],
)
def test_differences_between_two_plans(new: Plan, said: list[str]) -> None:
    """A sentence for each line that differs."""
    assert consent.differences(PLAN, new) == said


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "nothing", id="none"),
        pytest.param([], "nothing", id="an empty list"),
        pytest.param({"app": "web", "tier": "x"}, "app=web, tier=x", id="a mapping"),
        pytest.param(("a", "b"), "a, b", id="a tuple"),
        pytest.param(0, "0", id="zero is a value"),
    ],
)
def test_values_are_shown_as_people_read_them(value: object, text: str) -> None:
    """No Python in messages."""
    assert consent.shown(value) == text


def test_the_account_of_a_stopped_request() -> None:
    """What was made, what perhaps, what not."""
    account = consent.account(PLAN, [*YES, began(A), ended(A), began(B)])
    assert (account.made, account.unsure, account.not_done) == ((A,), (B,), ())
    assert consent.account(PLAN, YES).not_done == (A, B)
    assert consent.account(None, YES) == consent.Account((), (), ())


def test_what_an_earlier_plan_made_is_in_the_account() -> None:
    """The world changed half-way and it was planned anew: the certificate of the first plan exists."""
    second = a_plan(replace(A, verb=Verb.KEEP), B)
    events = [*YES, began(A), ended(A), event(PLANNED, second), event(APPROVED, second)]
    assert consent.account(second, events).made == (A,)
