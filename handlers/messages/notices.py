"""What goes to a request's thread, or privately to its requester: one function per kind of post."""

from collections.abc import Callable, Mapping
from datetime import datetime

from handlers.messages import choice, dns, plan, verdict
from handlers.messages.blocks import (
    Block,
    Message,
    bullets,
    channel,
    code,
    date,
    escape,
    header,
    message,
    moment,
    person,
    preformatted,
    prose,
    section,
)
from handlers.messages.words import (
    NOTHING_CHANGED,
    STEPS,
    SYMBOLS,
    GroupNames,
    again,
    exists,
    footer,
    host,
    needs,
    not_done,
    place,
    plan_id,
    what_exists,
)
from services.hostnames import show
from services.model import Request, State
from services.storage import Post

Renderer = Callable[[Post, Request, datetime, GroupNames], Message]


def render(post: Post, request: Request, *, now: datetime, group_names: Mapping[str, str] | None = None) -> Message:
    """The message of a post, worded for what has become of its request since."""
    return RENDERERS.get(post.kind, _unknown)(post, request, now, group_names or {})


def _text(post: Post, key: str) -> str:
    return str(post.data.get(key) or "")


def _approved(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    by, more = person(_text(post, "by")), int(post.data.get("more_needed") or 0)
    said = f"👍 *Approved* by {by}: plan {plan_id(request)} for {host(request)}."
    if more and request.state is State.WAITING:
        then = f"*Next:* {needs(request, group_names)}"
    elif more:
        then = f"At that time {more} more {'was' if more == 1 else 'were'} needed."
    else:
        then = "*Next:* nothing to do; I compare the plan with the world once more, then begin."
    return message(f"{said} {then}", [section(said, then), footer(request)])


def _rejected(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    said = f"⛔ *Rejected* by {person(_text(post, 'by'))}: {host(request)}. {what_exists(request)}"
    then = f"*Next:* {person(request.requester)}, ask anew with {again(request)}"
    why = [prose(_text(post, "reason"), "Reason:")] if _text(post, "reason") else []
    return message(
        f"{said} {escape(_text(post, 'reason'))} {then}", [section(said), *why, section(then), footer(request)]
    )


def _expired(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    said, why = f"⌛ *Expired:* {host(request)}", request.reason or "Nobody decided in time."
    then = f"{what_exists(request)}\n*Next:* {person(request.requester)}, ask anew with {again(request)}"
    return message(f"{said}. {escape(why)} {then}", [section(said), prose(why), section(then), footer(request)])


def _warning(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    deadline = moment(request.wait.get("deadline"))
    said = f"⚠️ *Warning* for {person(request.requester)}: {host(request)} still waits."
    end = f" It stops {date(deadline)}." if deadline else ""
    then = f"*Next:* make the record as the instructions in this thread say, then press *Check now* on the card.{end}"
    if request.state is not State.RUNNING:
        then = f"The request is *{request.state}* now."
    sentence = _text(post, "sentence")
    return message(
        f"{said} {escape(sentence)} {then}", [section(said), prose(sentence), section(then), footer(request)]
    )


def _problem(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    said = f"⚠️ *Problem* with {host(request)}, step {code(STEPS.get(request.step, request.step) or 'planning')}"
    sentence, hint, raw = (_text(post, key) for key in ("sentence", "hint", "raw"))
    then = f"{what_exists(request)}\n*Next:* once the cause is mended, the work goes on by itself; I keep looking."
    if not request.state.is_open:
        then = f"The request is *{request.state}* now."
    blocks = [
        section(said),
        prose(sentence),
        *([prose(hint, "What to do:")] if hint else ()),
        *([preformatted(raw, 1500)] if raw else ()),
        section(then),
        footer(request),
    ]
    return message(f"{said}: {escape(sentence)} {escape(hint)} {then}", blocks)


def _stopped(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    step = STEPS.get(request.step)
    heading = f"❌ {show(request.hostname)}: stopped" + (f" at step {place(request)}: {step}" if step else "")
    why, hint = _text(post, "reason"), _text(post, "hint")
    made = [_thing(str(m)) for m in post.data.get("exists", ())] or exists(request)
    left = [str(m) for m in post.data.get("unchanged") or (not_done(request) if step else ())]
    then = f"*Next:* {person(request.requester)}, mend the cause, then {again(request)}; what exists is found again."
    blocks = [
        header(heading),
        prose(why or "The cause is not known.", "Why:"),
        *([prose(hint, "What to do:")] if hint else ()),
        *verdict.proof(request.verdict),
        section("*What exists now*"),
        bullets(made) if made else section(NOTHING_CHANGED),
        *([section("*Not done*"), bullets(left)] if left else ()),
        section(then),
        footer(request),
    ]
    return message(f"{escape(heading)}. {escape(why)} {escape(hint)} {then}", blocks)


def _thing(title: str) -> str:
    """What there is after a change that is titled "create …" or "change …"."""
    changed = title.removeprefix("change ")
    return title.removeprefix("create ") if changed == title else f"{changed} (changed)"


def _refused(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    said = f"🚫 *Refused:* {host(request)}"
    sentence, hint = _text(post, "sentence"), _text(post, "hint")
    blocks: list[Block] = [
        section(said),
        prose(sentence),
        *([prose(hint, "What to do:")] if hint else ()),
        section(NOTHING_CHANGED),
        footer(request),
    ]
    return message(f"{said}. {escape(sentence)} {escape(hint)} {NOTHING_CHANGED}", blocks)


def _undeliverable(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    said = f"📪 *Not delivered:* I am not in {channel(request.channel)}, so nobody sees the card of {host(request)}."
    then = f"{what_exists(request)}\n*Next:* type `/invite @nlbtls` in that channel, then {again(request)}"
    if request.state.is_open:
        then = f"{what_exists(request)}\n*Next:* type `/invite @nlbtls` in that channel; I post there again by myself."
    sentence = _text(post, "sentence")
    why = [prose(sentence, "Slack says:")] if sentence else []
    return message(f"{said} {then}", [section(said), *why, section(then), footer(request)])


def _unexpected(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    retry = moment(post.data.get("retry_at")) or (request.due_at if request.state.is_open else None)
    reference = _text(post, "reference") or request.id
    said = f"💥 *Something broke on our side* while working on {host(request)}; this step changed nothing more."
    again_at = f" I try again {date(retry)} and look at what exists first." if retry else ""
    then = f"{what_exists(request)}\n*Next:* nothing to do.{again_at} If it comes back, tell us the reference."
    return message(
        f"{said} Ref {code(reference)}. {then}", [section(said, f"Ref {code(reference)}", then), footer(request)]
    )


def _unknown(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    """A post of another version of this program: the thread behind it must not be held up by it."""
    said = f"ℹ️ News of {host(request)} ({code(post.kind)}) that this version cannot word."
    now_ = f"{SYMBOLS[request.state]} The request is *{request.state}*; its card says more."
    return message(f"{said} {now_}", [section(said, now_), footer(request)])


RENDERERS: Mapping[str, Renderer] = {
    "plan": plan.render,
    "choice": choice.render,
    "approved": _approved,
    "rejected": _rejected,
    "expired": _expired,
    "instructions": dns.render,
    "found": dns.render_found,
    "warning": _warning,
    "problem": _problem,
    "verdict": verdict.render,
    "stopped": _stopped,
    "refused": _refused,
    "undeliverable": _undeliverable,
    "unexpected": _unexpected,
}
