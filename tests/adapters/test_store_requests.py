"""Requests and endpoints in the store: what is found, who wins, and what one transaction holds together."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import Engine, event

from services.adapters.store import SqlStore, open_store
from services.model import EndpointState, Facts, Notice, State
from services.storage import HostnameTaken, InboxItem, Stale, Store
from tests.adapters.store_values import MINUTE, NOON, SetClock, a_request, an_endpoint, an_event

OPEN = [state for state in State if state.is_open]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(f"sqlite:///{tmp_path}/bot.db", SetClock())
    yield opened
    opened.close()


def put(store: Store, id_: str, **more: Any) -> None:
    """A request with an endpoint of its own."""
    hostname = more.pop("hostname", f"{id_}.example.com")
    endpoint = store.endpoint(hostname) or an_endpoint(f"e-{id_}", hostname)
    store.create(a_request(id_, hostname, endpoint.id, **more), endpoint, [])


def race(*contenders: Callable[[], object]) -> list[object]:
    """Run all at the same moment on a thread each; what they returned or raised."""
    barrier, outcomes = Barrier(len(contenders)), []

    def run(contender: Callable[[], object]) -> None:
        barrier.wait()
        try:
            outcomes.append(contender())
        except (Stale, HostnameTaken) as error:
            outcomes.append(error)

    threads = [Thread(target=run, args=(contender,)) for contender in contenders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def ids(found: Any) -> list[str]:
    return [row.id for row in found]


# ---- what is due


def test_due_groups_are_those_with_due_rows(store: SqlStore) -> None:
    """Parked rows and later ones do not count; the group that waited longest comes first."""
    put(store, "r1", group="b", due_at=NOON)
    put(store, "r2", group="a", due_at=NOON + MINUTE)
    put(store, "r3", group="a", due_at=NOON + 2 * MINUTE)
    put(store, "r4", group="c", due_at=NOON + 3 * MINUTE)
    put(store, "r5", group="d")
    assert store.due_groups(NOON - MINUTE) == []
    assert store.due_groups(NOON) == ["b"]
    assert store.due_groups(NOON + 2 * MINUTE) == ["b", "a"]


def test_due_rows_come_oldest_first(store: SqlStore) -> None:
    """Of the group only, up to the moment only, up to the limit only."""
    for id_, minutes in (("r1", 2), ("r2", 1), ("r3", 9)):
        put(store, id_, group="a", due_at=NOON + minutes * MINUTE)
    put(store, "r4", group="b", due_at=NOON)
    assert ids(store.due("a", NOON + 2 * MINUTE)) == ["r2", "r1"]
    assert ids(store.due("a", NOON + 2 * MINUTE, limit=1)) == ["r2"]


@pytest.mark.parametrize("ask", [lambda s: s.due_groups(NOON), lambda s: s.due("a", NOON)])
def test_the_sweep_uses_the_partial_index(store: SqlStore, ask: Callable[[Store], object]) -> None:
    """It runs every second for as long as the bot lives and must not read the finished rows of all years."""
    said: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        ask(store)
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    [(statement, parameters)] = [(s, p) for s, p in said if s.startswith("SELECT")]
    with store._database.read() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert "ix_requests_due" in steps[0].detail


# ---- reading


def test_what_is_not_there(store: SqlStore) -> None:
    """Nothing found is None or empty, not an error."""
    assert (store.request("r1"), store.open_request("a.example.com"), store.endpoint("a.example.com")) == (None,) * 3
    assert [*store.requests(), *store.endpoints(), *store.events("r1")] == []


def test_a_request_comes_back_equal(store: SqlStore) -> None:
    """Columns and document together are the request that was written."""
    request = a_request(
        wish={"port": 443}, group="g", due_at=NOON, facts=Facts(dual_stack=True), approvers=("@oncall",)
    )
    store.create(request, an_endpoint(), [])
    assert store.request("r1") == request
    assert store.open_request("app.example.com") == request
    assert store.due("g", NOON) == [request]


@pytest.mark.parametrize("state", list(State))
def test_open_request_follows_the_state(store: SqlStore, state: State) -> None:
    """The flag behind the unique index is the model's own word."""
    put(store, "r1", hostname="app.example.com", state=state)
    assert (store.open_request("app.example.com") is not None) == state.is_open
    assert ids(store.requests(open_only=True)) == (["r1"] if state.is_open else [])


def test_requests_are_listed_newest_first(store: SqlStore) -> None:
    """By host name, open ones only, and not more than asked for."""
    for number, hostname in enumerate(("a.test", "b.test", "a.test"), start=1):
        state = State.ACTIVE if number == 1 else State.PLANNING
        put(store, f"r{number}", hostname=hostname, created_at=NOON + number * MINUTE, state=state)
    assert ids(store.requests()) == ["r3", "r2", "r1"]
    assert ids(store.requests(hostname="a.test")) == ["r3", "r1"]
    assert ids(store.requests(open_only=True)) == ["r3", "r2"]
    assert ids(store.requests(limit=1)) == ["r3"]


def test_endpoints_are_listed_by_host_name(store: SqlStore) -> None:
    """All of them, up to a limit."""
    for id_ in ("b", "a", "c"):
        put(store, id_)
    assert [e.hostname for e in store.endpoints(limit=2)] == ["a.example.com", "b.example.com"]
    assert store.endpoint("c.example.com") == an_endpoint("e-c", "c.example.com")


# ---- create


def test_a_host_name_has_one_open_request(store: SqlStore) -> None:
    """The second is told who holds it; once the first has ended it may have it."""
    first = a_request("r1")
    store.create(first, an_endpoint(), [])
    with pytest.raises(HostnameTaken) as caught:
        store.create(a_request("r2"), an_endpoint(), [])
    assert caught.value.request == first
    store.commit(first.with_(state=State.REJECTED, ended_at=NOON))
    store.create(a_request("r2"), an_endpoint(), [])
    assert ids(store.requests()) == ["r2", "r1"]


def test_who_comes_second_learns_who_was_first_before_all_else(store: SqlStore) -> None:
    """The winner wrote the endpoint too: that the loser's copy of it is outdated is not what the person must hear."""
    store.create(a_request("r1", state=State.ACTIVE), an_endpoint(), [])
    store.create(a_request("r2"), an_endpoint(generation=2), [])
    with pytest.raises(HostnameTaken):
        store.create(a_request("r3"), an_endpoint(generation=2, facts=Facts(dual_stack=True)), [])


def test_two_creates_at_once(store: SqlStore) -> None:
    """Each comes with an endpoint of its own making: one wins, the other learns of the winner and leaves nothing."""
    for round_ in range(10):
        hostname = f"app{round_}.example.com"
        contenders = [
            lambda id_=f"{name}{round_}", hostname=hostname: store.create(
                a_request(id_, hostname, f"e-{id_}"), an_endpoint(f"e-{id_}", hostname), [an_event()]
            )
            for name in ("x", "y")
        ]
        [won, lost] = sorted(race(*contenders), key=lambda outcome: outcome is not None)
        [winner] = store.requests(hostname=hostname)
        assert won is None
        assert isinstance(lost, HostnameTaken)
        assert lost.request == winner
        assert store.endpoint(hostname) == an_endpoint(winner.endpoint_id, hostname)


def test_create_writes_an_endpoint_that_exists_one_version_on(store: SqlStore) -> None:
    """A further request for the same endpoint; one that says nothing new does not touch it."""
    store.create(a_request("r1", state=State.ACTIVE), an_endpoint(), [])
    store.create(a_request("r2", state=State.ACTIVE), an_endpoint(), [])
    assert store.endpoint("app.example.com") == an_endpoint(version=0)
    store.create(a_request("r3"), an_endpoint(generation=2), [])
    assert store.endpoint("app.example.com") == an_endpoint(generation=2, version=1)


def test_create_on_an_outdated_endpoint_is_stale(store: SqlStore) -> None:
    """Whether it was read too early or made up beside an existing one."""
    store.create(a_request("r1", state=State.ACTIVE), an_endpoint(), [])
    store.create(a_request("r2", state=State.ACTIVE), an_endpoint(generation=2), [])
    with pytest.raises(Stale):
        store.create(a_request("r3"), an_endpoint(generation=3), [])
    with pytest.raises(Stale):
        store.create(a_request("r3", endpoint_id="other"), an_endpoint("other"), [])
    assert store.request("r3") is None


# ---- commit


def test_commit_moves_the_version_and_returns_what_is_stored(store: SqlStore) -> None:
    """The value returned can be committed next."""
    store.create(a_request(), an_endpoint(), [])
    once = store.commit(a_request().with_(state=State.APPROVED, due_at=NOON))
    assert (once.version, once.state) == (1, State.APPROVED)
    assert store.request("r1") == once
    assert store.commit(once.with_(step="probe")).version == 2


def test_an_old_version_is_stale_and_changes_nothing(store: SqlStore) -> None:
    """Neither the row, nor its record, nor its messages."""
    store.create(a_request(), an_endpoint(), [an_event()])
    stored = store.commit(a_request())
    with pytest.raises(Stale):
        store.commit(a_request(step="probe"), [an_event("late")], [Notice("late")])
    with pytest.raises(Stale):
        store.commit(a_request("nobody"))
    assert store.request("r1") == stored
    assert store.events("r1") == [an_event()]
    assert store.outbox.due_cards(NOON)[0].wanted == 2


def test_two_commits_at_once(store: SqlStore) -> None:
    """A double click, or two replicas: one wins, the other is Stale, and only the winner's events stand."""
    store.create(a_request(), an_endpoint(), [])
    request = a_request()
    for _ in range(10):
        outcomes = race(
            partial(store.commit, request.with_(step="x"), [an_event("x")]),
            partial(store.commit, request.with_(step="y"), [an_event("y")]),
        )
        [lost] = [outcome for outcome in outcomes if isinstance(outcome, Stale)]
        [won] = [outcome for outcome in outcomes if outcome is not lost]
        stored = store.request("r1")
        assert stored == won
        assert stored is not None
        assert store.events("r1")[-1].kind == stored.step
        request = stored
    assert len(store.events("r1")) == 10


def test_many_threads_write_many_requests(store: SqlStore) -> None:
    """Writers of different rows wait for each other and do not fail."""

    def work(id_: str) -> None:
        put(store, id_)
        request = store.request(id_)
        for _ in range(5):
            assert request is not None
            request = store.commit(request, [an_event()], [Notice("found")])

    assert race(*(lambda id_=f"r{n}": work(id_) for n in range(8))) == [None] * 8
    assert {request.version for request in store.requests()} == {5}


def test_events_are_numbered_on(store: SqlStore) -> None:
    """In the order given, over several transactions."""
    store.create(a_request(), an_endpoint(), [an_event("a"), an_event("b", n=1)])
    store.commit(a_request(), [an_event("c"), an_event("d")])
    assert [line.kind for line in store.events("r1")] == ["a", "b", "c", "d"]
    assert store.events("r1")[1] == an_event("b", n=1)


def test_a_request_that_ends_is_not_due(store: SqlStore) -> None:
    """Whatever due_at it still carried, in what is returned as in what is stored."""
    store.create(a_request(due_at=NOON), an_endpoint(), [])
    ended = store.commit(a_request(state=State.FAILED, ended_at=NOON, due_at=NOON))
    assert ended.due_at is None
    assert store.request("r1") == ended
    assert store.due_groups(NOON + MINUTE) == []


def test_commit_writes_the_endpoint_behind_its_own_fence(store: SqlStore) -> None:
    """An endpoint that somebody else wrote in between makes the whole commit stale."""
    store.create(a_request(), an_endpoint(), [])
    active = replace(an_endpoint(), state=EndpointState.ACTIVE, active_since=NOON)
    request = store.commit(a_request(), endpoint=active)
    assert store.endpoint("app.example.com") == replace(active, version=1)
    with pytest.raises(Stale):
        store.commit(request, [an_event()], endpoint=an_endpoint(generation=7))
    assert store.request("r1") == request
    assert store.events("r1") == []


def test_reopening_beside_an_open_request_is_refused(store: SqlStore) -> None:
    """An ended request cannot take the host name back from the one that has it now."""
    store.create(a_request("r1", state=State.FAILED), an_endpoint(), [])
    store.create(a_request("r2"), an_endpoint(), [])
    with pytest.raises(HostnameTaken) as caught:
        store.commit(a_request("r1", state=State.RUNNING))
    assert caught.value.request.id == "r2"


def test_a_commit_that_breaks_half_way_leaves_nothing(store: SqlStore) -> None:
    """The last thing written fails: row, endpoint, events, card, posts and inbox are as before."""
    store.create(a_request(), an_endpoint(), [an_event()])
    store.inbox.receive(InboxItem("k1", "action", {}, NOON))
    with pytest.raises(TypeError):
        store.commit(
            a_request(state=State.APPROVED),
            [an_event("approved")],
            [Notice("plan", {"fine": 1}), Notice("plan", {"broken": object()})],
            endpoint=an_endpoint(generation=2),
            inbox_key="k1",
        )
    assert store.request("r1") == a_request()
    assert store.endpoint("app.example.com") == an_endpoint()
    assert store.events("r1") == [an_event()]
    assert [card.wanted for card in store.outbox.due_cards(NOON)] == [1]
    assert [item.key for item in store.inbox.unfinished(NOON + MINUTE)] == ["k1"]
    store.outbox.card_shown("r1", ts="1.1", version=1)
    assert store.outbox.due_posts(NOON) == []


def test_a_create_that_breaks_half_way_leaves_nothing(store: SqlStore) -> None:
    """No endpoint without its request."""
    with pytest.raises(TypeError):
        store.create(a_request(), an_endpoint(), [an_event(broken=object())])
    assert store.endpoint("app.example.com") is None
    assert store.requests() == []


# ---- waking


def test_wake_makes_open_requests_due(store: SqlStore) -> None:
    """A hint: the version stays, so that whoever works on the row is not disturbed; ended requests stay asleep."""
    put(store, "r1", group="a", state=State.RUNNING, due_at=NOON + 9 * MINUTE)
    put(store, "r2", group="b", state=State.CHOOSING)
    put(store, "r3", group="c", state=State.ACTIVE)
    put(store, "r4", group="d", due_at=NOON + 9 * MINUTE)
    store.wake(["r1", "r2", "r3", "nobody"], NOON)
    assert sorted(store.due_groups(NOON)) == ["a", "b"]
    woken = store.request("r1")
    assert woken is not None
    assert (woken.version, woken.due_at) == (0, NOON)
    store.commit(woken)


def test_wake_takes_any_number(store: SqlStore) -> None:
    """Many more than go into one statement, and none."""
    woken = ["r0", "r777", "r1999"]
    for id_ in woken:
        put(store, id_, group="a")
    store.wake([], NOON)
    assert store.due_groups(NOON) == []
    store.wake((f"r{number}" for number in range(2000)), NOON)
    assert sorted(ids(store.due("a", NOON))) == sorted(woken)


def test_restart_wakes_what_is_ours_to_move(store: SqlStore) -> None:
    """What a person has to answer keeps its due_at, which is when it expires; what has ended stays ended."""
    for state in State:
        put(store, state.name, state=state, due_at=NOON + 9 * MINUTE if state.is_open else None)
    assert store.restart(NOON) == 3
    assert sorted(ids(store.due("", NOON))) == ["APPROVED", "PLANNING", "RUNNING"]
    parked = [store.request(name) for name in ("WAITING", "CHOOSING")]
    assert [request.due_at for request in parked if request] == [NOON + 9 * MINUTE] * 2


def test_restart_wakes_a_running_request_without_due_at(store: SqlStore) -> None:
    """The process died between taking it up and writing when to look again."""
    put(store, "r1", state=State.RUNNING)
    assert store.restart(NOON) == 1
    assert ids(store.due("", NOON)) == ["r1"]
