"""The outbox: one card per request whose edits coalesce, and posts, each once, in order, after the card."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from services.adapters.store import SqlStore, open_store
from services.model import Audience, Notice, Request, State
from services.storage import Card, Outbox
from tests.adapters.store_values import MINUTE, NOON, SetClock, a_request, an_endpoint


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store(tmp_path: Path, clock: SetClock) -> Iterator[SqlStore]:
    opened = open_store(f"sqlite:///{tmp_path}/bot.db", clock)
    yield opened
    opened.close()


@pytest.fixture
def outbox(store: SqlStore) -> Outbox:
    return store.outbox


def made(store: SqlStore, id_: str = "r1", *notices: Notice, state: State = State.PLANNING) -> Request:
    """A request in the store, with notices."""
    request = a_request(id_, f"{id_}.example.com", f"e-{id_}")
    store.create(request, an_endpoint(f"e-{id_}", f"{id_}.example.com"), [])
    return store.commit(request.with_(state=state), notices=notices) if notices else request


def private(kind: str) -> Notice:
    return Notice(kind, audience=Audience.REQUESTER)


def kinds(outbox: Outbox) -> list[str]:
    return [post.kind for post in outbox.due_posts(NOON)]


def card(store: SqlStore, id_: str = "r1") -> Card:
    found = store.outbox.card(id_)
    assert found is not None
    return found


def requests_of(cards: Sequence[Card]) -> list[str]:
    return [card.request_id for card in cards]


# ---- cards


def test_a_new_request_wants_its_card(store: SqlStore, outbox: Outbox) -> None:
    """Create alone makes the card due."""
    made(store)
    expected = Card("r1", "C1", ts="", wanted=1, shown=0, attempts=0, posting=False)
    assert outbox.due_cards(NOON) == [expected]
    assert outbox.card("r1") == expected
    assert outbox.card("nobody") is None


def test_edits_coalesce(store: SqlStore, outbox: Outbox) -> None:
    """Three commits are one edit; what is committed while it is shown is one more."""
    request = made(store)
    for _ in range(2):
        request = store.commit(request)
    [due] = outbox.due_cards(NOON)
    assert due.wanted == 3
    store.commit(request)  # while the message is on its way
    outbox.card_shown("r1", ts="1.1", version=due.wanted)
    [due] = outbox.due_cards(NOON)
    assert (due.ts, due.wanted, due.shown) == ("1.1", 4, 3)
    outbox.card_shown("r1", ts="1.1", version=due.wanted)
    assert outbox.due_cards(NOON) == []


def test_a_silent_commit_leaves_the_card(store: SqlStore, outbox: Outbox) -> None:
    """A look that found nothing new costs no edit."""
    request = made(store)
    outbox.card_shown("r1", ts="1.1", version=1)
    store.commit(request, show=False)
    assert outbox.due_cards(NOON) == []


def test_begun_cards_say_so_until_they_stand(store: SqlStore, outbox: Outbox) -> None:
    """After a crash in between, the deliverer sees that a message may exist already; postponing keeps that doubt."""
    made(store)
    outbox.begin_card("r1")
    assert card(store).posting
    outbox.postpone_card("r1", NOON)
    assert card(store).posting
    outbox.card_shown("r1", ts="1.1", version=1)
    assert not card(store).posting


def test_a_postponed_card_waits_and_counts(store: SqlStore, outbox: Outbox) -> None:
    """Retry-After holds also when something new is wanted; success forgets the attempts."""
    request = made(store)
    outbox.postpone_card("r1", NOON + MINUTE)
    store.commit(request)
    assert outbox.due_cards(NOON) == []
    [due] = outbox.due_cards(NOON + MINUTE)
    assert due.attempts == 1
    outbox.card_shown("r1", ts="1.1", version=1)
    [due] = outbox.due_cards(NOON)
    assert due.attempts == 0


def test_new_cards_go_first_then_the_longest_stale(store: SqlStore, outbox: Outbox, clock: SetClock) -> None:
    """A small budget of edits starves nobody, and who waits for a first sign of life goes before all edits."""
    written = {}
    for id_, minutes in (("r1", 2), ("r2", 0), ("r3", 1)):
        request = made(store, id_)
        outbox.card_shown(id_, ts="1.1", version=1)
        clock.now = NOON + minutes * MINUTE
        written[id_] = store.commit(request)
    clock.now = NOON + 5 * MINUTE
    made(store, "r4")
    assert requests_of(outbox.due_cards(NOON)) == ["r4", "r2", "r3", "r1"]
    assert requests_of(outbox.due_cards(NOON, limit=1)) == ["r4"]
    for id_ in ("r2", "r3"):
        store.commit(written[id_])  # wanting more does not lose the place
    assert requests_of(outbox.due_cards(NOON)) == ["r4", "r2", "r3", "r1"]
    outbox.card_shown("r2", ts="1.1", version=2)  # still stale, but it had its turn
    assert requests_of(outbox.due_cards(NOON)) == ["r4", "r3", "r1", "r2"]


def test_a_lost_card_is_posted_anew(store: SqlStore, outbox: Outbox) -> None:
    """Also when it showed everything that was wanted and was postponed; its thread waits for the new one."""
    made(store, "r1", Notice("plan"))
    outbox.begin_card("r1")
    outbox.card_shown("r1", ts="1.1", version=2)
    assert kinds(outbox) == ["plan"]
    outbox.postpone_card("r1", NOON + MINUTE)
    outbox.card_lost("r1")
    assert outbox.due_cards(NOON) == [Card("r1", "C1", ts="", wanted=2, shown=0, attempts=0, posting=False)]
    assert kinds(outbox) == []


def test_a_card_given_up_takes_its_thread_with_it(store: SqlStore, outbox: Outbox) -> None:
    """Nothing is tried in an archived channel any more, later notices included; private ones still go out."""
    request = made(store, "r1", Notice("plan"), private("hint"))
    made(store, "r2", Notice("other"))
    for id_ in ("r1", "r2"):
        outbox.card_shown(id_, ts="1.1", version=2)
    outbox.give_up_card("r1", "the channel is archived")
    store.commit(request, notices=[Notice("problem"), private("stopped")])
    assert outbox.due_cards(NOON) == []
    assert sorted(kinds(outbox)) == ["hint", "other"]
    outbox.post_sent(2, ts="")
    assert sorted(kinds(outbox)) == ["other", "stopped"]


# ---- requests refused before anybody saw them


def test_a_request_refused_before_it_was_shown_has_no_card(store: SqlStore, outbox: Outbox) -> None:
    """Only the private answer goes out; what was meant for the thread goes nowhere."""
    request = made(store, "r1", Notice("plan"))
    store.commit(request.with_(state=State.REFUSED, ended_at=NOON), notices=[Notice("refused"), private("sorry")])
    assert outbox.due_cards(NOON) == []
    assert kinds(outbox) == ["sorry"]


def test_a_request_born_refused_has_no_card(store: SqlStore, outbox: Outbox) -> None:
    """The same if it is refused at once."""
    store.create(a_request(state=State.REFUSED, ended_at=NOON), an_endpoint(), [])
    assert outbox.due_cards(NOON) == []


@pytest.mark.parametrize("stage", ["begun", "shown"])
def test_a_refusal_is_shown_on_a_card_that_may_stand(store: SqlStore, outbox: Outbox, stage: str) -> None:
    """Once a card was posted, or may have been, it must tell the truth."""
    request = made(store)
    if stage == "begun":
        outbox.begin_card("r1")
    else:
        outbox.card_shown("r1", ts="1.1", version=1)
    store.commit(request.with_(state=State.REFUSED, ended_at=NOON), show=stage == "shown")
    assert requests_of(outbox.due_cards(NOON)) == ["r1"]


def test_a_card_that_was_posted_after_all_is_alive(store: SqlStore, outbox: Outbox) -> None:
    """The refusal came between reading the due card and posting it: later changes must reach the message."""
    request = made(store)
    request = store.commit(request.with_(state=State.REFUSED, ended_at=NOON))
    outbox.card_shown("r1", ts="1.1", version=1)
    store.commit(request)
    assert requests_of(outbox.due_cards(NOON)) == ["r1"]


# ---- posts


def test_posts_come_one_by_one_in_order(store: SqlStore, outbox: Outbox) -> None:
    """Per request the oldest unsent; the next one only when it was sent."""
    made(store, "r1", Notice("plan", {"digest": "abc", "names": ("a",)}), Notice("found"))
    made(store, "r2", Notice("other"))
    for id_ in ("r1", "r2"):
        outbox.card_shown(id_, ts="1.1", version=2)
    first, other = outbox.due_posts(NOON)
    assert (first.request_id, first.channel, first.audience, first.kind) == ("r1", "C1", "thread", "plan")
    assert (first.data, first.created_at, first.attempts, first.posting) == (
        {"digest": "abc", "names": ("a",)}, NOON, 0, False,
    )  # fmt: skip
    assert other.kind == "other"
    assert len(outbox.due_posts(NOON, limit=1)) == 1
    outbox.post_sent(first.id, ts="1.2")
    assert sorted(kinds(outbox)) == ["found", "other"]


def test_a_thread_waits_for_its_card_and_holds_back_no_private_post(store: SqlStore, outbox: Outbox) -> None:
    """ "Invite me to the channel" must reach the person although nothing can be posted in the channel."""
    made(store, "r1", Notice("plan"), private("invite me"))
    assert kinds(outbox) == ["invite me"]
    outbox.card_shown("r1", ts="1.1", version=2)
    assert kinds(outbox) == ["plan"]


def test_a_postponed_post_holds_back_those_behind_it(store: SqlStore, outbox: Outbox) -> None:
    """Order is kept over Retry-After; other requests go on."""
    made(store, "r1", Notice("plan"), Notice("found"))
    made(store, "r2", private("other"))
    outbox.card_shown("r1", ts="1.1", version=2)
    [plan] = [post for post in outbox.due_posts(NOON) if post.kind == "plan"]
    outbox.begin_post(plan.id)
    outbox.postpone_post(plan.id, NOON + MINUTE)
    assert kinds(outbox) == ["other"]
    [again, _] = outbox.due_posts(NOON + MINUTE)
    assert (again.id, again.attempts, again.posting) == (plan.id, 1, True)


def test_a_post_given_up_lets_the_next_one_go(store: SqlStore, outbox: Outbox) -> None:
    """A message that Slack refuses for ever does not silence its thread."""
    made(store, "r1", Notice("plan"), Notice("found"))
    outbox.card_shown("r1", ts="1.1", version=2)
    outbox.give_up_post(outbox.due_posts(NOON)[0].id, "msg_too_long")
    assert kinds(outbox) == ["found"]
