"""The embedded engine: a small thread pool behind `submit(group)`. One turn of a group at a time, none forgotten.

It holds no state that matters: after a crash the sweep finds every due group again (design §5).
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

log = structlog.get_logger()


class Engine:
    """Runs turns. `after` is called when a turn ended: its messages are waiting."""

    def __init__(self, run: Callable[[str], None], after: Callable[[], None], *, workers: int = 8) -> None:
        self._run = run
        self._after = after
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="turn")
        self._lock = threading.Lock()
        self._busy: dict[str, bool] = {}  # group -> whether another turn was asked for meanwhile
        self._stopped = False

    def submit(self, group: str) -> None:
        """Ask for a turn of a group soon."""
        with self._lock:
            if self._stopped:
                return
            if group in self._busy:
                self._busy[group] = True
                return
            self._busy[group] = False
            self._pool.submit(self._turns, group)

    def stop(self) -> None:
        """Finish the turns under way, begin no others."""
        with self._lock:
            self._stopped = True
        self._pool.shutdown(wait=True)

    def _turns(self, group: str) -> None:
        again = True
        while again:
            try:
                self._run(group)
            except Exception:  # the boundary of a thread: rows stay due and are tried again by the sweep
                log.exception("turn failed", group=group)
            try:
                self._after()
            except Exception:  # the same; and the group must not stay busy for ever
                log.exception("nobody was told that a turn ended", group=group)
            with self._lock:
                again = self._busy[group] and not self._stopped
                if again:
                    self._busy[group] = False
                else:
                    del self._busy[group]
