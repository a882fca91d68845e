"""What becomes of a request after a decision, an answer of a person or an error. Pure: request in, `Next` out.

Every transition names its event for the record and the notices for the people concerned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services import consent
from services.errors import Refused, ServiceError, Transient
from services.model import (
    PATIENCE,
    Audience,
    Change,
    Done,
    Endpoint,
    EndpointState,
    Event,
    Facts,
    Notice,
    Progress,
    Request,
    State,
    Stop,
    Wait,
    WaitFor,
)
from services.planner import Choose, NotYet, Outcome, Planned, Refusal

BOT = "nlbtls"
EXPIRY = "expiry"
PLANNING = "planning"
WARN_AFTER = (timedelta(hours=48), timedelta(hours=66))
#: A look that fails this often in a row is worth telling (throttling passes by itself).
TELL_AFTER_ATTEMPTS = 5
PERMANENT_PATIENCE = timedelta(hours=1)
#: Longest pause between two tries of planning.
_PLANNING_PAUSE = 15


@dataclass(frozen=True)
class Next:
    """A request as it shall be written, with what is recorded and told."""

    request: Request
    events: tuple[Event, ...] = ()
    notices: tuple[Notice, ...] = ()
    endpoint: Callable[[Endpoint], Endpoint] | None = None
    show: bool = True  #: whether its card has something new to show


# ---- planning


def after_planning(request: Request, outcome: Outcome, now: datetime, patient: bool, first_group: str) -> Next:
    """A plan to approve, a choice, a refusal, or another try."""
    match outcome:
        case Planned():
            return _planned(request, outcome, now, first_group)
        case Choose():
            return _choose(request, outcome, now)
        case NotYet() if patient:
            return _plan_later(request, outcome, now)
        case NotYet():
            return _no_plan(request, Refusal(outcome.why, "Try again in some minutes."), now)
        case Refusal():
            return _no_plan(request, outcome, now)


def _plan_later(request: Request, not_yet: NotYet, now: datetime) -> Next:
    """Another try; whoever approved something hears of it if it lasts, others read it on the card."""
    attempts = request.attempts + 1
    pause = timedelta(seconds=min(2 ** min(attempts, 10), _PLANNING_PAUSE))
    again = request.with_(attempts=attempts, due_at=now + pause, wait={**request.wait, "why": not_yet.why})
    tell = request.state is State.APPROVED and attempts == TELL_AFTER_ATTEMPTS
    notices = (Notice("problem", {"sentence": not_yet.why, "hint": ""}),) if tell else ()
    return Next(again, notices=notices, show=request.wait.get("why") != not_yet.why)


def _planned(request: Request, planned: Planned, now: datetime, first_group: str) -> Next:
    plan, old = planned.plan, request.plan
    made = request.with_(
        spec=plan.spec,
        plan=plan,
        plan_version=request.plan_version + 1,
        approvers=planned.approvers,
        approvals_needed=planned.approvals,
        candidates=(),
        attempts=0,
        wait={},
    )
    event = Event(consent.PLANNED, now, BOT, {"digest": plan.digest, "changes": [asdict(c) for c in plan.changes]})
    # what a person outside did meanwhile (ASK became KEEP) takes nothing from what was approved
    same = old is not None and (old.spec, old.effects) == (plan.spec, plan.effects)
    if request.state is State.APPROVED and same:
        return _running(request.with_(attempts=0, wait={}), Event("confirmed", now, BOT, {"digest": plan.digest}), now,
                        first_group)  # fmt: skip
    if request.dry_run:
        ended = made.with_(state=State.PLANNED, due_at=None, ended_at=now)
        return Next(ended, (event,), (Notice("plan", {"version": made.plan_version, "differences": []}),))
    if not plan.effects:
        return _running(made, event, now, first_group)
    said = consent.differences(old, plan) if old else []
    objection = request.wait.get("objection")
    differences = [objection, *(d for d in said if d != objection)] if objection else said
    notice = Notice(
        "plan", {"version": made.plan_version, "differences": differences, "previous": old.id if old else ""}
    )
    expires = now + planned.expires_after
    waiting = made.with_(
        state=State.WAITING, approved_by=(), approved_at=None, expires_at=expires, due_at=expires, group=EXPIRY
    )
    return Next(waiting, (event,), (notice,))


def _running(request: Request, event: Event, now: datetime, first_group: str) -> Next:
    step = first_group.rpartition(":")[2]
    return Next(
        request.with_(
            state=State.RUNNING,
            facts=Facts(),
            step=step,
            step_since=now,
            progress=(Progress(step, now),),
            group=first_group,
            due_at=now,
            expires_at=None,
        ),
        (event,),
    )


def _choose(request: Request, choose: Choose, now: datetime) -> Next:
    expires = now + timedelta(hours=24)
    return Next(
        request.with_(
            state=State.CHOOSING,
            candidates=choose.candidates,
            expires_at=expires,
            due_at=expires,
            group=EXPIRY,
            wait={},
        ),
        (Event("choice offered", now, BOT, {"candidates": [t.ref for t in choose.candidates]}),),
        (Notice("choice", {"none": not choose.named}),),
    )


def _no_plan(request: Request, refusal: Refusal, now: datetime) -> Next:
    data = {"sentence": refusal.sentence, "hint": refusal.hint}
    event = Event("refused", now, BOT, data)
    if request.state is State.APPROVED or request.plan is not None:
        # people in the thread saw a plan: they shall hear what became of it
        ended = _end(request, State.FAILED, now, refusal.sentence, refusal.hint)
        notice = Notice("stopped", {"reason": refusal.sentence, "hint": refusal.hint, "exists": [], "unchanged": []})
        return Next(ended, (event,), (notice,))
    ended = _end(request, State.REFUSED, now, refusal.sentence, refusal.hint)
    return Next(ended, (event,), (Notice("refused", data, Audience.REQUESTER),))


# ---- people


def approved(request: Request, person: str, now: datetime) -> Next:
    """One more approval; the last one needed sets the request going."""
    by = (*request.approved_by, person)
    missing = request.approvals_needed - len(by)
    digest = request.plan.digest if request.plan else ""
    notice = Notice("approved", {"by": person, "more_needed": max(missing, 0)})
    if missing > 0:
        event = Event("approved in part", now, person, {"digest": digest})
        return Next(request.with_(approved_by=by), (event,), (notice,))
    going = request.with_(
        approved_by=by,
        approved_at=now,
        state=State.APPROVED,
        step_since=now,
        due_at=now,
        group=PLANNING,
        expires_at=None,
    )
    return Next(going, (Event(consent.APPROVED, now, person, {"digest": digest, "by": list(by)}),), (notice,))


def rejected(request: Request, person: str, reason: str, now: datetime) -> Next:
    """One no is final."""
    ended = _end(request, State.REJECTED, now, reason)
    data = {"by": person, "reason": reason}
    return Next(ended, (Event("rejected", now, person, data),), (Notice("rejected", data),))


def chosen(request: Request, ref: str, person: str, now: datetime) -> Next:
    """The Service was picked from the candidates: plan with it."""
    cluster, namespace, service = ref.split("/")
    wish = {**request.wish, "cluster": cluster, "namespace": namespace, "service": service}
    planning = request.with_(
        state=State.PLANNING, wish=wish, candidates=(), due_at=now, group=PLANNING, expires_at=None, step_since=now
    )
    return Next(planning, (Event("chosen", now, person, {"target": ref}),))


def asked_to_check(request: Request, person: str, now: datetime) -> Next:
    """Somebody wants the external record looked at now."""
    wait = {**request.wait, "asked_by": person}
    return Next(request.with_(due_at=now, wait=wait), (Event("check asked", now, person),), show=False)


def expired(request: Request, now: datetime) -> Next:
    """Nobody decided in time."""
    reason = "Nobody chose a Service in time." if request.state is State.CHOOSING else "Nobody approved it in time."
    ended = _end(request, State.EXPIRED, now, reason)
    return Next(ended, (Event("expired", now, BOT),), (Notice("expired", {}),))


def undeliverable(request: Request, code: str, now: datetime) -> Next:
    """The place where it was asked for cannot be written to."""
    ended = _end(request, State.REFUSED, now, "I cannot write in that channel.")
    event = Event("undeliverable", now, BOT, {"code": code})
    return Next(ended, (event,), (Notice("undeliverable", {"code": code}, Audience.REQUESTER),))


# ---- rungs


def advanced(request: Request, done: Done, step: str, group: str, now: datetime) -> Next:
    """The rung holds: on to the next."""
    following = request.with_(
        facts=done.facts,
        step=step,
        step_since=now,
        progress=(*_closed(request, now), Progress(step, now)),
        group=group,
        due_at=now,
        attempts=0,
        wait={},
    )
    return Next(following, (Event("held", now, BOT, {"step": request.step}),), _answer_to_check(request, done))


def finished(request: Request, done: Done, now: datetime) -> Next:
    """Proven."""
    nothing_made = request.plan is not None and not request.plan.effects
    ended = replace(
        _end(request, State.UNCHANGED if nothing_made else State.ACTIVE, now),
        facts=done.facts,
        verdict=done.verdict,
        progress=_closed(request, now),
        attempts=0,
    )

    def endpoint(known: Endpoint) -> Endpoint:
        since = known.active_since if known.state is EndpointState.ACTIVE else now
        return replace(known, state=EndpointState.ACTIVE, spec=request.spec, facts=done.facts, active_since=since)

    return Next(ended, (Event("proven", now, BOT, _verdict_data(ended)),), (Notice("verdict", {}),), endpoint)


def waited(request: Request, wait: Wait, now: datetime) -> Next:
    """Somebody else has to move; look again later. Tells each trouble and each instruction once."""
    told = list(request.wait.get("told", ()))
    notices: list[Notice] = []
    deadline = wait.warn_from + PATIENCE if wait.warn_from else None

    def once(mark: str, notice: Notice) -> None:
        if mark not in told:
            told.append(mark)
            notices.append(notice)

    if wait.instructions:
        data = {"instructions": asdict(wait.instructions), "found": wait.found, "deadline": _iso(deadline)}
        once(f"instructions {wait.instructions.purpose}", Notice("instructions", data))
    if wait.problem:
        once(f"problem {wait.problem}", Notice("problem", {"sentence": wait.problem}))
    passed = [limit for limit in WARN_AFTER if wait.warn_from and now >= wait.warn_from + limit]
    if passed:  # after a long pause two limits may be passed at once: one warning is enough
        hours = int(passed[-1].total_seconds() // 3600)
        sentence = f"This has waited {hours} of 72 hours. After that a new request is needed."
        once(f"warning {hours}", Notice("warning", {"sentence": sentence}))
    notices += _answer_to_check(request, wait)
    shown = {
        "why": wait.why,
        "wait_for": wait.wait_for.value,
        "instructions": asdict(wait.instructions) if wait.instructions else None,
        "problem": wait.problem,
        "found": wait.found,
        "deadline": _iso(deadline),
    }
    news = any(request.wait.get(k) != v for k, v in shown.items()) or bool(notices)
    until = now + wait.recheck
    record = {**shown, "until": until.isoformat(), "checked_at": now.isoformat(), "told": told}
    following = request.with_(wait=record, due_at=until, attempts=0, facts=wait.facts or request.facts)
    events = (Event("waiting", now, BOT, {"step": request.step, "why": wait.why, "found": wait.found}),) if news else ()
    return Next(following, events, tuple(notices), show=news)


def _answer_to_check(request: Request, decision: Done | Wait) -> tuple[Notice, ...]:
    person = request.wait.get("asked_by")
    if not person:
        return ()
    if isinstance(decision, Done):
        return (Notice("found", {"found": "The record is right.", "ok": True, "asked_by": person}),)
    ok = decision.wait_for is not WaitFor.PERSON
    return (Notice("found", {"found": decision.found or decision.why, "ok": ok, "asked_by": person}),)


def stopped(request: Request, stop: Stop, events: Sequence[Event], now: datetime) -> Next:
    """No way on. Says what exists and what is unchanged; the endpoint is incomplete if anything was made."""
    account = consent.account(request.plan, events)
    exists = [consent.title(c) for c in account.made] + [f"{consent.title(c)} (perhaps)" for c in account.unsure]
    unchanged = [consent.title(c) for c in account.not_done]
    ended = _end(request, State.FAILED, now, stop.reason, stop.hint).with_(verdict=stop.verdict)
    data = {"reason": stop.reason, "hint": stop.hint, "exists": exists, "unchanged": unchanged}

    def endpoint(known: Endpoint) -> Endpoint:
        if known.state is EndpointState.ACTIVE or not exists:
            return known
        return replace(known, state=EndpointState.INCOMPLETE, spec=request.spec, facts=request.facts)

    event = Event("stopped", now, BOT, {"step": request.step, **data})
    return Next(ended, (event,), (Notice("stopped", data),), endpoint)


def world_changed(request: Request, objection: str, now: datetime) -> Next:
    """The approval does not cover what would be done now: plan anew and ask again. Nothing was done."""
    planning = request.with_(
        state=State.PLANNING,
        group=PLANNING,
        due_at=now,
        wait={"objection": objection},
        step_since=now,
        approved_by=(),
        attempts=0,
    )
    return Next(planning, (Event("approval does not cover", now, BOT, {"why": objection}),))


def began(request: Request, change: Change, token: str, now: datetime) -> Next:
    """Committed before the effect: uses the approval up."""
    data = {"digest": request.plan.digest if request.plan else "", "key": change.key, "token": token}
    return Next(request, (Event(consent.BEGAN, now, BOT, data),), show=False)


def ended(request: Request, change: Change, facts: Facts, now: datetime) -> Next:
    """The effect was made; look again at once. What others make of it has its time from now on: the rung may have been
    reached hours ago, before an outage or a restart."""
    data = {"digest": request.plan.digest if request.plan else "", "key": change.key}
    following = request.with_(facts=facts, step_since=now, due_at=now, attempts=0)
    return Next(following, (Event(consent.ENDED, now, BOT, data),), show=False)


def refused_once(request: Request, error: Refused, now: datetime) -> Next:
    """The other side said no: look again first, the world may explain it better than the error does."""
    following = request.with_(
        attempts=request.attempts + 1, due_at=now + timedelta(seconds=1), wait={**request.wait, "refused": True}
    )
    return Next(following, (Event("refused by provider", now, BOT, _error_data(error)),), show=False)


def act_failed(request: Request, change: Change, error: ServiceError, events: Sequence[Event], now: datetime) -> Next:
    """The change was not made, or it is not known whether it was."""
    if isinstance(error, Transient):
        return troubled(request, error, events, now)
    return stopped(request, Stop(f"Could not {consent.title(change)}: {error.sentence}", error.hint), events, now)


def troubled(request: Request, error: ServiceError, events: Sequence[Event], now: datetime) -> Next:
    """A look failed. Throttling passes by itself and is told only when it lasts; a missing permission at once."""
    attempts = request.attempts + 1
    since = datetime.fromisoformat(request.wait["troubled_since"]) if request.wait.get("troubled_since") else now
    if now - since > (PATIENCE if isinstance(error, Transient) else PERMANENT_PATIENCE):
        return stopped(request, Stop(error.sentence, error.hint), events, now)
    pause = (error.after if isinstance(error, Transient) and error.after else 0) or min(2 ** min(attempts, 10), 300)
    tell = not isinstance(error, Transient) or attempts >= TELL_AFTER_ATTEMPTS
    told = list(request.wait.get("told", ()))
    mark = f"problem {error.sentence}"
    notices: tuple[Notice, ...] = ()
    if tell and mark not in told:
        told.append(mark)
        notices = (Notice("problem", {"sentence": error.sentence, "hint": error.hint, "raw": error.reference}),)
    wait: Mapping[str, Any] = {
        **request.wait,
        "problem": error.sentence if tell else request.wait.get("problem", ""),
        "told": told,
        "troubled_since": since.isoformat(),
    }
    following = request.with_(attempts=attempts, wait=wait, due_at=now + timedelta(seconds=pause))
    return Next(following, (Event("look failed", now, BOT, _error_data(error)),), notices, show=bool(notices))


# ---- small things


def _end(request: Request, state: State, now: datetime, reason: str = "", hint: str = "") -> Request:
    return request.with_(state=state, ended_at=now, due_at=None, expires_at=None, reason=reason, hint=hint)


def _closed(request: Request, now: datetime) -> tuple[Progress, ...]:
    return tuple(p if p.done_at else replace(p, done_at=now) for p in request.progress)


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _error_data(error: ServiceError) -> dict[str, str]:
    return {
        "kind": type(error).__name__,
        "sentence": error.sentence,
        "code": error.code,
        "reference": error.reference,
    }


def _verdict_data(request: Request) -> dict[str, Any]:
    return {} if request.verdict is None else {"lines": [asdict(line) for line in request.verdict.lines]}
