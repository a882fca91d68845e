"""What becomes of a request after an answer, a decision or an error. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services import consent, transitions
from services.errors import Permanent, Refused, ServiceError, Transient
from services.model import (
    Done,
    Endpoint,
    EndpointState,
    Event,
    Facts,
    Instructions,
    Notice,
    Plan,
    Request,
    State,
    Stop,
    Target,
    Verb,
    Verdict,
    Wait,
    WaitFor,
)
from services.planner import Choose, NotYet, Planned, Refusal
from services.transitions import Next
from tests.unit.values import a_change, a_plan, a_request
from tests.unit.worlds_gate import NOON

PLAN = a_plan(a_change("a"), a_change("b"))
NOTHING_TO_DO = a_plan(a_change("a", Verb.KEEP))
A, B = PLAN.changes
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
ENDPOINT = Endpoint("e1", "app.example.com", EndpointState.PENDING, 1, None, Facts(), NOON)


def planned(plan: Plan = PLAN) -> Planned:
    return Planned(plan, ("@oncall",), 1, timedelta(hours=24))


def replan(request: Request, plan: Plan = PLAN) -> Next:
    return transitions.after_planning(request, planned(plan), NOON, patient=True, first_group="eu-west-1:certificate")


def kinds(following: Next) -> list[str]:
    return [n.kind for n in following.notices]


# ---- planning


def test_a_plan_waits_for_approval_until_it_expires() -> None:
    """With its approvers, in the group that only time wakes."""
    after = replan(a_request())
    request = after.request
    assert (request.state, request.group, kinds(after)) == (State.WAITING, "expiry", ["plan"])
    assert request.expires_at == request.due_at == NOON + timedelta(hours=24)
    assert (request.approvers, request.plan_version) == (("@oncall",), 1)


def test_a_dry_run_ends_as_planned() -> None:
    """Shown, and nothing can be approved."""
    after = replan(a_request(dry_run=True))
    assert (after.request.state, after.request.due_at, kinds(after)) == (State.PLANNED, None, ["plan"])


def test_a_plan_without_effects_needs_no_approval() -> None:
    """It goes on to the proof."""
    after = replan(a_request(), NOTHING_TO_DO)
    assert (after.request.state, after.request.step, kinds(after)) == (State.RUNNING, "certificate", [])


APPROVED = a_request(state=State.APPROVED, plan=PLAN, spec=PLAN.spec, approved_by=("U-oncall",), plan_version=1)


def test_an_identical_plan_keeps_the_approval() -> None:
    """Looked at again right before it begins, and all is as it was."""
    after = replan(APPROVED)
    assert (after.request.state, after.request.approved_by) == (State.RUNNING, ("U-oncall",))
    assert [e.kind for e in after.events] == ["confirmed"]


def test_another_plan_asks_again_and_says_what_differs() -> None:
    """No effect; a new version; the approval is gone."""
    after = replan(APPROVED, a_plan(A, replace(B, after={"key": "EC"})))
    assert (after.request.state, after.request.approved_by, after.request.plan_version) == (State.WAITING, (), 2)
    assert "key was RSA_2048, is EC" in after.notices[0].data["differences"][0]


def test_what_a_person_outside_did_meanwhile_takes_nothing_from_the_approval() -> None:
    """Their record was asked for, now it is there: ASK became KEEP."""
    before = a_plan(A, a_change("dns", Verb.ASK))
    after = replan(APPROVED.with_(plan=before), a_plan(A, a_change("dns", Verb.KEEP)))
    assert after.request.state is State.RUNNING
    assert after.request.plan == before


def test_an_objection_comes_first_among_the_differences() -> None:
    """What stopped it half-way, then what else differs, each once."""
    objected = a_request(plan=PLAN, wait={"objection": "Changed since."})
    after = replan(objected, a_plan(A))
    assert after.notices[0].data["differences"] == [
        "Changed since.",
        "No longer in the plan: create ACM certificate b.",
    ]


def test_a_choice_is_offered_for_a_day() -> None:
    """With the candidates, and whether anything names them."""
    choose = Choose((Target("main", "demo", "app", "why"),), named=True)
    after = transitions.after_planning(a_request(), choose, NOON, patient=True, first_group="")
    assert (after.request.state, after.notices[0].data) == (State.CHOOSING, {"none": False})
    assert after.request.expires_at == NOON + timedelta(hours=24)


def refuse(request: Request) -> Next:
    return transitions.after_planning(request, Refusal("No.", "Do."), NOON, patient=True, first_group="")


def test_a_refusal_before_any_plan_is_private() -> None:
    """Nobody else saw anything of it."""
    after = refuse(a_request())
    assert (after.request.state, after.notices[0].audience.value) == (State.REFUSED, "requester")


def test_a_refusal_after_a_plan_is_told_in_the_thread() -> None:
    """People saw a plan, perhaps approved it."""
    assert (refuse(APPROVED).request.state, kinds(refuse(APPROVED))) == (State.FAILED, ["stopped"])


def test_planning_tries_again_with_bounded_pauses() -> None:
    """2, 4, 8, then 15 seconds, however often: a day of outage must not end in an overflow."""
    request, pauses = APPROVED, []
    for _ in range(200):
        after = transitions.after_planning(request, NotYet("No answer."), NOON, patient=True, first_group="")
        assert after.request.due_at is not None
        pauses.append(int((after.request.due_at - NOON).total_seconds()))
        request = after.request
    assert pauses[:4] == [2, 4, 8, 15]
    assert max(pauses) == 15


def test_lasting_trouble_with_an_approved_plan_is_told_once() -> None:
    """Whoever approved sees why nothing happens."""
    request, told = APPROVED, []
    for _ in range(20):
        after = transitions.after_planning(request, NotYet("No answer."), NOON, patient=True, first_group="")
        told += kinds(after)
        request = after.request
    assert told == ["problem"]


def test_planning_gives_up_at_the_end_of_patience() -> None:
    """With what could not be seen."""
    after = transitions.after_planning(a_request(), NotYet("No answer."), NOON, patient=False, first_group="")
    assert (after.request.state, after.request.reason) == (State.REFUSED, "No answer.")


# ---- people


def test_the_last_approval_needed_sets_it_going() -> None:
    """Two are needed: the first one is noted, the second one starts."""
    waiting = a_request(state=State.WAITING, plan=PLAN, approvals_needed=2)
    first = transitions.approved(waiting, "U1", NOON)
    assert (first.request.state, first.notices[0].data["more_needed"]) == (State.WAITING, 1)
    second = transitions.approved(first.request, "U2", NOON)
    assert (second.request.state, second.request.due_at) == (State.APPROVED, NOON)
    assert second.events[0].data["by"] == ["U1", "U2"]


@pytest.mark.parametrize(
    ("after", "state", "notice"),
    [
        pytest.param(transitions.rejected(APPROVED, "U1", "no", NOON), State.REJECTED, "rejected", id="rejected"),
        pytest.param(transitions.expired(APPROVED, NOON), State.EXPIRED, "expired", id="expired"),
        pytest.param(
            transitions.undeliverable(APPROVED, "not_in_channel", NOON), State.REFUSED, "undeliverable", id="no place"
        ),
    ],
)
def test_ends_without_any_effect(after: Next, state: State, notice: str) -> None:
    """It lets go of its host name and is never due again."""
    request = after.request
    assert (request.state, request.ended_at, request.due_at) == (state, NOON, None)
    assert not state.is_open
    assert kinds(after) == [notice]


def test_a_choice_becomes_part_of_the_wish() -> None:
    """And the patience of planning begins anew."""
    choosing = a_request(state=State.CHOOSING, wish={"port": 8443}, created_at=NOON - HOUR)
    request = transitions.chosen(choosing, "main/demo/app", "U-dev", NOON).request
    assert request.wish == {"port": 8443, "cluster": "main", "namespace": "demo", "service": "app"}
    assert (request.state, request.created_at, request.step_since) == (State.PLANNING, NOON - HOUR, NOON)


# ---- waiting

RECORD = Instructions("validation", "CNAME", "_x.app.example.com", "_x.app", "example.com", "_y.test")
RUNNING = APPROVED.with_(state=State.RUNNING, step="validation", step_since=NOON)


def waits(request: Request, wait: Wait, *moments: datetime) -> list[Notice]:
    """Everything told over several looks that find the same."""
    told: list[Notice] = []
    for moment in moments:
        after = transitions.waited(request, wait, moment)
        told += after.notices
        request = after.request
    return told


def test_instructions_and_problems_are_told_once() -> None:
    """However often it is looked at."""
    wait = Wait("why", SECOND, WaitFor.PERSON, RECORD, problem="Wrong value.", found="Wrong value.")
    told = waits(RUNNING, wait, *(NOON + SECOND * n for n in range(10)))
    assert [n.kind for n in told] == ["instructions", "problem"]


def test_another_problem_is_told_again() -> None:
    """Each distinct text once, also when they alternate."""
    first, second = (Wait("why", SECOND, problem=p) for p in ("One.", "Two."))
    request, told = RUNNING, []
    for wait in (first, second, first, second):
        after = transitions.waited(request, wait, NOON)
        told += [n.data["sentence"] for n in after.notices]
        request = after.request
    assert told == ["One.", "Two."]


def test_warnings_at_48_and_66_hours_once_each() -> None:
    """Every ten minutes for three days, and two warnings."""
    wait = Wait("why", timedelta(minutes=10), warn_from=NOON)
    told = waits(RUNNING, wait, *(NOON + timedelta(minutes=10) * n for n in range(6 * 72)))
    assert [n.data["sentence"][:25] for n in told] == ["This has waited 48 of 72 ", "This has waited 66 of 72 "]


def test_two_limits_passed_at_once_are_one_warning() -> None:
    """After a long pause of the bot: the later one says all."""
    told = waits(RUNNING, Wait("why", SECOND, warn_from=NOON), NOON + HOUR * 70, NOON + HOUR * 71)
    assert [n.data["sentence"][:25] for n in told] == ["This has waited 66 of 72 "]


def test_a_look_that_finds_nothing_new_shows_nothing_new() -> None:
    """No event, no edit of the card; only the next look is later."""
    wait = Wait("why", SECOND * 3)
    first = transitions.waited(RUNNING, wait, NOON)
    second = transitions.waited(first.request, wait, NOON + SECOND * 3)
    assert (first.show, second.show, second.events) == (True, False, ())
    assert second.request.due_at == NOON + SECOND * 6


@pytest.mark.parametrize(
    ("decision", "data"),
    [
        pytest.param(
            Wait("why", SECOND, WaitFor.PERSON, found="Not there."),
            {"found": "Not there.", "ok": False},
            id="not there",
        ),
        pytest.param(Wait("ACM's turn.", SECOND), {"found": "ACM's turn.", "ok": True}, id="right, ACM's turn"),
        pytest.param(Done(Facts()), {"found": "The record is right.", "ok": True}, id="right, and on"),
    ],
)
def test_check_now_is_answered_once(decision: Wait | Done, data: dict[str, Any]) -> None:
    """To whoever pressed it, with what was found."""
    asked = transitions.asked_to_check(RUNNING, "U-dev", NOON).request
    assert asked.due_at == NOON
    if isinstance(decision, Wait):
        after = transitions.waited(asked, decision, NOON)
        assert transitions.waited(after.request, decision, NOON).notices == ()
    else:
        after = transitions.advanced(asked, decision, "load_balancer", "g", NOON)
        assert "asked_by" not in after.request.wait
    assert after.notices[0].data == {**data, "asked_by": "U-dev"}


# ---- trouble

THROTTLED, DENIED = Transient("Slow down.", code="Throttling"), Permanent("AWS denies x.", hint="Allow x.")


def troubles(error: ServiceError, count: int, request: Request = RUNNING) -> tuple[Request, list[str], list[float]]:
    """After so many failed looks: the request, what was told, the pauses in seconds."""
    told, pauses, now = [], [], NOON
    for _ in range(count):
        after = transitions.troubled(request, error, (), now)
        told += kinds(after)
        request = after.request
        if request.due_at is not None:
            pauses.append((request.due_at - now).total_seconds())
            now = request.due_at
    return request, told, pauses


def test_throttling_backs_off_and_is_told_only_when_it_lasts() -> None:
    """2, 4, 8 … at most 300 seconds; a word after the fifth failure, and only one."""
    _, told, pauses = troubles(THROTTLED, 4)
    assert (told, pauses) == ([], [2, 4, 8, 16])
    _, told, pauses = troubles(THROTTLED, 12)
    assert (told, max(pauses)) == (["problem"], 300)


def test_a_permission_error_is_told_at_once_and_once() -> None:
    """It does not heal by itself."""
    _, told, _ = troubles(DENIED, 6)
    assert told == ["problem"]


def test_the_other_side_may_say_how_long() -> None:
    """Retry-After counts."""
    _, _, pauses = troubles(Transient("Slow down.", after=42), 1)
    assert pauses == [42]


def test_a_good_look_forgets_the_trouble() -> None:
    """Backoff begins anew."""
    request, _, _ = troubles(THROTTLED, 4)
    assert transitions.waited(request, Wait("why", SECOND), NOON).request.attempts == 0


@pytest.mark.parametrize(
    ("error", "patience"),
    [
        pytest.param(DENIED, HOUR, id="a permission error for an hour"),
        pytest.param(Refused("Foreign."), HOUR, id="a refused look for an hour"),
        pytest.param(THROTTLED, HOUR * 72, id="throttling for three days"),
    ],
)
def test_no_trouble_lasts_for_ever(error: ServiceError, patience: timedelta) -> None:
    """Then it stops, with a true account of what was made."""
    request, _, _ = troubles(error, 1)
    events = [
        Event(consent.PLANNED, NOON, "nlbtls", {}),
        Event(consent.APPROVED, NOON, "U1", {"digest": PLAN.digest}),
        Event(consent.BEGAN, NOON, "nlbtls", {"digest": PLAN.digest, "key": A.key, "token": "t"}),
        Event(consent.ENDED, NOON, "nlbtls", {"digest": PLAN.digest, "key": A.key}),
    ]
    assert transitions.troubled(request, error, events, NOON + patience).request.state is State.RUNNING
    after = transitions.troubled(request, error, events, NOON + patience + SECOND)
    assert after.request.state is State.FAILED
    assert after.notices[0].data["exists"] == ["create ACM certificate a"]
    assert after.notices[0].data["unchanged"] == ["create ACM certificate b"]


def test_a_failed_act_names_the_action_and_what_is_unchanged() -> None:
    """Access denied on the second change of two."""
    events = [Event(consent.APPROVED, NOON, "U1", {"digest": PLAN.digest})]
    after = transitions.act_failed(RUNNING, A, DENIED, events, NOON)
    data = after.notices[0].data
    assert data["reason"] == "Could not create ACM certificate a: AWS denies x."
    assert (data["exists"], data["unchanged"], data["hint"]) == (
        [],
        ["create ACM certificate a", "create ACM certificate b"],
        "Allow x.",
    )


def test_a_throttled_act_is_tried_again() -> None:
    """It is not known whether it was made: look again."""
    assert transitions.act_failed(RUNNING, A, THROTTLED, (), NOON).request.state is State.RUNNING


# ---- ends


def at_the_end(request: Request) -> tuple[State, Endpoint]:
    after = transitions.finished(request, Done(Facts(certificate_arn="arn:1"), verdict=Verdict(())), NOON)
    assert after.endpoint is not None
    return after.request.state, after.endpoint(ENDPOINT)


def test_a_proven_request_makes_its_endpoint_active() -> None:
    """With the spec and facts that were proven."""
    state, endpoint = at_the_end(RUNNING)
    assert state is State.ACTIVE
    assert (endpoint.state, endpoint.spec, endpoint.active_since) == (EndpointState.ACTIVE, PLAN.spec, NOON)


def test_a_proof_without_changes_is_unchanged() -> None:
    """Everything existed already."""
    assert at_the_end(RUNNING.with_(plan=NOTHING_TO_DO))[0] is State.UNCHANGED


@pytest.mark.parametrize(
    ("known", "made", "state"),
    [
        pytest.param(EndpointState.PENDING, True, EndpointState.INCOMPLETE, id="something was made"),
        pytest.param(EndpointState.PENDING, False, EndpointState.PENDING, id="nothing was made"),
        pytest.param(EndpointState.ACTIVE, True, EndpointState.ACTIVE, id="it serves on"),
    ],
)
def test_what_a_stop_leaves_of_the_endpoint(known: EndpointState, made: bool, state: EndpointState) -> None:
    """Incomplete only if something of it exists."""
    record = [Event(consent.APPROVED, NOON, "U1", {"digest": PLAN.digest})]
    if made:
        record.append(Event(consent.BEGAN, NOON, "nlbtls", {"digest": PLAN.digest, "key": A.key, "token": "t"}))
    after = transitions.stopped(RUNNING, Stop("Why."), record, NOON)
    assert after.endpoint is not None
    assert after.endpoint(replace(ENDPOINT, state=known)).state is state
