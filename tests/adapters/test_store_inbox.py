"""The inbox: everything that came in, once, until it was dealt with."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from threading import Barrier, Thread

import pytest

from services.adapters.store import SqlStore, open_store
from services.storage import Inbox, InboxItem
from tests.adapters.store_values import MINUTE, NOON, SetClock, a_request, an_endpoint


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(f"sqlite:///{tmp_path}/bot.db", SetClock())
    yield opened
    opened.close()


@pytest.fixture
def inbox(store: SqlStore) -> Inbox:
    return store.inbox


def item(key: str, at: datetime = NOON) -> InboxItem:
    return InboxItem(key, "command", {"text": "create app.example.com", "list": [1, {"a": None}]}, at)


def test_an_item_is_received_once(inbox: Inbox) -> None:
    """Slack repeats what it thinks was not heard; the second time is known."""
    assert inbox.receive(item("k1"))
    assert not inbox.receive(item("k1", NOON + MINUTE))
    assert inbox.receive(item("k2"))


def test_one_of_many_threads_receives_it(inbox: Inbox) -> None:
    """The same event delivered at once on several threads is new to exactly one of them."""
    barrier, news = Barrier(4), []

    def receive() -> None:
        barrier.wait()
        news.append(inbox.receive(item("k1")))

    threads = [Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(news) == [False, False, False, True]


def test_unfinished_items_come_back_whole_and_oldest_first(inbox: Inbox) -> None:
    """After a restart the bot finds what it had accepted; what just came in is left to those who have it in hand."""
    for key, minutes in (("late", 2), ("early", 1), ("now", 3)):
        inbox.receive(item(key, NOON + minutes * MINUTE))
    found = inbox.unfinished(NOON + 3 * MINUTE)
    assert found == [item("early", NOON + MINUTE), item("late", NOON + 2 * MINUTE)]


def test_a_finished_item_is_not_unfinished_but_still_known(inbox: Inbox) -> None:
    """Finishing does not make the key new again."""
    inbox.receive(item("k1"))
    inbox.finish("k1")
    assert inbox.unfinished(NOON + MINUTE) == []
    assert not inbox.receive(item("k1"))


def test_create_and_commit_finish_their_item(store: SqlStore) -> None:
    """The cause and its effect are one transaction: after a crash it is either to be done again or wholly done."""
    for key in ("k1", "k2", "k3"):
        store.inbox.receive(item(key))
    store.create(a_request(), an_endpoint(), [], inbox_key="k1")
    store.commit(a_request(), inbox_key="k2")
    assert [i.key for i in store.inbox.unfinished(NOON + MINUTE)] == ["k3"]


def test_forget_drops_only_what_was_finished_before(tmp_path: Path) -> None:
    """Unfinished items stay however old they are, and so do those finished lately."""
    clock = SetClock()
    store = open_store(f"sqlite:///{tmp_path}/bot.db", clock)
    for key in ("open", "old", "new"):
        store.inbox.receive(item(key))
    store.inbox.finish("old")
    clock.now = NOON + 2 * MINUTE
    store.inbox.finish("new")
    store.inbox.finish("old")  # said twice: the first time counts
    assert store.inbox.forget(NOON + MINUTE) == 1
    assert [store.inbox.receive(item(key)) for key in ("open", "old", "new")] == [False, True, False]
    store.close()
