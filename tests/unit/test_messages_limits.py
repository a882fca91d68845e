"""Whatever is put in, Slack takes the message, and no foreign text becomes markup."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.grammar import Fault, parse
from handlers.messages import replies
from handlers.messages.blocks import FALLBACK, TOTAL, Message, length
from handlers.messages.card import card
from handlers.messages.notices import RENDERERS, render
from sandbox.slack.block_kit import check_message
from services.model import (
    Answer,
    Change,
    Endpoint,
    EndpointState,
    Facts,
    Finding,
    Instructions,
    Plan,
    Request,
    Resource,
    Spec,
    State,
    Target,
    Verb,
    Verdict,
    VerdictLine,
)
from tests.unit.message_samples import NOW, PERSON_WAIT, elements, mrkdwn, post, request, waiting_for_person

LONGEST_HOST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
HOSTILE = "HOSTILE <!channel> <@U0ONCALL001> <https://evil.example|app.example.com> *b* _i_ `c` & \u202e\n"
OURS = re.compile(
    r"<@[UW][A-Z0-9]+>|<!subteam\^S[A-Z0-9]+>|<!date\^\d+\^[^|<>]+\|[^|<>]+>|<#[CGD][A-Z0-9]+>|<https://x\.slack\.com/p1\|[^<>]+>"
)


def full_of(text: str, hostname: str, about: Request) -> Request:
    """A request with the longest legal everything, and `text` wherever text can come from outside."""
    label = re.sub(r"[^a-z]", "x", text.lower())[:62].ljust(62, "s") + "e"
    spec = Spec(hostname, label, label, label, source_ranges=("2001:db8:ffff:ffff:ffff:ffff:ffff:0/112",) * 60)
    fields = {f"{text[:40]}{i}": {f"inner{j}": text[:200] for j in range(3)} for i in range(3)}
    verbs = (Verb.CREATE, Verb.CHANGE, Verb.ASK, Verb.KEEP)
    changes = tuple(
        Change(verbs[i % 4], Resource.SERVICE, f"{i} {text}"[:500], {} if i % 4 == 1 else None, fields)
        for i in range(40)
    )
    lines = tuple(VerdictLine(text[:300] or "?", a, text) for a in Answer)
    facts = dict.fromkeys(("issuer", "names", "tls", "cipher", "load_balancer"), text) | {"http_status": "200"}
    record = Instructions(text[:20], "CNAME", hostname, hostname, hostname, hostname, 300, (text,) * 12)
    wait = {
        **PERSON_WAIT,
        "why": text,
        "problem": text,
        "found": text,
        "objection": text,
        "instructions": asdict(record),
    }
    return about.with_(
        hostname=hostname,
        spec=spec,
        plan=Plan(spec, changes, (Finding(text),) * 30),
        plan_version=2,
        wish={"reason": text, "service": label, "source_ranges": spec.source_ranges, "path": "/" + "p" * 199},
        candidates=tuple(Target(label, label, f"{i}-{label}"[:63], text) for i in range(120)),
        approvers=(*(f"U0APPROVER{i:02}" for i in range(62)), f"@{label}", "@oncall"),
        approvals_needed=70,
        approved_by=tuple(f"U0APPROVER{i:02}" for i in range(62)),
        facts=Facts("a" * 2000, "", "v" * 253, "w" * 253, "C1", "arn", "h" * 253, "Z1", True, "C2", ""),
        wait=wait if about.wait else {"objection": text, "why": text},
        reason=text,
        hint=text,
        verdict=Verdict(lines, (text,) * 20, facts),
    )


def everything(text: str, hostname: str, which: Iterable[State] = State) -> Iterator[tuple[str, Message]]:
    """Every message there is about requests in some states, filled with `text` and a host name."""
    groups = {"oncall": "S0ONCALL001"}
    states = [full_of(text, hostname, request(state)) for state in which]
    states.append(full_of(text, hostname, waiting_for_person()))
    said = dict.fromkeys(
        ("sentence", "hint", "raw", "reason", "reference", "found", "by", "asked_by", "previous"), text
    )
    lists = dict.fromkeys(("differences", "exists", "unchanged"), [text] * 60)
    for about in states:
        yield f"card {about.state}", card(about, now=NOW, group_names=groups)
        data = {
            **said,
            **lists,
            "version": 2,
            "instructions": states[-1].wait["instructions"],
            "deadline": NOW.isoformat(),
        }
        for kind in (*RENDERERS, text):
            yield f"{kind} {about.state}", render(post(kind, **data), about, now=NOW, group_names=groups)
        yield "duplicate", replies.duplicate(about, "https://x.slack.com/p1")
        yield "accepted", replies.accepted(about, text)
        yield "denied", replies.denied(about, text, groups)
        yield "late", replies.late(about, about.plan.digest if about.plan else "", by=text)
        yield "replaced", replies.late(about, text)
    endpoint = Endpoint("e", hostname, EndpointState.ACTIVE, 1, states[0].spec, states[0].facts, NOW, NOW)
    yield "status", replies.status(hostname, endpoint, states * 5, now=NOW)
    yield "status of nothing", replies.status(text, None, [], now=NOW)
    yield "list", replies.listing([endpoint] * 100, states, now=NOW)
    yield "refused", replies.refused(text, text, reference=text)
    yield "unexpected", replies.unexpected(text)
    yield "fault", replies.fault(Fault(text, text[:80], "^", text))
    yield "help", replies.help_()
    if isinstance(found := parse(text), Fault):
        yield "parsed fault", replies.fault(found)


def faults_of(message: Message) -> list[str]:
    """What Slack would say against a message: its blocks, its length in all, its fallback."""
    found = check_message(message["blocks"])
    if length(message["blocks"]) > TOTAL:
        found.append(f"blocks have {length(message['blocks'])} characters in all")
    if not 0 < len(message["text"]) <= FALLBACK:
        found.append(f"text has {len(message['text'])} characters")
    for element in elements(message):
        value = element.get("value", "r-7f3k")
        if not re.fullmatch(r"r-7f3k(:[0-9a-f]{64})?", value):
            found.append(f"a button carries {value!r}")
    return found


EXTREMES = {
    "long words": "word " * 1200,
    "one long word": "w" * 6000,
    "entities": "&<>" * 2000,
    "quotes": '"\\' * 3000,
    "backticks": "`a` `" * 800,
    "lines": "line\n" * 900,
    "wide": "\N{FAMILY}é\u200d" * 1500,
    "nothing": "",
    "hostile": HOSTILE * 60,
}


@pytest.mark.parametrize("text", EXTREMES.values(), ids=EXTREMES.keys())
def test_slack_takes_the_longest_of_everything(text: str) -> None:
    """253-character hosts, 64 approvers, 120 candidates, 40 changes, long sentences: every payload is legal."""
    wrong = {what: faults for what, message in everything(text, LONGEST_HOST) if (faults := faults_of(message))}
    assert wrong == {}


@settings(deadline=None, max_examples=10)
@given(st.text(max_size=1000), st.sampled_from(State), st.sampled_from(["a.b", "xn--bcher-kva.example.com"]))
def test_slack_takes_any_text(text: str, state: State, hostname: str) -> None:
    """The same for text that nobody thought of."""
    wrong = {what: faults for what, message in everything(text, hostname, [state]) if (faults := faults_of(message))}
    assert wrong == {}


def test_foreign_text_is_never_markup() -> None:
    """No mention, link or broadcast comes from outside; in the blocks' mrkdwn it stands in code or not at all."""
    for what, message in everything(HOSTILE, "app.example.com"):
        assert re.findall(r"[<>].{0,20}", OURS.sub("", mrkdwn(message))) == [], what
        in_blocks = mrkdwn({"text": "", "blocks": message["blocks"]})
        assert "HOSTILE" not in re.sub(r"`[^`\n]*`", "", in_blocks), what


def test_nobody_is_ever_called_all_at_once() -> None:
    """Neither <!channel> nor <!here> nor <!everyone>, in markup or as a rich_text broadcast."""
    for what, message in everything(HOSTILE, LONGEST_HOST):
        assert not re.search(r"<!(channel|here|everyone)", mrkdwn(message)), what
        assert '"broadcast"' not in str(message).replace("'", '"'), what


def test_the_measure_itself_can_fail() -> None:
    """A message too long in all is found, and options do not count."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}
    assert faults_of({"text": "x", "blocks": [dict(section) for _ in range(5)]}) != []
    assert length({"options": ["x" * 99]}) == 2


def test_time_over_is_not_offered() -> None:
    """However the plan looks, past its time there is nothing to press."""
    late = replace(request(State.WAITING), expires_at=NOW - timedelta(seconds=1))
    assert list(elements(render(post("plan", version=2), late, now=NOW))) == []
