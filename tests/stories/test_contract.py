"""The contract of design §9: a bot of one's own on the variables that the sandbox writes, and its commands."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.slack.person import Person, SeenMessage
from sandbox.story import records_in
from sandbox.world import DECLARED
from tests.stories.bot_process import ROOT
from tests.stories.conftest import SCALE
from tests.stories.play import CHANNEL, ELSEWHERE, PATIENCE

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]

CONTRACT = {
    "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_API_URL", "KUBECONFIG", "AWS_ENDPOINT_URL",
    "NLBTLS_CONFIG", "NLBTLS_DATABASE_URL", "NLBTLS_DNS_SERVERS", "NLBTLS_DNS_PORT", "NLBTLS_CA_BUNDLE",
    "NLBTLS_CONNECT_TO",
}  # fmt: skip


@dataclass(frozen=True)
class Sandbox:
    """`python -m sandbox --no-bot --env-file F` as a process, in a directory of its own."""

    directory: Path
    variables: dict[str, str]

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`python -m sandbox …` beside it, finding it by itself."""
        return subprocess.run(
            [sys.executable, "-m", "sandbox", *words],
            cwd=self.directory, env=_surroundings(), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


def _surroundings() -> dict[str, str]:
    """Whatever starts the sandbox; it runs outside of the checkout here, so that two of them do not meet."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Running, with its variables read back from the file."""
    file = tmp_path / "sandbox.env"
    with (tmp_path / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--no-bot", "--env-file", str(file), "--scale", str(SCALE)],
            cwd=tmp_path, env=_surroundings(), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until = time.monotonic() + PATIENCE
        while not file.exists():
            assert process.poll() is None, (tmp_path / "sandbox.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        yield Sandbox(tmp_path, dict(line.split("=", 1) for line in file.read_text().splitlines()))
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def own_bot(sandbox: Sandbox) -> Iterator[Path]:
    """A bot with these variables, PATH and HOME, and nothing else. Its log."""
    home, log = sandbox.directory / "home", sandbox.directory / "bot.log"
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **sandbox.variables}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "run"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    yield log
    process.kill()
    process.wait()


def test_a_bot_of_ones_own_runs_a_story(sandbox: Sandbox, own_bot: Path) -> None:
    """From the env file alone; the faults and the DNS owner are reached by the sandbox's own commands."""
    assert sandbox.variables.keys() >= CONTRACT
    requester, oncall = (Person(sandbox.variables["SLACK_API_URL"], name) for name in ("requester", "oncall"))

    def until(*words: str) -> SeenMessage:
        return requester.wait_for(
            lambda: next((m for m in requester.messages(CHANNEL) if all(w in m.text for w in words)), None), PATIENCE
        )

    requester.wait_for(lambda: '"event": "started"' in own_bot.read_text(), PATIENCE)
    assert requester.command(CHANNEL, f"/nlbtls create {ELSEWHERE}").problem == ""
    plan = requester.wait_for(
        lambda: next((m for m in requester.messages(CHANNEL) if "Approve" in m.buttons), None), PATIENCE
    )
    assert oncall.click(plan.ts, "Approve", CHANNEL).problem == ""
    for purpose in ("issues the certificate", "leads to the load balancer"):
        for name, type_, value in records_in(until("a DNS record is needed", purpose)):
            assert sandbox.command("dns", "add", name, type_, value).returncode == 0
    assert until(f"✅ {ELSEWHERE} serves TLS").text.count("✅ yes") == 3


def test_faults_are_listed_and_switched(sandbox: Sandbox) -> None:
    """One name a line; on and off in the running sandbox; an unknown name is refused in words."""
    listed = sandbox.command("faults")
    assert listed.returncode == 0
    assert sorted(listed.stdout.split()) == sorted(name for names in DECLARED for name in names)
    requester = Person(sandbox.variables["SLACK_API_URL"], "requester")
    assert sandbox.command("fault", "aws-down", "on").returncode == 0
    assert "503" in _aws(sandbox).stderr or "ServiceUnavailable" in _aws(sandbox).stderr
    assert sandbox.command("fault", "aws-down", "off").returncode == 0
    assert _aws(sandbox).returncode == 0
    refused = sandbox.command("fault", "no-such-fault", "on")
    assert refused.returncode == 2
    assert "There is no fault 'no-such-fault'" in refused.stderr
    added = sandbox.command("dns", "add", "www.example.com", "CNAME", "elsewhere.test")
    assert added.returncode == 2
    assert "in none of the zones held elsewhere" in added.stderr
    acted = sandbox.command("as", "requester", "/nlbtls help")
    assert "dispatch_failed" in acted.stdout  # no bot is there, and Slack says so
    assert requester.messages(CHANNEL)


def _aws(sandbox: Sandbox) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **sandbox.variables, "AWS_MAX_ATTEMPTS": "1"}
    command = [str(ROOT / ".venv/bin/aws"), "acm", "list-certificates"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_demo_plays_once(tmp_path: Path) -> None:
    """`make demo PLAY=once`, quicker: ends by itself, with both verdicts, and 0 as both were proven."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--scale", "0.2", "demo", "--play", "once"],
        cwd=tmp_path, env=_surroundings(), capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = done.stdout.partition("=== The two verdicts ===")[2]
    assert "app.example.com: proven after" in verdicts
    assert "shop.example.org: proven after" in verdicts
    assert done.stderr == ""
