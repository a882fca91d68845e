"""The proof: the how-to's three questions with their answers, and what was seen on the way."""

from datetime import datetime

from handlers.messages.blocks import (
    Block,
    Message,
    bullets,
    code,
    date,
    enumerated,
    escape,
    fields,
    header,
    lines,
    message,
    moment,
    people,
    person,
    section,
)
from handlers.messages.words import GroupNames, footer, host, took, verdict_lines
from services.hostnames import show
from services.model import Answer, Request, State, Verdict
from services.storage import Post


def headline(request: Request) -> str:
    """Plain: the result in five words, without promising what the verdict does not say."""
    name = show(request.hostname)
    if request.verdict and not request.verdict.proven:
        return f"❌ {name}: not proven"
    if request.verdict and any(line.answer is Answer.UNKNOWN for line in request.verdict.lines):
        return f"✅ {name} is set up; not all can be seen from here"
    return f"✅ {name} serves TLS" + (", unchanged" if request.state is State.UNCHANGED else "")


def render(post: Post, request: Request, now: datetime, group_names: GroupNames) -> Message:
    """The result in the thread, for the requester."""
    heading = headline(request)
    unchanged = " Everything existed already; nothing was changed." if request.state is State.UNCHANGED else ""
    text = f"{person(request.requester)}, {host(request)} was probed.{unchanged}"
    blocks = [header(heading), section(text), *proof(request.verdict), *details(request), footer(request)]
    return message(f"{escape(heading)}. {text} {_spoken(request.verdict)}", blocks)


def _spoken(verdict: Verdict | None) -> str:
    return " ".join(f"{escape(lead)}: {escape(detail)}" for lead, detail in verdict_lines(verdict)) if verdict else ""


def proof(verdict: Verdict | None) -> list[Block]:
    """The three answers, a line each, and the remarks."""
    if verdict is None:
        return []
    remarks = [section("*Worth knowing*"), bullets(verdict.remarks, 1200)] if verdict.remarks else []
    return [lines(verdict_lines(verdict), 2400, 600), *remarks]


def details(request: Request) -> list[Block]:
    """Certificate, load balancer, TLS and HTTP as they were seen; who asked, who approved, how long it took."""
    facts = request.verdict.facts if request.verdict else {}
    expires = moment(facts.get("not_after"))
    tls = " ".join(filter(None, [facts.get("tls"), facts.get("cipher")]))
    balancer = facts.get("load_balancer") or request.facts.load_balancer_hostname
    http = f"{facts['http_status']}, {facts.get('latency_ms') or '?'} ms" if facts.get("http_status") else ""
    names = [n for n in (facts.get("names") or "").split(", ") if n]
    return [
        fields(
            ("Host", host(request)),
            ("Certificate from", code(facts["issuer"]) if facts.get("issuer") else ""),
            ("Certificate for", enumerated([code(n) for n in names], 3)),
            ("Valid until", date(expires) if expires else ""),
            ("Load balancer", code(balancer) if balancer else ""),
            ("TLS", code(tls) if tls else ""),
            ("HTTP status", code(http) if http else ""),
            ("Took", took(request)),
            ("Asked by", person(request.requester)),
            ("Approved by", people(request.approved_by)),
        )
    ]
