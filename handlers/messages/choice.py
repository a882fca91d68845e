"""Which Service shall answer: the candidates with their reasons, and a list to pick from while it counts."""

from datetime import datetime

from handlers.grammar import COMMAND
from handlers.messages.blocks import (
    OPTION_VALUE,
    OPTIONS,
    Block,
    Message,
    actions,
    code,
    counted,
    escape,
    header,
    lines,
    message,
    person,
    section,
    select,
)
from handlers.messages.plan import expiry
from handlers.messages.words import NOTHING_CHANGED, SYMBOLS, GroupNames, footer, host, service
from services.hostnames import show
from services.model import Request, State, Target
from services.storage import Post


def render(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    """The question which Service is meant, or the answer that it got."""
    if request.state is not State.CHOOSING:
        return _settled(request)
    heading = f"{SYMBOLS[State.CHOOSING]} {show(request.hostname)}: which Service?"
    candidates = request.candidates
    found = counted(len(candidates), "Service")
    why = (
        f"Nothing names a Service for {host(request)}. {found} could be given to it by policy."
        if post.data.get("none")
        else f"{found} could be meant by {host(request)}; I do not guess."
    )
    act = f"{person(request.requester)}, please choose. {NOTHING_CHANGED} {expiry(request)}"
    if not candidates:
        why = f"There is no Service that policy lets {host(request)} be given to."
        act = f"{person(request.requester)}, ask whoever keeps the policy. {NOTHING_CHANGED}"
    blocks = [header(heading), section(why), *_candidates(candidates), section(act), *_list(request), footer(request)]
    return message(f"{escape(heading)} {why} {act}", blocks)


def _candidates(candidates: tuple[Target, ...]) -> list[Block]:
    named = [(f"{i}.", f"`{t.ref}`: {t.reason}") for i, t in enumerate(candidates, 1)]
    return [lines(named, 3500)] if named else []


def _list(request: Request) -> list[Block]:
    if not request.candidates:
        return []
    options = [(t.ref, option_value(i, t)) for i, t in enumerate(request.candidates)]
    beyond = len(options) - OPTIONS
    typed = code(f"{COMMAND} create {request.hostname} --service cluster/namespace/name")
    more = [section(f"{beyond} more do not fit into the list; name one of them with {typed}")] if beyond > 0 else []
    chooser = actions(select("Choose a Service", "choose_target", options), block_id=f"choose:{request.id}")
    return [*more, chooser]


def option_value(index: int, target: Target) -> str:
    """What a choice carries: the target's ref; where Slack has no room for it, its place among the candidates."""
    return target.ref if len(target.ref) <= OPTION_VALUE else str(index)


def chosen_ref(request: Request, value: str) -> str:
    """The ref that a chosen option stands for; empty if it is none of the candidates."""
    values = {option_value(i, t): t.ref for i, t in enumerate(request.candidates)}
    return values.get(value, "")


def _settled(request: Request) -> Message:
    spec = request.spec
    heading = f"{SYMBOLS[request.state]} {show(request.hostname)}: the Service"
    if spec:
        text = f"{service(spec)} in {code(spec.cluster)} was chosen. The request is *{request.state}* now."
    else:
        text = f"There is nothing to choose any more: the request is *{request.state}*."
    return message(f"{escape(heading)}. {text}", [header(heading), section(text), footer(request)])
