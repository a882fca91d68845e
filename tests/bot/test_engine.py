"""The embedded engine: a turn of a group at a time, none forgotten, none that ends the pool."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from structlog.testing import capture_logs

from bot.engine import Engine


class Turns:
    """What is run, and when it may go on."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.at_once = 0
        self.most_at_once = 0
        self.began = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __call__(self, group: str) -> None:
        with self._lock:
            self.count[group] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.began.release()
        assert self.go_on.acquire(timeout=10)
        with self._lock:
            self.at_once -= 1

    def begun(self, turns: int = 1) -> None:
        """Wait until so many more began."""
        for _ in range(turns):
            assert self.began.acquire(timeout=10)

    def finish(self, turns: int = 1) -> None:
        """Let so many end."""
        self.go_on.release(turns)


def nothing() -> None:
    """Nobody needs to be told."""


@contextmanager
def engine(run: Callable[[str], None], after: Callable[[], None] = nothing) -> Iterator[Engine]:
    """One that is stopped in the end."""
    made = Engine(run, after, workers=4)
    yield made
    made.stop()


def test_a_turn_of_a_group_at_a_time() -> None:
    """However often it is asked for."""
    turns = Turns()
    with engine(turns) as it:
        for _ in range(10):
            it.submit("a")
        turns.begun()
        turns.finish(2)

    assert turns.most_at_once == 1


def test_what_is_asked_for_meanwhile_is_run_once_more() -> None:
    """It may have been asked for after the turn looked; ten wishes are one turn."""
    turns = Turns()
    with engine(turns) as it:
        it.submit("a")
        turns.begun()
        for _ in range(10):
            it.submit("a")
        turns.finish()
        turns.begun()
        turns.finish()

    assert turns.count == {"a": 2}


def test_groups_do_not_wait_for_each_other() -> None:
    """Four turns at once."""
    turns = Turns()
    with engine(turns) as it:
        for group in "abcd":
            it.submit(group)
        turns.begun(4)
        turns.finish(4)

    assert turns.most_at_once == 4


def test_a_turn_that_raises_ends_nothing_but_itself() -> None:
    """The group can be run again, and so can others."""
    seen: list[str] = []

    def failing(group: str) -> None:
        seen.append(group)
        if len(seen) == 1:
            raise ZeroDivisionError

    done = threading.Semaphore(0)
    with capture_logs() as lines, engine(failing, done.release) as it:
        for group in ("a", "a", "b"):
            it.submit(group)
            assert done.acquire(timeout=10)

    assert seen[0] == "a"
    assert {*seen[1:]} == {"a", "b"}
    assert [line["event"] for line in lines] == ["turn failed"]


def test_a_group_is_not_lost_to_whoever_cannot_be_told() -> None:
    """`after` fails (the scheduler is shutting down, say): the group must not stay busy for ever."""
    told = threading.Semaphore(0)
    turns: list[str] = []

    def failing() -> None:
        told.release()
        raise KeyError("deliver")

    with capture_logs(), engine(turns.append, failing) as it:
        it.submit("a")
        assert told.acquire(timeout=10)
        while it._busy:  # until the thread has put the group away
            threading.Event().wait(0.01)
        it.submit("a")
        assert told.acquire(timeout=10)

    assert turns == ["a", "a"]


def test_stop_waits_for_the_turn_under_way_and_begins_no_other() -> None:
    """Not even the one that was asked for meanwhile."""
    turns = Turns()
    it = Engine(turns, nothing, workers=1)
    it.submit("a")
    turns.begun()
    it.submit("a")
    stopping = threading.Thread(target=it.stop)
    stopping.start()
    stopping.join(0.1)
    assert stopping.is_alive()
    turns.finish(5)
    stopping.join(10)
    it.submit("b")

    assert turns.count == {"a": 1}
