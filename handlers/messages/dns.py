"""Records that a person makes at another DNS provider: exactly what to type, what was found, when we look again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from handlers.messages.blocks import (
    Block,
    Message,
    actions,
    bullets,
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
from handlers.messages.words import GroupNames, check_now, footer, host, next_check, waits_for_person
from services.hostnames import show
from services.model import Instructions, Request
from services.storage import Post


def instructions_of(data: Mapping[str, Any] | None) -> Instructions | None:
    """The instructions from their stored form (dataclasses.asdict); fields this version does not know are ignored."""
    if not data:
        return None
    known = {k: v for k, v in data.items() if k in Instructions.__dataclass_fields__}
    return Instructions(**{**known, "traps": tuple(known.get("traps", ()))})


def render(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    """The record to make; once it is no longer waited for, that, and no button."""
    wanted = instructions_of(post.data.get("instructions"))
    if wanted is None:
        raise ValueError(f"post {post.id} has no instructions")
    if not still_wanted(wanted, request):
        return _settled(wanted, request)
    heading = f"✋ {show(request.hostname)}: a DNS record is needed"
    ask = (
        f"{person(request.requester)}, DNS of {code(wanted.zone)} is not ours to write. Please have whoever keeps it "
        f"make this record, {_purpose(wanted, request)}:"
    )
    blocks = [
        header(heading),
        section(ask),
        *record_blocks(wanted),
        *found_blocks(str(post.data.get("found") or "")),
        section(timetable(request, moment(post.data.get("deadline")))),
        actions(check_now(request)),
        footer(request),
    ]
    record = f"{code(wanted.type)} {code(wanted.name)} → {code(wanted.value)}"
    return message(f"{escape(heading)}: {record}. {ask}", blocks)


def still_wanted(wanted: Instructions, request: Request) -> bool:
    """Whether the request waits for exactly this record now."""
    current = instructions_of(request.wait.get("instructions"))
    same = current is not None and (current.type, current.name, current.value) == (
        wanted.type,
        wanted.name,
        wanted.value,
    )
    return waits_for_person(request) and same


def record_blocks(wanted: Instructions) -> list[Block]:
    """The record as a table to read, as a line to paste, and what goes wrong when it is typed."""
    rows = [
        ("Type", wanted.type),
        ("Name", wanted.relative_name),
        ("Name in full", wanted.name),
        ("Value", wanted.value),
        ("TTL", f"{wanted.ttl} (seconds; or the shortest there is)"),
    ]
    table = "\n".join(f"{label:<14}{value}" for label, value in rows)
    pasted = f"{wanted.name}. {wanted.ttl} IN {wanted.type} {wanted.value}."
    names = (
        f"Most providers add {code(wanted.zone)} to the name by themselves: type {code(wanted.relative_name)} there, "
        "the name in full elsewhere. A trailing dot belongs into zone files; most web forms want none."
    )
    zone_file = [section("As a line of a zone file:"), preformatted(pasted)] if wanted.type == "CNAME" else []
    traps = [section("*What goes wrong most often*"), bullets(wanted.traps, 1600)] if wanted.traps else []
    return [preformatted(table), *zone_file, section(names), *traps]


def found_blocks(found: str) -> list[Block]:
    """What was seen instead, in words."""
    return [prose(found, "Found so far:")] if found else []


def timetable(request: Request, deadline: datetime | None) -> str:
    """Who moves next and when: checks go on by themselves until the deadline."""
    again = f", next {next_check(request)}" if next_check(request) else ""
    end = f" I wait until {date(deadline)}." if deadline else ""
    return f"*Next:* make the record. I look by myself{again}; *Check now* looks at once.{end}"


def _purpose(wanted: Instructions, request: Request) -> str:
    if wanted.purpose == "validation":
        return f"so that Amazon issues the certificate for {host(request)}"
    return f"so that {host(request)} leads to the load balancer"


def _settled(wanted: Instructions, request: Request) -> Message:
    heading = f"☑️ {show(request.hostname)}: this DNS record is not waited for any more"
    keep = " Leave it in place: renewals of the certificate need it." if wanted.purpose == "validation" else ""
    text = f"{code(wanted.type)} {code(wanted.name)}. The request is *{request.state}* now.{keep}"
    return message(f"{escape(heading)}. {text}", [header(heading), section(text), footer(request)])


def render_found(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    """What a check saw that somebody asked for."""
    right, found = bool(post.data.get("ok")), str(post.data.get("found") or "")
    asker = str(post.data.get("asked_by") or request.requester)
    said = "✅ *Checked: as it should be.*" if right else "🔎 *Checked: not there yet.*"
    opening = f"{said} {person(asker)}, {host(request)}"
    if right:
        then = "*Next:* nothing to do; the work goes on by itself."
    else:
        later = f" I look again by myself {next_check(request)}." if next_check(request) else ""
        then = f"*Next:* make or correct the record, then press *Check now* on the card.{later}"
    blocks = [section(opening), *([prose(found, "Found:")] if found else ()), section(then), footer(request)]
    return message(f"{opening} {escape(found)} {then}", blocks)
