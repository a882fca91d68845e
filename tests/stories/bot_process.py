"""The real bot, `python -m bot run`, as a process that can be ended at any moment and started again."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.calls import CallLost
from sandbox.world import World

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  #: seconds that a start may take on a busy machine; it takes two on an idle one


class BotProcess:
    """Starts and ends the bot of one world. `environment`: another one than the world's own."""

    def __init__(self, world: World, environment: Mapping[str, str] | None = None) -> None:
        self._world = world
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._log = world.directory / "bot.log"
        self._read_from = 0
        self.starts = 0

    @property
    def log(self) -> str:
        """Everything that it ever said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until people can reach it."""
        self._read_from = self._log.stat().st_size if self._log.exists() else 0
        environment = self._world.bot_environment() if self._environment is None else self._environment
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", "run"], cwd=ROOT, env=dict(environment), stdout=log, stderr=log
            )
        self.starts += 1
        until = time.monotonic() + PATIENCE
        while not self._is_connected():
            if self._process.poll() is not None or time.monotonic() > until:
                return  # killed by a hook while it started, or broken: whoever waits for its work will tell
            time.sleep(0.05)

    def _is_connected(self) -> bool:
        return '"event": "started"' in self.log[self._read_from :] and self._world.slack.connections > 0

    def revive(self) -> None:
        """Start it again if it was killed, as a supervisor would."""
        if not self.is_running:
            self.start()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. From any thread; nothing if it is gone already."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()

    def kill_before(self) -> None:
        """For a hook before a call: the bot dies just too early to make it."""
        self.kill()
        raise CallLost

    def restart(self) -> None:
        """Kill it, start it."""
        self.kill()
        self.start()


def bare_environment(world: World, home: Path, without: Callable[[str], bool] = lambda name: False) -> dict[str, str]:
    """Nothing but the variables of the contract (design §9), a PATH and an empty home."""
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in world.environment.items() if not without(name)}
    return {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **kept}
