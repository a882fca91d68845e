"""APScheduler's only home: the clock that sweeps for due groups and brings messages out."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

# Each tick is a line at INFO otherwise, and at WARNING one that falls into a run that is still under way (the next one
# comes within a second). What matters of a tick is logged by what it runs; only what that raises is an ERROR here.
logging.getLogger("apscheduler").setLevel(logging.ERROR)


class Scheduler:
    """Calls `sweep` and `deliver` every second and `tidy` once a day; `deliver_soon` brings the next delivery forward.

    In memory only: nothing here survives the process, and nothing needs to.
    """

    def __init__(self, sweep: Callable[[], None], deliver: Callable[[], None], tidy: Callable[[], None]) -> None:
        self._scheduler = BackgroundScheduler(timezone=UTC)
        # A late tick runs once, whatever it missed; two ticks of one job never overlap.
        every_second = {"trigger": "interval", "seconds": 1, "max_instances": 1, "coalesce": True}
        self._scheduler.add_job(sweep, id="sweep", misfire_grace_time=None, **every_second)
        self._scheduler.add_job(deliver, id="deliver", misfire_grace_time=None, **every_second)
        soon = datetime.now(UTC) + timedelta(minutes=1)  # not only after a day: some are restarted every night
        self._scheduler.add_job(
            tidy, "interval", days=1, next_run_time=soon, id="tidy", coalesce=True, misfire_grace_time=None
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """End, if it began; a job under way is waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def deliver_soon(self) -> None:
        """Something is waiting to be told: do not wait for the next second."""
        if self._scheduler.running:
            self._scheduler.modify_job("deliver", next_run_time=datetime.now(UTC))
