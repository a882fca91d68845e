"""`python -m bot run` as a process, with nothing but a Slack to talk to: AWS and Kubernetes are not there."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from sandbox.faults import Faults
from sandbox.slack.server import FAULTS, SlackStandIn

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  #: seconds for what takes one or two on an idle machine
CONFIG = """
[[clusters]]
name = "main"
region = "eu-west-1"
[[policy]]
hostnames = ["*.example.com"]
requesters = ["*"]
approvers = ["@oncall"]
namespaces = ["demo"]
"""


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One bot. `variables` come on top of good ones."""

    def __init__(self, folder: Path, slack_url: str, bot_token: str, app_token: str) -> None:
        config = folder / "nlbtls.toml"
        config.write_text(CONFIG)
        self.http_port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SLACK_API_URL": slack_url,
            "SLACK_BOT_TOKEN": bot_token,
            "SLACK_APP_TOKEN": app_token,
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "KUBECONFIG": str(folder / "no-kubeconfig"),
            "NLBTLS_CONFIG": str(config),
            "NLBTLS_DATABASE_URL": f"sqlite:///{folder / 'nlbtls.db'}",
            "NLBTLS_HTTP_ADDRESS": f"127.0.0.1:{self.http_port}",
        }
        self._log = folder / "bot.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: str = "run", variables: Mapping[str, str] | None = None) -> "Process":
        """Begin; it is not waited for."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", command],
                cwd=ROOT,
                env={**self.environment, **(variables or {})},
                stdout=log,
                stderr=log,
            )
        return self

    @property
    def log(self) -> str:
        """Everything that it said."""
        return self._log.read_text(errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The same, parsed. Raises ValueError if a whole line is no JSON: a traceback, say."""
        return [json.loads(line) for line in self.log.splitlines(keepends=True) if line.endswith("\n")]

    def said(self, event: str) -> dict[str, Any]:
        """Wait for a line."""
        self.until(lambda: any(line["event"] == event for line in self.lines))
        return next(line for line in self.lines if line["event"] == event)

    def until(self, seen: Callable[[], bool]) -> None:
        """Wait until it is so."""
        end = time.monotonic() + PATIENCE
        while not seen():
            assert time.monotonic() < end, self.log
            time.sleep(0.05)

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def terminate(self) -> tuple[int, float]:
        """SIGTERM: the exit code, and how many seconds it took."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        return self.ended(), time.monotonic() - began

    def health(self, path: str) -> int:
        """The status of /livez or /readyz; 0 while nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except ConnectionError:
            return 0
        finally:
            connection.close()

    def kill(self) -> None:
        """Whatever it does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Place:
    """A Slack that can be made to fail, and a bot for it."""

    def __init__(self, folder: Path) -> None:
        self.faults = Faults([FAULTS])
        self.slack = SlackStandIn(self.faults, fault_seconds=0.1)
        self.url = self.slack.start()
        self.bot = Process(folder, self.url, self.slack.bot_token, self.slack.app_token)

    def close(self) -> None:
        """End both."""
        self.bot.kill()
        self.slack.stop()
