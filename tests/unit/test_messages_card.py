"""The root card: for each state what it says, who acts next, and what can be pressed."""

from datetime import timedelta

import pytest

from handlers.messages.card import card
from services.model import Facts, Request, State
from tests.unit.message_samples import (
    ENGINEER,
    FACTS,
    GROUPS,
    NOW,
    VERDICT,
    mrkdwn,
    pressable,
    raw,
    read,
    request,
    waiting_for_person,
)


def shown(which: Request) -> str:
    return read(card(which, now=NOW, group_names=GROUPS))


@pytest.mark.parametrize(
    ("state", "title", "words"),
    [
        (State.PLANNING, "⏳ app.example.com: planning", ["Nothing was changed", "the plan appears in the thread"]),
        (State.CHOOSING, "🔎 app.example.com: choosing a Service", ["@requester picks a Service", "it expires"]),
        (
            State.WAITING,
            "🔐 app.example.com: waiting for approval",
            ["shop/web", "demo", "Expires", "Needs 1 approval from @oncall or", "not from @requester", "new shop",
             "+ create ACM certificate", "= keep validation record", "~ change Service", "✋ ask for DNS record",
             "Client addresses are not preserved", "in the thread", "Nothing was changed"],
        ),
        (State.APPROVED, "👍 app.example.com: approved", ["@engineer approved plan", "compare the plan"]),
        (
            State.RUNNING,
            "🔧 app.example.com: running, 2 of 5",
            ["✅ certificate: done, 14 s", "⏳ validation: Route 53 is not in sync yet.",
             "▫️ load balancer: not yet", "▫️ DNS record: not yet", "▫️ probe: not yet", "@engineer approved plan"],
        ),
        (
            State.ACTIVE,
            "✅ app.example.com serves TLS",
            ["✅ yes · Does the connection succeed?", "✅ yes · Which certificate is used?",
             "✅ yes · Does it reach the expected endpoint in the cluster?", "Amazon RSA 2048 M02", "Sep 15, 2026",
             "k8s-shop-app-1.elb.eu-west-1.amazonaws.com", "TLSv1.3", "200, 12 ms", "5 min (10 min in all)",
             "Asked by · @requester", "Approved by · @engineer"],
        ),
        (State.UNCHANGED, "✅ app.example.com serves TLS, unchanged", ["nothing was changed"]),
        (State.PLANNED, "📝 app.example.com: planned (dry run)", ["Nothing was changed", "/nlbtls create", "+ create"]),
        (State.REFUSED, "🚫 app.example.com: refused", ["no cluster 'prod'", "Known: demo", "Nothing was changed"]),
        (State.REJECTED, "⛔ app.example.com: rejected", ["not on a Friday", "Nothing was changed", "/nlbtls create"]),
        (State.EXPIRED, "⌛ app.example.com: expired", ["Nobody approved it in time", "Nothing was changed"]),
        (
            State.FAILED,
            "❌ app.example.com: stopped at step 3: load balancer",
            ["The controller finds no subnet", "Tag the subnets", "What exists now", "c0ffee", "_x.app.example.com",
             "Not done", "• load balancer", "• DNS record", "• probe", "@requester mends the cause"],
        ),
    ],
)  # fmt: skip
def test_each_state(state: State, title: str, words: list[str]) -> None:
    """Title with symbol and word, the facts of the state, the next step, the reference id; fallback says it too."""
    message = card(request(state), now=NOW, group_names=GROUPS)
    text = read(message)
    assert text.splitlines()[0] == title
    assert [word for word in words if word not in text] == []
    assert "*Next:*" in mrkdwn(message)
    assert "r-7f3k" in text.splitlines()[-1]
    assert message["text"].startswith(title)
    assert pressable(message) == []


def test_every_state_has_a_face() -> None:
    """A new state cannot be forgotten here."""
    for state in State:
        card(request(state), now=NOW)


def test_waiting_for_a_person() -> None:
    """Who makes which record, last and next check, what was found, until when, and the button."""
    message = card(waiting_for_person(), now=NOW)
    text = read(message)
    assert text.startswith("✋ app.example.com: waiting for a DNS record, 2 of 5")
    for word in ("DNS of `example.org`", "CNAME", "_abc.app.example.org", "Last check · Mar 1, 2026 12:00",
                 "Next check", "Waits until · Mar 4, 2026", "NXDOMAIN at ns1.elsewhere.test",
                 "✋ validation"):  # fmt: skip
        assert word in text
    assert pressable(message) == ["check_now"]
    assert '"value": "r-7f3k"' in raw(message)


def test_the_button_goes_with_the_wait() -> None:
    """Check now is there only while a person has to move."""
    assert pressable(card(request(State.FAILED, wait=waiting_for_person().wait), now=NOW)) == []
    assert pressable(card(request(State.RUNNING), now=NOW)) == []


def test_a_problem_is_shown_while_it_lasts() -> None:
    """What is wrong stands on the card, whatever the step waits for."""
    wait = {**request(State.RUNNING).wait, "problem": "ELB throttles us."}
    assert "⚠️ Problem: ELB throttles us." in shown(request(State.RUNNING, wait=wait))


def test_a_world_that_changed_is_said_while_planning_anew() -> None:
    """The card never says that nothing was changed once something exists."""
    text = shown(request(State.PLANNING, wait={"objection": "port was 80, is 81"}, facts=FACTS))
    assert "did not cover what was found: port was 80, is 81" in text
    assert "stays as it is: ACM certificate" in text
    assert "Nothing was changed" not in text


def test_approvals_that_are_there_are_counted() -> None:
    """One of two is said with the name, and one more is asked for."""
    text = shown(request(State.WAITING, approvals_needed=2, approved_by=(ENGINEER,)))
    assert "Needs 1 more approval from @oncall" in text
    assert "@engineer approved" in text


def test_a_group_without_an_id_is_named_not_mentioned() -> None:
    """Without a mapping the handle is text; people are mentioned by id."""
    text = mrkdwn(card(request(State.WAITING), now=NOW))
    assert "`@oncall`" in text
    assert "<!subteam^" not in text
    assert "<@U0DEPUTY001>" in text


def test_a_contradicting_probe() -> None:
    """A request that stopped at the probe shows all three answers, and does not claim to serve TLS."""
    text = shown(request(State.FAILED, step="probe", verdict=VERDICT, facts=FACTS))
    assert "❌ no · Which certificate is used? 192.0.2.7 serves another certificate." in text
    assert "❔ unknown from here · Does it reach" in text
    assert "serves TLS" not in text


def test_what_cannot_be_seen_is_not_called_proven() -> None:
    """An internal endpoint is set up, but the title does not promise more than the verdict."""
    unknown = request(State.ACTIVE, verdict=type(VERDICT)(VERDICT.lines[2:]))
    assert shown(unknown).startswith("✅ app.example.com is set up; not all can be seen from here")


def test_an_internationalised_name_is_shown_in_both_forms() -> None:
    """Look-alike letters are seen."""
    text = shown(request(State.PLANNING, hostname="xn--bcher-kva.example.com"))
    assert "bücher.example.com (xn--bcher-kva.example.com)" in text


def test_stopped_before_anything_was_made() -> None:
    """Nothing made is said as such."""
    text = shown(request(State.FAILED, step="", progress=(), facts=Facts()))
    assert text.startswith("❌ app.example.com: stopped\n")
    assert "Nothing was changed" in text


def test_the_time_of_a_card_does_not_age() -> None:
    """A card may stand unedited for days: how long something takes is said as a moment, not as a span until now."""
    later = read(card(waiting_for_person(), now=NOW + timedelta(days=2)))
    assert later == read(card(waiting_for_person(), now=NOW))
    assert "This step since · Mar 1, 2026 11:57 UTC" in later


def test_past_its_time_a_plan_is_not_offered() -> None:
    """Between the deadline and the sweep that expires it, the card does not ask for what is refused anyway."""
    text = read(card(request(State.WAITING), now=NOW + timedelta(days=2)))
    assert "The time to decide is over" in text
    assert "Approve or Reject" not in text


def test_the_command_to_ask_anew_keeps_the_options() -> None:
    """What was asked for can be asked for again by copying one line."""
    wish = {"service": "web", "port": 8443, "source_ranges": ["192.0.2.0/24", "198.51.100.0/24"], "reason": "new"}
    text = shown(request(State.EXPIRED, wish=wish))
    options = "--service web --port 8443 --source-ranges 192.0.2.0/24,198.51.100.0/24"
    assert f"`/nlbtls create app.example.com {options}`" in text
