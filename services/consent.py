"""What an approval covers. Pure.

An approval is for one plan, by digest, and for each of its changes once: the event "began" uses it up, and only the
token of that event may be finished after a crash (design §4). What the world shows at the moment of acting must be
what the approver saw: same resource, same verb, same state before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.model import LATER, Change, Event, Fields, Plan, Resource, Verb

PLANNED, APPROVED, BEGAN, ENDED = "planned", "approved", "began", "ended"


@dataclass(frozen=True)
class Grant:
    """What is left of an approval."""

    plan: Plan | None
    ended: frozenset[str] = frozenset()  #: keys of changes that were made under it
    open_tokens: Mapping[str, str] = field(default_factory=dict)  #: key -> token, begun and not known to have ended


def grant(plan: Plan | None, events: Sequence[Event]) -> Grant:
    """The grant that the record of a request gives for its current plan. A new plan voids what was approved before."""
    digest = plan.digest if plan else None
    approved = False
    ended: set[str] = set()
    began: dict[str, str] = {}
    for event in events:
        if event.kind == PLANNED:
            approved, ended, began = False, set(), {}
        elif digest is None or event.data.get("digest") != digest:
            continue
        elif event.kind == APPROVED:
            approved = True
        elif event.kind == BEGAN:
            began[str(event.data["key"])] = str(event.data["token"])
        elif event.kind == ENDED:
            ended.add(str(event.data["key"]))
    if not approved:
        return Grant(None)
    return Grant(plan, frozenset(ended), {k: t for k, t in began.items() if k not in ended})


def objection(granted: Grant, wanted: Change) -> str:
    """Empty if the grant covers the change now; else what differs, in one sentence."""
    if granted.plan is None:
        return f"Nobody approved: {title(wanted)}."
    if wanted.key in granted.ended:
        return f"This was done once under the approval and is not so any more: {title(wanted)}."
    approved = next((c for c in granted.plan.effects if c.key == wanted.key), None)
    if approved is None:
        kept = next((c for c in granted.plan.changes if c.key == wanted.key), None)
        return f"The plan did not change this{'; it existed then' if kept else ''}: {title(wanted)}."
    if approved.verb is not wanted.verb or approved.before != wanted.before:
        seen = differing(approved.before, wanted.before)
        return f"Changed since the plan was made: {title(wanted)}{': ' + seen if seen else ''}."
    if not fits(approved.after, wanted.after):
        return f"Another change than the approved one: {title(wanted)}: {differing(approved.after, wanted.after)}."
    return ""


def fits(approved: Fields | None, wanted: Fields | None) -> bool:
    """Whether the wanted fields are the approved ones; a value that could not be known at the plan fits any."""
    if approved is None or wanted is None:
        return approved is wanted
    return approved.keys() == wanted.keys() and all(v in (LATER, wanted[k]) for k, v in approved.items())


def differing(old: Fields | None, new: Fields | None) -> str:
    """What differs between two sets of fields, in words; at most five fields."""
    if old is None and new is not None:
        return "it exists now with " + ", ".join(f"{k} {shown(v)}" for k, v in list(new.items())[:5])
    if new is None and old is not None:
        return "it does not exist any more"
    parts = []
    for name in sorted({*(old or {}), *(new or {})}):
        was, now = (old or {}).get(name), (new or {}).get(name)
        if was != now and was != LATER:
            parts.append(f"{name} was {shown(was)}, is {shown(now)}")
    return "; ".join(parts[:5])


def differences(old: Plan, new: Plan) -> list[str]:
    """What a new plan says otherwise than the old one, a sentence for each change; empty if nothing."""
    before, after = ({c.key: c for c in plan.changes} for plan in (old, new))
    found = []
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key), after.get(key)
        if was is None and now is not None:
            found.append(f"New in the plan: {title(now)}.")
        elif now is None and was is not None:
            found.append(f"No longer in the plan: {title(was)}.")
        elif was is not None and now is not None and was != now:
            found.append(_changed(was, now))
    return found


def _changed(was: Change, now: Change) -> str:
    parts = [p for p in (differing(was.before, now.before), differing(was.after, now.after)) if p]
    if was.verb is not now.verb:
        parts.insert(0, f"was “{was.verb}”, is “{now.verb}”")
    return f"{title(now)}: {'; '.join(parts) or 'became known'}."


_NOUNS: Mapping[Resource, str] = {
    Resource.CERTIFICATE: "ACM certificate",
    Resource.VALIDATION_RECORD: "validation record",
    Resource.SERVICE: "Service",
    Resource.DNS_RECORD: "DNS record",
}


def title(change: Change) -> str:
    """One change in people's words: "create Service sandbox/demo/app-example-com-3f2a1"."""
    verb = {Verb.KEEP: "keep", Verb.ASK: "ask for"}.get(change.verb, change.verb.value)
    return f"{verb} {_NOUNS[change.resource]} {change.name}"


def shown(value: Any) -> str:
    """A field's value as people read it."""
    if value is None or value in ("", [], {}, ()):
        return "nothing"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


@dataclass(frozen=True)
class Account:
    """Where a request stands after it stopped: for the message that says what exists and what does not."""

    made: tuple[Change, ...]
    unsure: tuple[Change, ...]  #: begun, and the end was not seen
    not_done: tuple[Change, ...]


def account(plan: Plan | None, events: Sequence[Event]) -> Account:
    """What was made of a plan so far; what the same request made under an earlier plan is kept by this one."""
    if plan is None:
        return Account((), (), ())
    granted = grant(plan, events)
    effects = plan.effects
    touched = {str(e.data["key"]) for e in events if e.kind == BEGAN}
    earlier = tuple(replace(c, verb=Verb.CREATE) for c in plan.changes if c.verb is Verb.KEEP and c.key in touched)
    made = tuple(c for c in effects if c.key in granted.ended)
    unsure = tuple(c for c in effects if c.key in granted.open_tokens)
    return Account((*earlier, *made), unsure, tuple(c for c in effects if c not in made and c not in unsure))
