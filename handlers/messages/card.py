"""The root card of a request: the state of the world, edited in place. Pure; one function per state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from handlers.messages.blocks import (
    Block,
    Message,
    actions,
    bullets,
    code,
    date,
    escape,
    fields,
    header,
    lines,
    message,
    moment,
    person,
    prose,
    section,
)
from handlers.messages.dns import found_blocks, instructions_of
from handlers.messages.plan import change_lines, counts, expiry, findings, plan_fields
from handlers.messages.verdict import details, headline, proof
from handlers.messages.words import (
    NOTHING_CHANGED,
    STEPS,
    SYMBOLS,
    GroupNames,
    again,
    approved,
    check_now,
    decidable,
    exists,
    footer,
    needs,
    next_check,
    not_done,
    place,
    plan_id,
    reason,
    step_lines,
    step_since,
    waits_for_person,
    what_exists,
)
from services.hostnames import show
from services.model import Request, State


@dataclass(frozen=True)
class _Face:
    """What a card says in one state, before it is laid out."""

    title: str  #: plain; symbol, host name, state in words
    then: str  #: mrkdwn: who acts next and what to press or type; what is unchanged
    body: list[Block]


def card(request: Request, *, now: datetime, group_names: Mapping[str, str] | None = None) -> Message:
    """The card of a request as it stands. `group_names`: user group handle (without @) -> Slack's id of it."""
    face = _FACES[request.state](request, now, group_names or {})
    blocks = [header(face.title), *face.body, section(face.then), *_buttons(request), footer(request)]
    return message(f"{escape(face.title)}. {face.then}", blocks)


def _buttons(request: Request) -> list[Block]:
    return [actions(check_now(request))] if waits_for_person(request) else []


def _titled(request: Request, words: str) -> str:
    return f"{SYMBOLS[request.state]} {show(request.hostname)}: {words}"


def _reason(request: Request) -> list[Block]:
    return [prose(reason(request), "Reason:", 300)] if reason(request) else []


def _trouble(request: Request) -> list[Block]:
    problem = str(request.wait.get("problem") or "")
    return [prose(problem, "⚠️ Problem:")] if problem else []


# ---- before the go-ahead


def _planning(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    objection, why = str(request.wait.get("objection") or ""), str(request.wait.get("why") or "")
    body = [fields(*plan_fields(request))]
    if objection:
        body.append(prose(objection, "♻️ The approval did not cover what was found:"))
    elif why:
        body.append(prose(why, "Waiting:"))
    then = f"*Next:* nothing to do; the plan appears in the thread. {what_exists(request)}"
    return _Face(_titled(request, "planning"), then, [*body, *_trouble(request)])


def _choosing(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    found = len(request.candidates)
    who = person(request.requester)
    then = f"*Next:* {who} picks a Service below in the thread. {NOTHING_CHANGED} {expiry(request)}"
    asked = section(f"I do not guess which Service is meant; {found} could be." if found else "No Service fits.")
    return _Face(_titled(request, "choosing a Service"), then, [fields(*plan_fields(request)), asked])


def _waiting(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    then = f"{needs(request, group_names)}\n*Next:* Approve or Reject the plan in the thread. {what_exists(request)}"
    if not decidable(request, now):
        then = f"The time to decide is over; it expires now. {what_exists(request)}\n*Next:* ask anew: {again(request)}"
    return _Face(_titled(request, "waiting for approval"), then, _plan(request))


def _plan(request: Request) -> list[Block]:
    plan = request.plan
    shown = [section(f"*{counts(plan)}*"), change_lines(plan), *findings(plan)] if plan else []
    return [fields(*plan_fields(request)), *_reason(request), *shown]


def _approved(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    then = f"{approved(request)}.\n*Next:* nothing to do; I compare the plan with the world once more, then begin."
    return _Face(_titled(request, "approved"), then, [*_plan(request), *_trouble(request)])


# ---- on the way


def _running(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    if waits_for_person(request):
        return _waiting_for_person(request)
    words = f"running, {place(request)} of {len(STEPS)}"
    then = f"*Next:* nothing to do; the work goes on by itself.{_go_ahead(request)}"
    what = fields(*plan_fields(request), ("This step since", step_since(request)))
    body = [what, lines(step_lines(request)), *_trouble(request)]
    return _Face(_titled(request, words), then, body)


def _go_ahead(request: Request) -> str:
    return f"\n{approved(request)}." if request.approved_by else ""


def _waiting_for_person(request: Request) -> _Face:
    wanted = instructions_of(request.wait.get("instructions"))
    checked, deadline = moment(request.wait.get("checked_at")), moment(request.wait.get("deadline"))
    what = "a DNS record" if wanted else "a person"
    body = [
        fields(
            *plan_fields(request)[:2],
            ("Who", f"whoever keeps DNS of {code(wanted.zone)}" if wanted else person(request.requester)),
            ("Record", f"{code(wanted.type)} {code(wanted.name)}" if wanted else ""),
            ("This step since", step_since(request)),
            ("Last check", date(checked) if checked else ""),
            ("Next check", next_check(request)),
            ("Waits until", date(deadline) if deadline else ""),
        ),
        lines(step_lines(request)),
        *found_blocks(str(request.wait.get("found") or "")),
        *_trouble(request),
    ]
    then = f"*Next:* make the record as the thread says, then press *Check now*.{_go_ahead(request)}"
    return _Face(f"✋ {show(request.hostname)}: waiting for {what}, {place(request)} of {len(STEPS)}", then, body)


# ---- the end


def _proven(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    unchanged = " Everything existed already; nothing was changed." if request.state is State.UNCHANGED else ""
    then = f"*Next:* nothing to do.{unchanged}"
    return _Face(headline(request), then, [*proof(request.verdict), *details(request)])


def _planned(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    then = f"*Next:* nothing to do. {NOTHING_CHANGED} To have it done: {again(request)}"
    return _Face(_titled(request, "planned (dry run)"), then, _plan(request))


def _refused(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    return _ended(request, "refused", f"{NOTHING_CHANGED}\n*Next:* {person(request.requester)} corrects the request.")


def _rejected(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    then = f"Plan {plan_id(request)} was rejected. {what_exists(request)}\n*Next:* ask anew with {again(request)}"
    return _ended(request, "rejected", then)


def _expired(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    return _ended(request, "expired", f"{what_exists(request)}\n*Next:* ask anew with {again(request)}")


def _ended(request: Request, words: str, then: str) -> _Face:
    said = [prose(request.reason, "Why:")] if request.reason else []
    hint = [prose(request.hint, "What to do:")] if request.hint else []
    return _Face(_titled(request, words), then, [fields(*plan_fields(request)), *said, *hint])


def _stopped(request: Request, now: datetime, group_names: GroupNames) -> _Face:
    step = STEPS.get(request.step)
    where = f"stopped at step {place(request)}: {step}" if step else "stopped"
    made, missing = exists(request), not_done(request) if step else []
    face = _ended(request, where, f"*Next:* {person(request.requester)} mends the cause, then {again(request)}")
    body = [
        *face.body,
        *proof(request.verdict),
        section("*What exists now*"),
        bullets(made) if made else section(NOTHING_CHANGED),
        *([section("*Not done*"), bullets(missing)] if missing else ()),
    ]
    return _Face(face.title, f"{face.then}{_go_ahead(request)}", body)


_FACES: Mapping[State, Callable[[Request, datetime, GroupNames], _Face]] = {
    State.PLANNING: _planning,
    State.CHOOSING: _choosing,
    State.WAITING: _waiting,
    State.APPROVED: _approved,
    State.RUNNING: _running,
    State.ACTIVE: _proven,
    State.UNCHANGED: _proven,
    State.PLANNED: _planned,
    State.REFUSED: _refused,
    State.REJECTED: _rejected,
    State.EXPIRED: _expired,
    State.FAILED: _stopped,
}
