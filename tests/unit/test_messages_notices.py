"""The posts of a thread and to the requester: words, mentions, buttons, and what becomes of an old one."""

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.messages import choice
from handlers.messages.blocks import Message
from handlers.messages.notices import RENDERERS, render
from handlers.messages.plan import diff
from services.model import Change, Plan, Request, Resource, State, Target, Verb
from tests.unit.message_samples import (
    ENGINEER,
    FACTS,
    GROUPS,
    NOW,
    PERSON_WAIT,
    PLAN,
    RECORD,
    SPEC,
    elements,
    mrkdwn,
    post,
    pressable,
    raw,
    read,
    request,
    waiting_for_person,
)

INSTRUCTIONS = {"instructions": asdict(RECORD), "deadline": PERSON_WAIT["deadline"], "found": PERSON_WAIT["found"]}


def rendered(kind: str, about: Request, **data: Any) -> Message:
    return render(post(kind, **data), about, now=NOW, group_names=GROUPS)


@pytest.mark.parametrize(
    ("kind", "state", "data", "words"),
    [
        ("approved", State.APPROVED, {"by": ENGINEER, "more_needed": 0}, ["👍 Approved by @engineer", "then begin"]),
        ("rejected", State.REJECTED, {"by": ENGINEER, "reason": "not on a Friday"},
         ["⛔ Rejected by @engineer", "Reason: not on a Friday", "Nothing was changed", "@requester, ask anew"]),
        ("expired", State.EXPIRED, {}, ["⌛ Expired: ", "Nobody approved it in time.", "@requester, ask anew"]),
        ("warning", State.RUNNING, {"sentence": "This has waited 48 of 72 hours."},
         ["⚠️ Warning for @requester", "48 of 72 hours", "Check now on the card"]),
        ("problem", State.RUNNING, {"sentence": "ACM says no.", "hint": "Grant acm:List.", "raw": "req-1"},
         ["⚠️ Problem with", "step `validation`", "ACM says no.", "What to do: Grant acm:List.", "req-1",
          "stays as it is", "goes on by itself"]),
        ("verdict", State.ACTIVE, {}, ["✅ app.example.com serves TLS", "@requester", "✅ yes · Which certificate"]),
        ("verdict", State.UNCHANGED, {}, ["serves TLS, unchanged", "nothing was changed"]),
        ("stopped", State.FAILED, {"reason": "No subnet.", "hint": "Tag them.", "unchanged": ["create Service x"],
                                   "exists": ["create ACM certificate y", "change DNS record z"]},
         ["❌ app.example.com: stopped at step 3: load balancer", "Why: No subnet.", "What to do: Tag them.",
          "What exists now", "• ACM certificate y", "• DNS record z (changed)", "Not done", "• create Service x",
          "@requester, mend the cause"]),
        ("refused", State.REFUSED, {"sentence": "No such zone.", "hint": "Ask Ops."},
         ["🚫 Refused: ", "No such zone.", "What to do: Ask Ops.", "Nothing was changed"]),
        ("undeliverable", State.PLANNING, {}, ["I am not in #C0PLATFORM1", "/invite @nlbtls", "Nothing was changed"]),
        ("unexpected", State.RUNNING, {"reference": "4f2a", "retry_at": (NOW + timedelta(minutes=5)).isoformat()},
         ["Something broke on our side", "Ref `4f2a`", "I try again Mar 1, 2026 12:05 UTC", "stays as it is"]),
        ("found", State.RUNNING, {"found": "The record is right.", "ok": True, "asked_by": ENGINEER},
         ["✅ Checked: as it should be. @engineer", "goes on by itself"]),
        ("choice", State.WAITING, {"none": False}, ["`shop/web` in `demo` was chosen", "waiting for approval"]),
        ("from the future", State.RUNNING, {}, ["`from the future`", "The request is running"]),
    ],
)  # fmt: skip
def test_each_kind(kind: str, state: State, data: dict[str, Any], words: list[str]) -> None:
    """What happened, what exists, who acts next; the reference id; a fallback that says it; no button to press."""
    message = rendered(kind, request(state), **data)
    text = read(message)
    assert [word for word in words if word not in text] == []
    assert "r-7f3k" in text.splitlines()[-1]
    assert "app.example.com" in message["text"]
    assert pressable(message) == []


def test_every_kind_that_services_send_has_words() -> None:
    """The kinds of services/transitions.py and of the outbox."""
    kinds = "plan choice approved rejected expired instructions found warning problem verdict stopped refused"
    assert set(RENDERERS) == {*kinds.split(), "undeliverable", "unexpected"}


# ---- the plan


def test_a_plan_to_decide() -> None:
    """Every change before → after, findings, who may approve, and the buttons with request and digest alone."""
    message = rendered("plan", request(State.WAITING), version=2, differences=[], previous="")
    text = read(message)
    for words in ("+ create ACM certificate app.example.com in eu-west-1", "key_algorithm: RSA_2048",
                  "= keep validation record", "~ change Service", "ports: 80 → 443",
                  "annotations.scheme: internal → internet-facing", "value: (known later)", "Client addresses",
                  "Needs 1 approval from @oncall or", "not from @requester", "Reason: new shop"):  # fmt: skip
        assert words in text
    assert "annotations.type" not in text  # it stays as it is
    assert "<!subteam^S0ONCALL001>" in mrkdwn(message)
    approve, reject = elements(message)
    assert (approve["action_id"], reject["action_id"]) == ("approve", "reject")
    assert approve["value"] == reject["value"] == f"r-7f3k:{PLAN.digest}"
    assert PLAN.id in approve["confirm"]["title"]["text"]
    assert "app.example.com" in approve["confirm"]["text"]["text"]
    assert PLAN.id in reject["confirm"]["title"]["text"]


def test_a_plan_for_a_changed_world_says_so_first() -> None:
    """What differs, that approvals are void, and that nothing was done."""
    message = rendered(
        "plan", request(State.WAITING), version=2, differences=["port was 80, is 81."], previous="9c1e12"
    )
    text = read(message)
    opening = text[: text.index("Host ·")]
    for words in ("♻️", "The world changed since plan `9c1e12`", "• port was 80, is 81.", "Earlier approvals are void",
                  "Nothing was changed"):  # fmt: skip
        assert words in opening
    assert "The world changed" in message["text"]
    assert pressable(message) == ["approve", "reject"]


def test_a_plan_for_a_world_that_changed_half_way_says_what_exists() -> None:
    """Nothing is claimed to be unchanged that was made under the approval before."""
    half = request(State.WAITING, facts=FACTS)
    text = read(rendered("plan", half, version=2, differences=["port was 80, is 81."]))
    assert "What exists so far stays as it is: ACM certificate" in text
    assert "Nothing was changed" not in text


@pytest.mark.parametrize(
    ("about", "version", "words"),
    [
        (request(State.WAITING), 1, "replaced by plan `"),
        (request(State.RUNNING), 2, "@engineer approved plan"),
        (request(State.ACTIVE), 2, "The request is active now."),
        (request(State.REJECTED), 2, "was rejected"),
        (request(State.EXPIRED), 2, "expired without approval"),
        (request(State.PLANNED), 2, "Dry run: nothing was changed."),
        (request(State.PLANNING), 1, "This plan is void"),
        (request(State.PLANNING, plan=PLAN, plan_version=2), 2, "a new plan is being made"),
        (request(State.WAITING, expires_at=NOW), 2, "The time to decide"),
    ],
)
def test_a_plan_out_of_date_has_no_buttons(about: Request, version: int, words: str) -> None:
    """An older plan, a decided one and one whose time is over say what became of them and cannot be pressed."""
    message = rendered("plan", about, version=version, differences=[])
    assert pressable(message) == []
    assert words in read(message)


def test_a_diff_too_long_keeps_every_change() -> None:
    """Fields may be left out, and that is said; no change ever is."""
    after = {f"field{i}": "x" * 200 for i in range(30)}
    changes = tuple(Change(Verb.CREATE, Resource.DNS_RECORD, f"host{i}.example.com A", None, after) for i in range(40))
    pieces = diff(replace(PLAN, changes=changes), 6000)
    text = "\n".join(pieces)
    assert len(text) <= 6000
    for i in range(40):
        assert f"host{i}.example.com A" in text
    assert "    … 30 more" in text


def test_no_change_is_lost_between_the_blocks_of_a_diff() -> None:
    """Characters that take two in JSON do not make Slack's limit cut a piece."""
    after = {"policy": '"\\' * 60}
    changes = tuple(Change(Verb.CREATE, Resource.SERVICE, f"demo/shop/web{i}", None, after) for i in range(30))
    text = raw(rendered("plan", request(State.WAITING, plan=replace(PLAN, changes=changes)), version=2))
    assert [i for i in range(30) if f"demo/shop/web{i}" not in text] == []


# ---- the choice


@pytest.mark.parametrize(
    ("none", "words"), [(False, "2 Services could be meant"), (True, "Nothing names a Service for `app.example.com`")]
)
def test_the_choice(none: bool, words: str) -> None:
    """Candidates with their reasons, and a list whose options carry the ref."""
    message = rendered("choice", request(State.CHOOSING), none=none)
    text = read(message)
    assert words in text
    assert "1. demo/shop/web: configured for *.example.com" in text
    assert "@requester, please choose. Nothing was changed." in text
    (chooser,) = elements(message)
    assert chooser["action_id"] == "choose_target"
    assert [o["value"] for o in chooser["options"]] == ["demo/shop/web", "demo/shop/app"]
    assert [b.get("block_id") for b in message["blocks"] if b["type"] == "actions"] == ["choose:r-7f3k"]


def test_nothing_to_choose_from() -> None:
    """Without candidates there is no empty list, which Slack would refuse."""
    message = rendered("choice", request(State.CHOOSING, candidates=()), none=True)
    assert pressable(message) == []
    assert "ask whoever keeps the policy" in read(message)


def test_a_ref_too_long_for_slack_is_its_place() -> None:
    """A choice comes back as the ref that was meant, by name or by place; anything else is nothing."""
    long = Target("c" * 63, "n" * 63, "s" * 63, "long")
    about = request(State.CHOOSING, candidates=(*request(State.CHOOSING).candidates, long))
    (chooser,) = elements(rendered("choice", about, none=False))
    assert chooser["options"][2]["value"] == "2"
    assert choice.chosen_ref(about, "2") == long.ref
    assert choice.chosen_ref(about, "demo/shop/web") == "demo/shop/web"
    assert choice.chosen_ref(about, "1") == ""
    assert choice.chosen_ref(about, "demo/kube-system/web") == ""


# ---- DNS elsewhere


def test_instructions() -> None:
    """The record in every form that people type, the traps, what was found, when we look, until when, the button."""
    message = rendered("instructions", waiting_for_person(), **INSTRUCTIONS)
    text = read(message)
    for words in ("✋ app.example.com: a DNS record is needed", "@requester, DNS of `example.org` is not ours",
                  "so that Amazon issues the certificate", "Type          CNAME", "Name          _abc.app\n",
                  "Name in full  _abc.app.example.org", "Value         _xyz.acm-validations.aws", "TTL           300",
                  "_abc.app.example.org. 300 IN CNAME _xyz.acm-validations.aws.", "trailing dot",
                  "• Some providers refuse a leading underscore", "Found so far: NXDOMAIN at ns1.elsewhere.test",
                  "next Mar 1, 2026 12:01 UTC", "I wait until Mar 4, 2026 12:00 UTC"):  # fmt: skip
        assert words in text
    assert [(e["action_id"], e["value"]) for e in elements(message)] == [("check_now", "r-7f3k")]
    assert "_xyz.acm-validations.aws" in message["text"]


@pytest.mark.parametrize(
    "about",
    [
        request(State.ACTIVE),
        request(State.RUNNING),
        waiting_for_person(step="dns_record").with_(
            wait={**PERSON_WAIT, "instructions": asdict(replace(RECORD, name="app.example.org"))}
        ),
    ],
)
def test_instructions_that_are_not_waited_for(about: Request) -> None:
    """Once the record is there, or another one is waited for, the old post has no button and says to keep it."""
    message = rendered("instructions", about, **INSTRUCTIONS)
    assert pressable(message) == []
    assert "not waited for any more" in read(message)
    assert "renewals" in read(message)


def test_an_apex_has_no_zone_file_line() -> None:
    """ALIAS and ANAME are no types of a zone file."""
    apex = replace(RECORD, purpose="application", type="ALIAS", name="example.org", relative_name="@")
    about = waiting_for_person().with_(wait={**PERSON_WAIT, "instructions": asdict(apex)})
    text = read(rendered("instructions", about, **{**INSTRUCTIONS, "instructions": asdict(apex)}))
    assert "leads to the load balancer" in text
    assert "Name          @" in text
    assert " IN ALIAS" not in text


def test_a_check_that_was_asked_for() -> None:
    """What was seen and when it is looked at again by itself."""
    text = read(rendered("found", waiting_for_person(), found="NXDOMAIN at ns1", ok=False, asked_by=ENGINEER))
    assert "Checked: not there yet. @engineer" in text
    assert "Found: NXDOMAIN at ns1" in text
    assert "I look again by myself Mar 1, 2026 12:01 UTC" in text


def test_one_of_two_approvals() -> None:
    """The first approval says how many more and from whom."""
    about = request(State.WAITING, approvals_needed=2, approved_by=(ENGINEER,))
    assert "Needs 1 more approval from @oncall" in read(rendered("approved", about, by=ENGINEER, more_needed=1))


def test_a_plan_without_effects_is_said_to_change_nothing() -> None:
    """A plan with no change at all still is a message."""
    empty = Plan(SPEC, ())
    assert "nothing to change" in raw(rendered("plan", request(State.WAITING, plan=empty), version=2))
