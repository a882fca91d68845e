"""The clock: sweeps and delivers every second, at once when asked, and never two of a kind at a time."""

import logging
import threading
import time

import pytest

from bot.scheduler import Scheduler


def nothing() -> None:
    """No job."""


def test_a_delivery_is_brought_forward() -> None:
    """A message does not wait for the next second."""
    delivered = threading.Semaphore(0)
    clock = Scheduler(nothing, delivered.release, nothing)
    clock.start()
    try:
        began = time.monotonic()
        clock.deliver_soon()
        assert delivered.acquire(timeout=5)
        assert time.monotonic() - began < 0.9
    finally:
        clock.stop()


def test_a_delivery_that_takes_long_is_not_doubled_and_not_complained_about(caplog: pytest.LogCaptureFixture) -> None:
    """Asked for again while it runs, it comes again after; the log stays quiet."""
    running = threading.Semaphore(0)
    at_once: list[int] = []
    busy = threading.Lock()

    def slow() -> None:
        at_once.append(0 if busy.acquire(blocking=False) else 1)
        running.release()
        time.sleep(0.2)
        busy.release()

    clock = Scheduler(nothing, slow, nothing)
    clock.start()
    try:
        clock.deliver_soon()
        assert running.acquire(timeout=5)
        for _ in range(5):
            clock.deliver_soon()
            time.sleep(0.02)
        assert running.acquire(timeout=5)
    finally:
        clock.stop()

    assert sum(at_once) == 0
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_a_job_that_raises_comes_again() -> None:
    """And its error is in the log."""
    swept = threading.Semaphore(0)

    def failing() -> None:
        swept.release()
        raise ZeroDivisionError

    clock = Scheduler(failing, nothing, nothing)
    clock.start()
    try:
        assert swept.acquire(timeout=5)
        assert swept.acquire(timeout=5)
    finally:
        clock.stop()


def test_what_never_began_can_be_ended() -> None:
    """A start that fails half-way ends what there is."""
    clock = Scheduler(nothing, nothing, nothing)
    clock.deliver_soon()
    clock.stop()
    clock.deliver_soon()
