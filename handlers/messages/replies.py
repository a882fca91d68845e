"""Answers to one person, seen by nobody else: help, faults, refusals, what is known, why a click did not count."""

from collections.abc import Sequence
from datetime import datetime

from handlers.grammar import COMMAND, HELP, Fault
from handlers.messages.blocks import (
    Block,
    Message,
    code,
    context,
    counted,
    date,
    escape,
    fields,
    header,
    link,
    message,
    person,
    preformatted,
    prose,
    section,
    sections,
)
from handlers.messages.plan import became
from handlers.messages.words import (
    NOTHING_CHANGED,
    SYMBOLS,
    GroupNames,
    again,
    approvers,
    counts,
    footer,
    host,
    plan_id,
    service,
    waits_for_person,
)
from services.hostnames import show
from services.model import Endpoint, EndpointState, Request, State

PAGE = 20
ENDPOINT_SYMBOLS = {EndpointState.PENDING: "⏳", EndpointState.ACTIVE: "✅", EndpointState.INCOMPLETE: "⚠️"}


def help_() -> Message:
    """What can be typed, with examples."""

    def listed(pairs: Sequence[tuple[str, str]]) -> list[Block]:
        return sections(f"{code(typed)}\n{escape(meaning)}" for typed, meaning in pairs)

    blocks = [
        section("*nlbtls* gives a Kubernetes Service a public HTTPS name, ended on an AWS load balancer."),
        *listed(HELP.usage),
        section("*Options of create*, as `--name value` or `name=value`"),
        *listed(HELP.options),
        section("*Examples*"),
        *listed(HELP.examples),
    ]
    verbs = ", ".join(code(typed) for typed, _ in HELP.usage)
    return message(f"nlbtls gives a Kubernetes Service a public HTTPS name. {verbs}", blocks)


def fault(found: Fault) -> Message:
    """Why the text is no command: the place, and what was probably meant, to copy."""
    meant = [section("Probably meant:"), preformatted(found.corrected)] if found.corrected else []
    then = f"{NOTHING_CHANGED} {code(f'{COMMAND} help')} says what can be typed."
    blocks = [prose(found.sentence, "🤔"), preformatted(f"{found.line}\n{found.caret}"), *meant, section(then)]
    corrected = f"Probably meant: {code(found.corrected, 1000)}" if found.corrected else ""
    return message(f"🤔 {escape(found.sentence)} {corrected} {then}", blocks)


def refused(sentence: str, hint: str = "", *, reference: str = "") -> Message:
    """Services say no. `reference`: the foreign request id, if a provider said it."""
    small = [context(f"Ref {code(reference)}")] if reference else []
    told = [prose(hint, "What to do:")] if hint else []
    blocks = [prose(sentence, "🚫 Refused:"), *told, section(NOTHING_CHANGED), *small]
    return message(f"🚫 Refused: {escape(sentence)} {escape(hint)} {NOTHING_CHANGED}", blocks)


def accepted(request: Request, permalink: str = "") -> Message:
    """It is being worked on, and where to look."""
    where = f" {link(permalink, 'Its card')} tells how far it is." if permalink else " Its card tells how far it is."
    text = f"⏳ {host(request)}: request {code(request.id)} accepted, planning.{where}"
    return message(text, [section(text)])


def duplicate(existing: Request, permalink: str = "") -> Message:
    """The host name has an open request: whose, since when, where."""
    go = link(permalink, "Go to it") if permalink else f"See {code(f'{COMMAND} status {existing.hostname}')}"
    text = (
        f"🔒 {person(existing.requester)} already has {code(existing.id)} open for {host(existing)} "
        f"({existing.state}, since {date(existing.created_at)}). {NOTHING_CHANGED}"
    )
    return message(f"{text} {go}", [section(text, f"*Next:* {go}")])


def wrong_place(*, direct_message: bool = True) -> Message:
    """A request cannot be made here: what to do about it."""
    if direct_message:
        said = "🚪 *Not here:* requests are made in a channel, so that the people who approve see them."
        then = f"*Next:* type the same command in a channel that I am in. {NOTHING_CHANGED}"
    else:
        said = "🚪 *I am not in this channel*, so I could not show the request to anybody."
        then = f"*Next:* type `/invite @nlbtls` here, then the same command again. {NOTHING_CHANGED}"
    return message(f"{said} {then}", [section(said, then)])


def unexpected(reference: str) -> Message:
    """Something broke in the program itself."""
    said = f"💥 *Something broke on our side.* Ref {code(reference)}"
    then = "*Next:* try again in a minute; if it breaks again, tell us the reference. What a card says still holds."
    return message(f"{said} {then}", [section(said, then)])


# ---- what is known


def status(hostname: str, endpoint: Endpoint | None, requests: Sequence[Request], *, now: datetime) -> Message:
    """One host name: its endpoint, and its requests, newest first."""
    name = code(show(hostname))
    if endpoint is None and not requests:
        text = f"ℹ️ Nothing is known of {name}. To create it: {code(f'{COMMAND} create {hostname}')}"
        return message(text, [section(text)])
    shown = [_endpoint_fields(endpoint)] if endpoint else []
    rows = [_request_row(r) for r in requests[:10]]
    more = f"… and {counted(len(requests) - 10, 'older request')}" if len(requests) > 10 else ""
    title = f"*Status* of {name}"
    state = f"endpoint {endpoint.state}" if endpoint else "no endpoint yet"
    blocks = [section(title), *shown, *sections([*rows, *filter(None, [more])]), context(f"As of {date(now)}")]
    return message(f"Status of {name}: {state}. {' '.join(rows[:1])}", blocks)


def _endpoint_fields(endpoint: Endpoint) -> Block:
    spec, facts = endpoint.spec, endpoint.facts
    since = f", since {date(endpoint.active_since)}" if endpoint.active_since else ""
    return fields(
        ("Endpoint", f"{ENDPOINT_SYMBOLS[endpoint.state]} {endpoint.state}{since}"),
        ("Service", service(spec) if spec else ""),
        ("Cluster", code(spec.cluster) if spec else ""),
        ("Load balancer", code(facts.load_balancer_hostname) if facts.load_balancer_hostname else ""),
        ("Certificate", code(facts.certificate_arn) if facts.certificate_arn else ""),
    )


def _request_row(request: Request) -> str:
    why = request.wait.get("why") if request.state is State.RUNNING else request.reason
    doing = f": {code(str(why), 200)}" if why else ""
    hand = " ✋ a person has to move" if waits_for_person(request) else ""
    return (
        f"{SYMBOLS[request.state]} {code(request.id)} *{request.state}*{doing}{hand} · {person(request.requester)} "
        f"{date(request.created_at)}"
    )


def listing(endpoints: Sequence[Endpoint], requests: Sequence[Request], *, now: datetime, page: int = 1) -> Message:
    """Open requests, then endpoints, twenty lines a page (from 1; beyond the last page: the last)."""
    rows = [
        *(f"{_request_row(r)} · {code(show(r.hostname), 120)}" for r in requests),
        *(_endpoint_row(e) for e in endpoints),
    ]
    pages = max(1, -(-len(rows) // PAGE))
    page = min(max(page, 1), pages)
    total = counts({"open request": len(requests), "endpoint": len(endpoints)})
    shown = rows[(page - 1) * PAGE : page * PAGE]
    further = f"Next: {code(f'{COMMAND} list --page {page + 1}')}" if page < pages else ""
    empty = [] if rows else [section(f"To create one: {code(f'{COMMAND} create app.example.com')}")]
    small = context(f"Page {page} of {pages}", further, f"As of {date(now)}")
    blocks = [section(f"*{total}*"), *sections(shown), *empty, small]
    return message(f"{total}. Page {page} of {pages}. {further}", blocks)


def _endpoint_row(endpoint: Endpoint) -> str:
    target = f" → {service(endpoint.spec)} in {code(endpoint.spec.cluster)}" if endpoint.spec else ""
    since = f", since {date(endpoint.active_since)}" if endpoint.active_since else ""
    name = code(show(endpoint.hostname), 120)
    return f"{ENDPOINT_SYMBOLS[endpoint.state]} {name} *{endpoint.state}*{since}{target}"


# ---- clicks that do not count


def denied(request: Request, why: str, group_names: GroupNames | None = None) -> Message:
    """This person may not do this: who may."""
    may = f"Who may approve: {approvers(request.approvers, group_names or {})}. Your click changed nothing."
    blocks = [prose(why, "🚫 Denied:"), section(may), footer(request)]
    return message(f"🚫 Denied: {escape(why)} {may}", blocks)


def late(request: Request, digest: str = "", *, by: str = "", at: datetime | None = None) -> Message:
    """The click came too late: what was decided, by whom and when.

    `digest`: of the plan that the click meant, empty if it decided no plan; `by` and `at`: who decided and when, where
    the request itself does not say it.
    """
    plan = request.plan
    if not digest:
        what = f"This is not asked any more: the request is *{request.state}* now."
    elif plan and not plan.digest.startswith(digest):
        what = f"Plan {code(digest[:6])} was replaced by plan {plan_id(request)}; look at that one first."
    else:
        what = _decided(request, by, at)
    heading = f"⌛ {show(request.hostname)}: too late"
    text = f"{what} Your click changed nothing."
    return message(f"{escape(heading)}. {text}", [header(heading), section(text), footer(request)])


def _decided(request: Request, by: str, at: datetime | None) -> str:
    decided = at or request.approved_at or request.ended_at
    when = f", {date(decided)}" if decided else ""
    who = f" by {person(by)}" if by else ""
    match request.state:
        case State.REJECTED:
            return f"Already rejected{who}{when}. Ask anew with {again(request)}."
        case State.EXPIRED:
            return f"It expired{when}. Ask anew with {again(request)}."
        case State.CHOOSING | State.REFUSED:
            return f"There is no plan to decide: the request is *{request.state}*."
        case State.WAITING:
            return f"The question was answered already; plan {plan_id(request)} waits for approval now."
        case State.PLANNING:
            return became(request)
    if request.approved_by:
        return f"Already approved: {became(request)}"
    return f"The request is *{request.state}* already."


def outdated() -> Message:
    """A button of another version of this program."""
    text = "🕰️ This button is from an older version of me and does nothing any more."
    then = f"*Next:* {code(f'{COMMAND} status')} shows what is open now."
    return message(f"{text} {then}", [section(text, then)])


def checking(request: Request) -> Message:
    """Somebody asked for a look at the record: the answer comes into the thread."""
    text = f"🔎 I look at the record for {host(request)} now; the answer comes into the thread."
    return message(text, [section(text)])
