"""The plan in the thread: what would change, before and after, who may agree, and the buttons while they count."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from handlers.messages.blocks import (
    TOTAL,
    Block,
    Message,
    actions,
    bullets,
    button,
    clip,
    clip_middle,
    code,
    confirm,
    date,
    enumerated,
    escape,
    fields,
    header,
    length,
    lines,
    message,
    preformatted,
    prose,
    section,
)
from handlers.messages.words import (
    NOTHING_CHANGED,
    SYMBOLS,
    GroupNames,
    again,
    approved,
    decidable,
    footer,
    host,
    needs,
    plan_id,
    reason,
    service,
    until,
    what_exists,
)
from services.consent import shown, title
from services.hostnames import show
from services.model import Change, Plan, Request, Scheme, Spec, State, Verb
from services.storage import Post

SIGNS: Mapping[Verb, str] = {Verb.CREATE: "+", Verb.CHANGE: "~", Verb.KEEP: "=", Verb.ASK: "✋"}
#: Characters of one line and one block of the diff, and what the blocks around it take of a message.
DIFF_LINE, DIFF_BLOCK, DIFF_MARGIN = 300, 2600, 600


def render(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    """The plan that a post announced, as it stands now: to be decided, or with what became of it."""
    plan, version = request.plan, int(post.data.get("version", request.plan_version))
    if plan is None or version < request.plan_version:
        return _replaced(request)
    differences = [str(d) for d in post.data.get("differences", ())]
    open_ = decidable(request, now)
    outcome = needs(request, group_names) if open_ else became(request)
    heading = _heading(request, bool(differences))
    before = [
        header(heading),
        *(_changed_world(request, differences, str(post.data.get("previous") or "")) if differences else ()),
        fields(*plan_fields(request)),
        *([prose(reason(request), "Reason:", 300)] if reason(request) else ()),
        section(f"*{counts(plan)}*"),
    ]
    after = [
        *findings(plan),
        section(outcome),
        *([decision_buttons(request, plan)] if open_ else ()),
        footer(request),
    ]
    why = "The world changed; earlier approvals are void. " if differences else ""
    changes = [preformatted(piece) for piece in diff(plan, TOTAL - length(before + after) - DIFF_MARGIN)]
    return message(f"{escape(heading)}. {why}{counts(plan)}. {outcome}", [*before, *changes, *after])


def _heading(request: Request, changed: bool) -> str:
    name = show(request.hostname)
    plan = request.plan.id if request.plan else ""
    if request.state is not State.WAITING:
        return f"{SYMBOLS[request.state]} {name}: plan {plan}, {request.state}"
    return f"{'♻️' if changed else SYMBOLS[State.WAITING]} {name}: plan {plan}, waiting for approval"


def _changed_world(request: Request, differences: list[str], previous: str) -> list[Block]:
    since = f"since plan {code(previous)}" if previous else "since the plan before"
    void = section(f"Earlier approvals are void. {what_exists(request)}")
    return [section(f"♻️ *The world changed* {since}:"), bullets(differences, 1200), void]


def _replaced(request: Request) -> Message:
    if request.plan is None:
        what = "This plan is void; a new one is being made."
    else:
        what = f"This plan was replaced by plan {plan_id(request)}; look at that one, further down."
    heading = f"♻️ {show(request.hostname)}: an older plan"
    text = f"{what} Approvals of it do not count."
    return message(f"{escape(heading)}. {text}", [header(heading), section(text), footer(request)])


def became(request: Request) -> str:
    """What became of the current plan, in a sentence or two; for plans that cannot be decided any more."""
    match request.state:
        case State.PLANNED:
            return f"Dry run: {NOTHING_CHANGED.lower()} To have it done: {again(request)}"
        case State.REJECTED:
            return f"Plan {plan_id(request)} was rejected. {NOTHING_CHANGED}"
        case State.EXPIRED:
            return f"Plan {plan_id(request)} expired without approval. {NOTHING_CHANGED}"
        case State.WAITING:
            return f"The time to decide on plan {plan_id(request)} is over. {what_exists(request)}"
        case State.PLANNING:
            return "The approval did not cover the world as it was found; a new plan is being made."
    by = approved(request)
    return f"{by}. The request is *{request.state}* now." if by else f"The request is *{request.state}* now."


def decision_buttons(request: Request, plan: Plan) -> Block:
    """Approve and Reject; their value is request and digest, so that no other plan can be meant."""
    value = f"{request.id}:{plan.digest}"
    name = clip_middle(show(request.hostname), 120)
    target = clip_middle(f"{plan.spec.cluster}/{plan.spec.namespace}/{plan.spec.source}", 80)
    return actions(
        button("Approve", "approve", value, style="primary",
               ask=confirm(f"Approve plan {plan.id}?", f"{name} for {target}: {counts(plan)}. Each change is covered "
                           "once.", f"Approve {plan.id}", "Back")),
        button("Reject", "reject", value, style="danger",
               ask=confirm(f"Reject plan {plan.id}?", f"This ends the request for {name}. {NOTHING_CHANGED}",
                           f"Reject {plan.id}", "Back")),
    )  # fmt: skip


# ---- what the card shows too


def plan_fields(request: Request) -> list[tuple[str, str]]:
    """What is asked for, and under which name and until when it can be agreed to."""
    spec = request.spec
    named = [("Host", host(request))]
    if spec:
        named += [
            ("Service", service(spec)),
            ("Cluster", code(spec.cluster)),
            ("Namespace", code(spec.namespace)),
            ("Listens on", f"port {spec.port}, {spec.scheme}"),
            ("Who can connect", _audience(spec)),
        ]
    expires = until(request) if request.state is State.WAITING else ""
    return [*named, ("Plan", plan_id(request) if request.plan else ""), ("Expires", expires)]


def _audience(spec: Spec) -> str:
    if spec.source_ranges:
        return enumerated([code(r) for r in spec.source_ranges], 5)
    return "everybody" if spec.scheme is Scheme.INTERNET_FACING else "everybody inside"


def counts(plan: Plan) -> str:
    """ "3 to create, 1 to keep": what the plan comes to."""
    words = {Verb.CREATE: "to create", Verb.CHANGE: "to change", Verb.ASK: "to be made by a person", Verb.KEEP: "kept"}
    numbers = {verb: sum(c.verb is verb for c in plan.changes) for verb in words}
    return ", ".join(f"{n} {words[verb]}" for verb, n in numbers.items() if n) or "nothing to change"


def change_lines(plan: Plan) -> Block:
    """One line per change: + ~ = ✋, the verb in words, the resource by name."""
    shown_ = ((SIGNS[c.verb], title(replace(c, name=f"`{clip_middle(c.name, 180)}`"))) for c in plan.changes)
    return lines(shown_, 3000)


def findings(plan: Plan) -> list[Block]:
    """What is worth knowing before approval."""
    if not plan.findings:
        return []
    return [section("*Worth knowing*"), bullets((f.sentence for f in plan.findings), 1000)]


# ---- the diff


def diff(plan: Plan, budget: int) -> list[str]:
    """Every change with its fields, before → after, as plain text in pieces that fit a block each.

    What does not fit into `budget` characters (as `length` counts them) is cut evenly: every change keeps its first
    line, and says how many of its fields are left out.
    """
    width = DIFF_LINE
    heads = _heads(plan, width)
    while sum(map(length, heads)) > budget * 2 // 3 and width > 40:
        width -= width // 4
        heads = _heads(plan, width)
    room = (budget - sum(map(length, heads))) // max(1, len(heads))
    rows = [row for head, change in zip(heads, plan.changes, strict=True) for row in (head, *_fields(change, room))]
    pieces: list[str] = []
    for row in rows:
        if pieces and length(pieces[-1]) + length(row) <= DIFF_BLOCK:
            pieces[-1] += "\n" + row
        else:
            pieces.append(row)
    return pieces


def _heads(plan: Plan, width: int) -> list[str]:
    return [clip_middle(f"{SIGNS[c.verb]} {title(c)}", width) for c in plan.changes]


def _fields(change: Change, room: int) -> list[str]:
    """The lines below a change's first one, in at most `room` characters; what is left out is said."""
    rows = [clip(f"    {row}", DIFF_LINE) for row in _differing(change)]
    kept: list[str] = []
    for i, row in enumerate(rows):
        room -= length(row)
        if room < (len("    … 99 more") if i + 1 < len(rows) else 0):
            return [*kept, f"    … {len(rows) - i} more"]
        kept.append(row)
    return kept


def _differing(change: Change) -> Iterator[str]:
    if change.verb is Verb.KEEP:
        return
    before, after = dict(_flat(change.before)), dict(_flat(change.after))
    for name in dict.fromkeys((*before, *after)):
        was, will = before.get(name), after.get(name)
        if change.before is None:
            yield f"{name}: {_value(will)}"
        elif was != will:
            yield f"{name}: {_value(was)} → {_value(will)}"


def _flat(value: Mapping[str, Any] | None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Fields of fields by their path: "annotations.scheme"."""
    for name, inner in (value or {}).items():
        if isinstance(inner, Mapping) and inner:
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _value(value: Any) -> str:
    """One field's value on one line, both ends kept."""
    return clip_middle(" ".join(shown(value).split()), 120)


def expiry(request: Request) -> str:
    """ "Without a decision it expires <date>."; empty if it does not."""
    return f"Without a decision it expires {date(request.expires_at)}." if request.expires_at else ""
