"""Phrases that more than one message uses: who, what, how far, what exists. mrkdwn, unless a docstring says plain."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from handlers.grammar import COMMAND, CREATE
from handlers.messages.blocks import (
    Block,
    button,
    clip_middle,
    code,
    context,
    counted,
    date,
    duration,
    enumerated,
    escape,
    moment,
    people,
    person,
)
from services.hostnames import show
from services.model import Answer, Progress, Request, Spec, State, Target, Verdict
from services.wish import Wish

GroupNames = Mapping[str, str]  #: user group handle (without @) -> Slack's id of it

#: The five rungs in order, by the names that progress and `Request.step` use, with the words for people.
STEPS: Mapping[str, str] = {
    "certificate": "certificate",
    "validation": "validation",
    "load_balancer": "load balancer",
    "dns_record": "DNS record",
    "probe": "probe",
}

#: One symbol per state; the state's word always stands beside it.
SYMBOLS: Mapping[State, str] = {
    State.PLANNING: "⏳",
    State.CHOOSING: "🔎",
    State.WAITING: "🔐",
    State.APPROVED: "👍",
    State.RUNNING: "🔧",
    State.ACTIVE: "✅",
    State.PLANNED: "📝",
    State.UNCHANGED: "✅",
    State.REFUSED: "🚫",
    State.REJECTED: "⛔",
    State.EXPIRED: "⌛",
    State.FAILED: "❌",
}
ANSWERS: Mapping[Answer, str] = {
    Answer.YES: "✅ yes",
    Answer.NO: "❌ no",
    Answer.UNKNOWN: "❔ unknown from here",
}
NOTHING_CHANGED = "Nothing was changed."


def host(request: Request) -> str:
    """The host name, an internationalised one in both forms; never a link."""
    return code(show(request.hostname))


def service(spec: Spec | Target) -> str:
    """namespace/name of the Service that shall answer."""
    name = spec.source if isinstance(spec, Spec) else spec.service
    return code(f"{spec.namespace}/{name}")


def plan_id(request: Request) -> str:
    """What people call the current plan."""
    return code(request.plan.id if request.plan else "–")


def approver(name: str, group_names: GroupNames) -> str:
    """A person or user group as policy names it: a mention, where it is known who that is."""
    if not name.startswith("@"):
        return person(name)
    group = group_names.get(name[1:]) or group_names.get(name)
    return f"<!subteam^{group}>" if group else code(name)


def approvers(names: Sequence[str], group_names: GroupNames) -> str:
    """Who may approve: "<!subteam^S1>, <@U1> or <@U2>"."""
    return enumerated([approver(name, group_names) for name in names], last="or") or "nobody"


def needs(request: Request, group_names: GroupNames) -> str:
    """What is missing for a go-ahead: "Needs 1 approval from @oncall, not from <@requester>"."""
    missing = max(request.approvals_needed - len(request.approved_by), 0)
    given = f" ({people(request.approved_by)} approved)" if request.approved_by else ""
    more = "more " if request.approved_by else ""
    number = f"{missing} {more}approval{'' if missing == 1 else 's'}"
    from_whom = approvers(request.approvers, group_names)
    asker = "" if request.requester in request.approvers else f", not from {person(request.requester)}"
    return f"Needs *{number}* from {from_whom}{asker}{given}."


def approved(request: Request) -> str:
    """ "<@U1> approved plan `9c1e12`, <date>"; empty while nobody has."""
    at = f", {date(request.approved_at)}" if request.approved_at else ""
    return f"{people(request.approved_by)} approved plan {plan_id(request)}{at}" if request.approved_by else ""


def until(request: Request) -> str:
    """When an open question lapses; empty if it does not."""
    return date(request.expires_at) if request.expires_at else ""


def again(request: Request) -> str:
    """The command that asks for the same once more: with its options, without its reason."""
    options = [f"--{name} {value}" for name, value in _options(request) if name != "reason"]
    return code(" ".join([COMMAND, CREATE.name, request.hostname, *options]), 700)


def _options(request: Request) -> list[tuple[str, str]]:
    """The options of the wish that are not what they would be if left out."""
    wish, left_out = Wish.from_json(request.wish).as_json(), Wish().as_json()
    said = {name: value for name, value in wish.items() if value != left_out[name]}
    return [(n.replace("_", "-"), ",".join(v) if isinstance(v, tuple) else str(v)) for n, v in said.items()]


def decidable(request: Request, now: datetime) -> bool:
    """Whether the plan can be approved or rejected: the buttons are drawn only then."""
    return request.state is State.WAITING and not (request.expires_at and now >= request.expires_at)


def reason(request: Request) -> str:
    """Plain: why the requester wants it, in their own words."""
    return str(request.wish.get("reason") or "")


def footer(request: Request) -> Block:
    """The last line of every message about a request: how to refer to it, who asked and when."""
    dry = "dry run" if request.dry_run else ""
    asked = f"asked by {person(request.requester)} {date(request.created_at)}"
    return context(f"Request {code(request.id)}", asked, dry)


# ---- how far


def reached(request: Request) -> Mapping[str, Progress]:
    """The rungs that were begun, by name; of a rung that was come back to, the latest."""
    return {p.step: p for p in request.progress}


def place(request: Request) -> int:
    """The number of the rung that is being climbed, from 1."""
    found = list(STEPS).index(request.step) if request.step in STEPS else 0
    return found + 1


def step_lines(request: Request) -> list[tuple[str, str]]:
    """Plain: the five rungs, each with a mark, and how long it took or what it waits for."""
    done = reached(request)
    found = []
    for name, word in STEPS.items():
        progress = done.get(name)
        if progress and progress.done_at:
            found.append((f"✅ {word}:", f"done, {duration(progress.done_at - progress.began_at)}"))
        elif name == request.step:
            mark = "✋" if waits_for_person(request) else "⏳"
            found.append((f"{mark} {word}:", str(request.wait.get("why") or "working")))
        else:
            found.append((f"▫️ {word}:", "not yet"))
    return found


def step_since(request: Request) -> str:
    """When the current rung was reached; empty if that is not known."""
    progress = reached(request).get(request.step)
    return date(progress.began_at) if progress else ""


def waits_for_person(request: Request) -> bool:
    """Whether the work goes on only when somebody makes a record elsewhere."""
    return request.state is State.RUNNING and request.wait.get("wait_for") == "person"


def check_now(request: Request) -> Block:
    """The button that has the record looked at at once."""
    return button("Check now", "check_now", request.id)


def next_check(request: Request) -> str:
    """When it is looked at again by itself; empty if that is not known."""
    at = moment(request.wait.get("until")) or request.due_at
    return date(at) if at else ""


# ---- what exists


def exists(request: Request) -> list[str]:
    """Plain: what this request has found or made so far, with names to look it up by."""
    facts, spec, record = request.facts, request.spec, reached(request).get("dns_record")
    own = f"{spec.cluster}/{spec.namespace}/{spec.service_name}" if spec and facts.load_balancer_hostname else ""
    named = {
        "ACM certificate": facts.certificate_arn,
        "Validation record": facts.validation_name if facts.validation_change else "",
        "Service": own,
        "Load balancer": facts.load_balancer_hostname,
        "DNS record": request.hostname if facts.record_change or (record and record.done_at) else "",
    }
    return [f"{what} `{clip_middle(name, 160)}`" for what, name in named.items() if name]


def not_done(request: Request) -> list[str]:
    """Plain: the rungs that do not hold, in order."""
    done = reached(request)
    return [word for name, word in STEPS.items() if not (name in done and done[name].done_at)]


def what_exists(request: Request) -> str:
    """One sentence for messages in which nothing new was done; true also when a half-done request stops there."""
    found = exists(request)
    return f"What exists so far stays as it is: {escape('; '.join(found))}." if found else NOTHING_CHANGED


# ---- the proof


def verdict_lines(verdict: Verdict) -> list[tuple[str, str]]:
    """Plain: the how-to's questions with their answers, a line each."""
    return [(f"{ANSWERS[line.answer]} · {line.question}", line.detail) for line in verdict.lines]


def took(request: Request) -> str:
    """How long it took from the go-ahead to the proof, and from the question."""
    if request.ended_at is None:
        return ""
    total = duration(request.ended_at - request.created_at)
    return f"{duration(request.ended_at - request.approved_at)} ({total} in all)" if request.approved_at else total


def counts(parts: Mapping[str, int]) -> str:
    """ "3 endpoints, 1 open request"; zeros are said too, so that nobody wonders."""
    return ", ".join(counted(number, noun) for noun, number in parts.items())
