"""Answers that one person sees: what went wrong, what is known, why a click did not count."""

from datetime import timedelta
from typing import Any

import pytest

from handlers.grammar import HELP, Fault, parse
from handlers.messages import replies
from services.model import Endpoint, EndpointState, Facts, Request, State
from tests.unit.message_samples import (
    ENGINEER,
    FACTS,
    GROUPS,
    HOST,
    NOW,
    PLAN,
    SPEC,
    mrkdwn,
    pressable,
    read,
    request,
    waiting_for_person,
)


def endpoint(**changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "id": "e-1", "hostname": HOST, "state": EndpointState.ACTIVE, "generation": 1, "spec": SPEC, "facts": FACTS,
        "created_at": NOW - timedelta(days=9), "active_since": NOW - timedelta(days=8), **changes,
    }  # fmt: skip
    return Endpoint(**values)


def test_help() -> None:
    """Every line of usage, every option and every example."""
    text = read(replies.help_())
    for typed, meaning in (*HELP.usage, *HELP.options, *HELP.examples):
        assert typed in text
        assert meaning in text


def test_a_fault_points_and_corrects() -> None:
    """Sentence, the line with the caret as code, and the command to copy."""
    found = parse("create app.example.com --servce <!channel>")
    assert isinstance(found, Fault)
    message = replies.fault(found)
    text = read(message)
    assert "has no option --servce. Did you mean --service?" in text
    assert f"    {found.line}\n    {found.caret}\n" in text
    assert "Probably meant:\n    /nlbtls create app.example.com --service <!channel>" in text
    assert "Nothing was changed" in text
    assert "<!channel>" not in mrkdwn(message)


def test_a_fault_without_correction() -> None:
    """Nothing is proposed that was not meant."""
    found = parse("create")
    assert isinstance(found, Fault)
    assert "Probably meant" not in read(replies.fault(found))


def test_refused() -> None:
    """The sentence, what to do, that nothing was changed, and the provider's reference."""
    text = read(replies.refused("There is no cluster 'prod'.", "Known: demo.", reference="aws-123"))
    for words in (
        "🚫 Refused: There is no cluster 'prod'.",
        "What to do: Known: demo.",
        "Nothing was changed",
        "aws-123",
    ):
        assert words in text


def test_accepted_and_duplicate_lead_to_the_card() -> None:
    """Who has it, since when, in which state, and a link."""
    assert "r-7f3k" in read(replies.accepted(request(State.PLANNING), "https://x.slack.com/p1"))
    message = replies.duplicate(request(State.WAITING), "https://x.slack.com/p1")
    text = read(message)
    for words in (
        "@requester already has `r-7f3k` open for `app.example.com`",
        "waiting for approval, since Mar 1, 2026",
    ):
        assert words in text
    assert "<https://x.slack.com/p1|Go to it>" in mrkdwn(message)
    assert "/nlbtls status app.example.com" in read(replies.duplicate(request(State.WAITING)))


def test_wrong_places() -> None:
    """A direct message and a channel without the bot are answered with what to do."""
    assert "in a channel that I am in" in read(replies.wrong_place())
    assert "/invite @nlbtls" in read(replies.wrong_place(direct_message=False))


def test_status() -> None:
    """The endpoint, what the newest request waits for, and who has to move."""
    text = read(replies.status(HOST, endpoint(), [waiting_for_person(), request(State.REJECTED)], now=NOW))
    for words in ("Status of `app.example.com`", "✅ active, since Feb 21, 2026", "shop/web", "k8s-shop-app-1",
                  "c0ffee",
                  "🔧 `r-7f3k` running: `The record is not there.` ✋ a person has to move", "⛔ `r-7f3k` rejected",
                  "As of Mar 1, 2026 12:00 UTC"):  # fmt: skip
        assert words in text


def test_status_of_an_endpoint_that_is_not_there_yet() -> None:
    """What is not known yet is left out."""
    pending = endpoint(state=EndpointState.PENDING, spec=None, facts=Facts(), active_since=None)
    assert "⏳ pending" in read(replies.status(HOST, pending, [], now=NOW))


def test_status_of_nothing() -> None:
    """An unknown name is answered with how to create it."""
    assert "/nlbtls create app.example.com" in read(replies.status(HOST, None, [], now=NOW))


def test_the_list_is_counted_and_paged() -> None:
    """At most twenty lines, both counts, and how to turn the page; a page too far is the last."""
    endpoints = [endpoint(hostname=f"app{i}.example.com") for i in range(43)]
    pages = [read(replies.listing(endpoints, [request(State.WAITING)], now=NOW, page=n)) for n in (0, 1, 3, 9)]
    assert pages[0] == pages[1]
    assert "1 open request, 43 endpoints" in pages[1]
    assert sum(line.startswith(("✅", "🔐")) for line in pages[1].splitlines()) == 20
    assert "Page 1 of 3 · Next: `/nlbtls list --page 2`" in pages[1]
    assert pages[2] == pages[3]
    assert "app42.example.com" in pages[2]
    assert "Next:" not in pages[2]
    assert "0 open requests, 0 endpoints" in read(replies.listing([], [], now=NOW))


def test_denied() -> None:
    """Why not, and who may; nobody else sees it, nothing happened."""
    text = read(replies.denied(request(State.WAITING), "You asked for this yourself.", GROUPS))
    for words in ("🚫 Denied: You asked for this yourself.", "Who may approve: @oncall or", "changed nothing"):
        assert words in text


@pytest.mark.parametrize(
    ("about", "digest", "words"),
    [
        (request(State.RUNNING), PLAN.digest, "Already approved: @engineer approved plan"),
        (request(State.ACTIVE), PLAN.digest, "Already approved"),
        (request(State.REJECTED), PLAN.digest, "Already rejected by @engineer, Mar 1, 2026 12:00 UTC. Ask anew"),
        (request(State.EXPIRED), PLAN.digest, "It expired, Mar 1, 2026 12:00 UTC. Ask anew"),
        (request(State.WAITING), "9c1e12ff", "Plan `9c1e12` was replaced by plan"),
        (request(State.PLANNING, plan=PLAN), PLAN.digest, "a new plan is being made"),
        (request(State.UNCHANGED), PLAN.digest, "The request is unchanged already"),
        (request(State.ACTIVE), "", "not asked any more: the request is active now"),
    ],
)
def test_late_clicks(about: Request, digest: str, words: str) -> None:
    """Who decided what and when, or which plan counts now; there is nothing more to press."""
    message = replies.late(about, digest, by=ENGINEER)
    assert words in read(message)
    assert "Your click changed nothing." in read(message)
    assert pressable(message) == []


def test_small_answers() -> None:
    """A broken program, an old button and a check under way are said as such."""
    assert "Ref `4f2a`" in read(replies.unexpected("4f2a"))
    assert "older version" in read(replies.outdated())
    assert "the answer comes into the thread" in read(replies.checking(waiting_for_person()))
