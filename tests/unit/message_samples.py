"""Requests at every stage, posts about them, and eyes to read a message with."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from handlers.messages.blocks import Message
from sandbox.slack.render import Names
from sandbox.slack.render import message as drawn
from services.model import (
    LATER,
    Answer,
    Change,
    Facts,
    Finding,
    Instructions,
    Plan,
    Progress,
    Request,
    Resource,
    Spec,
    State,
    Target,
    Verb,
    Verdict,
    VerdictLine,
)
from services.storage import Post

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GROUPS = {"oncall": "S0ONCALL001"}
HOST = "app.example.com"
REQUESTER, ENGINEER = "U0REQUESTER", "U0ONCALL001"
SPEC = Spec(HOST, "demo", "shop", "web")
PLAN = Plan(
    SPEC,
    (
        Change(Verb.CREATE, Resource.CERTIFICATE, f"{HOST} in eu-west-1", None, {"key_algorithm": "RSA_2048"}),
        Change(Verb.KEEP, Resource.VALIDATION_RECORD, f"_x.{HOST} CNAME", None, {"value": "_y.acm-validations.aws"}),
        Change(
            Verb.CHANGE,
            Resource.SERVICE,
            "demo/shop/app-example-com-3f2a1",
            {"ports": "80", "annotations": {"scheme": "internal", "type": "external"}},
            {"ports": "443", "annotations": {"scheme": "internet-facing", "type": "external"}},
        ),
        Change(Verb.ASK, Resource.DNS_RECORD, f"{HOST} CNAME", None, {"value": LATER}),
    ),
    (Finding("Client addresses are not preserved."),),
)
RECORD = Instructions(
    purpose="validation",
    type="CNAME",
    name="_abc.app.example.org",
    relative_name="_abc.app",
    zone="example.org",
    value="_xyz.acm-validations.aws",
    traps=("Some providers refuse a leading underscore in the value.",),
)
FACTS = Facts(
    certificate_arn="arn:aws:acm:eu-west-1:1:certificate/c0ffee",
    validation_name=f"_x.{HOST}",
    validation_change="C1",
    load_balancer_hostname="k8s-shop-app-1.elb.eu-west-1.amazonaws.com",
)
VERDICT = Verdict(
    (
        VerdictLine("Does the connection succeed?", Answer.YES, "Yes, on all 2 addresses of the NLB."),
        VerdictLine("Which certificate is used?", Answer.NO, "192.0.2.7 serves another certificate."),
        VerdictLine("Does it reach the expected endpoint in the cluster?", Answer.UNKNOWN, "The NLB is internal."),
    ),
    ("HTTP 400: perhaps the pods expect TLS.",),
    {
        "issuer": "Amazon RSA 2048 M02",
        "names": HOST,
        "not_after": "2026-09-15T00:00:00+00:00",
        "tls": "TLSv1.3",
        "cipher": "TLS_AES_128_GCM_SHA256",
        "http_status": "200",
        "latency_ms": "12",
        "load_balancer": FACTS.load_balancer_hostname,
    },
)
PROVEN = Verdict(tuple(VerdictLine(line.question, Answer.YES, "Yes.") for line in VERDICT.lines), (), VERDICT.facts)
TARGETS = (
    Target("demo", "shop", "web", "configured for *.example.com"),
    Target("demo", "shop", "app", "named like the first label"),
)

_BASE = Request("r-7f3k", "e-1", 1, HOST, REQUESTER, "C0PLATFORM1", NOW - timedelta(minutes=10))
_PLANNED = _BASE.with_(spec=SPEC, plan=PLAN, plan_version=2, approvers=("@oncall", "U0DEPUTY001"))
_APPROVED = _PLANNED.with_(approved_by=(ENGINEER,), approved_at=NOW - timedelta(minutes=5))
_CLIMBING = (
    Progress("certificate", NOW - timedelta(minutes=4), NOW - timedelta(minutes=4) + timedelta(seconds=14)),
    Progress("validation", NOW - timedelta(minutes=3)),
)
_ENDED: dict[str, Any] = {"ended_at": NOW}
WAIT = {
    "why": "Route 53 is not in sync yet.",
    "wait_for": "cloud",
    "until": (NOW + timedelta(minutes=1)).isoformat(),
    "checked_at": NOW.isoformat(),
    "instructions": None,
    "problem": "",
    "found": "",
    "deadline": "",
}
PERSON_WAIT = {
    **WAIT,
    "why": "The record is not there.",
    "wait_for": "person",
    "instructions": asdict(RECORD),
    "found": "NXDOMAIN at ns1.elsewhere.test",
    "deadline": (NOW + timedelta(hours=72)).isoformat(),
}


def request(state: State, **changes: Any) -> Request:
    """A request as it typically is in a state."""
    typical: Mapping[State, Request] = {
        State.PLANNING: _BASE,
        State.CHOOSING: _BASE.with_(candidates=TARGETS, expires_at=NOW + timedelta(hours=24)),
        State.WAITING: _PLANNED.with_(expires_at=NOW + timedelta(hours=24), wish={"reason": "new shop"}),
        State.APPROVED: _APPROVED,
        State.RUNNING: _APPROVED.with_(step="validation", progress=_CLIMBING, wait=WAIT, facts=FACTS),
        State.ACTIVE: _APPROVED.with_(verdict=PROVEN, facts=FACTS, step="probe", **_ENDED),
        State.PLANNED: _PLANNED.with_(dry_run=True, **_ENDED),
        State.UNCHANGED: _PLANNED.with_(verdict=PROVEN, facts=FACTS, step="probe", **_ENDED),
        State.REFUSED: _BASE.with_(reason="There is no cluster 'prod'.", hint="Known: demo.", **_ENDED),
        State.REJECTED: _PLANNED.with_(reason="not on a Friday", **_ENDED),
        State.EXPIRED: _PLANNED.with_(reason="Nobody approved it in time.", **_ENDED),
        State.FAILED: _APPROVED.with_(
            step="load_balancer",
            progress=(*_CLIMBING[:1], Progress("validation", NOW, NOW), Progress("load_balancer", NOW)),
            facts=FACTS.with_(load_balancer_hostname=""),
            reason="The controller finds no subnet.",
            hint="Tag the subnets.",
            **_ENDED,
        ),
    }
    return typical[state].with_(state=state, **changes)


def waiting_for_person(**changes: Any) -> Request:
    """A running request that needs a record made elsewhere."""
    return request(State.RUNNING, wait=PERSON_WAIT, **changes)


def post(kind: str, **data: Any) -> Post:
    """A post to the thread of the request."""
    return Post(1, _BASE.id, _BASE.channel, "thread", kind, data, NOW, 0, False)


def read(message: Message) -> str:
    """What a person reads: the blocks as plain text, mentions and dates resolved."""
    names = Names(users={REQUESTER: "requester", ENGINEER: "engineer"}, groups={"S0ONCALL001": "oncall"})
    return drawn({**message}, names)


def elements(message: Message) -> Iterator[dict[str, Any]]:
    """Everything in the message that can be pressed."""
    for block in message["blocks"]:
        if block["type"] == "actions":
            yield from block["elements"]


def pressable(message: Message) -> list[str]:
    """The action_ids of everything that can be pressed, in order."""
    return [element["action_id"] for element in elements(message)]


def mrkdwn(message: Message) -> str:
    """All text that Slack would read as markup, the fallback too."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if value.get("type") == "mrkdwn":
                yield value["text"]
            for inner in value.values():
                yield from texts(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from texts(inner)

    return "\n".join([message["text"], *texts(message["blocks"])])


def raw(message: Message) -> str:
    """The whole message as JSON."""
    return json.dumps(message, ensure_ascii=False)
