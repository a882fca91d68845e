"""Logs: one JSON object a line, whoever writes it, and no token in any of them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPEAKER = """
import logging, threading, warnings
import structlog
from bot.logging import configure

TOKEN = "xoxb-1111-secret"
configure("INFO")
log = structlog.get_logger()
other = logging.getLogger("somebody.else")

class Odd:
    def __repr__(self):
        return f"<Odd {TOKEN}>"

log.info("said " + TOKEN)
log.info("field", token=TOKEN, deep={"a": [TOKEN, {"b": (TOKEN,)}]}, odd=Odd(), error=ValueError(TOKEN))
log.info("key", **{TOKEN: 1})
log.info("app xapp-1-A-secret", aws="AKIASECRETSECRET", role="ASIASECRETSECRET")
log.info("header", authorization="Bearer abc.secret/def==")
log.info("url", to="https://hooks.slack.com/commands/T1/22/secret", socket="wss://x/link/?ticket=secret&app_id=1")
log.info("database", url="postgresql://nlbtls:secret@db/nlbtls")
structlog.contextvars.bind_contextvars(bound=TOKEN)
try:
    raise ValueError(TOKEN)
except ValueError:
    log.exception("mine")
    other.exception("theirs %s", TOKEN)
structlog.contextvars.clear_contextvars()
other.warning("third party %s", {"token": TOKEN})
other.debug("not at this level")
logging.getLogger("slack_sdk.web").info("chatter")
logging.getLogger("slack_bolt.App").warning("but warnings")
warnings.warn("careful with " + TOKEN)
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
log.info("kept", host="app.example.com", url="https://app.example.com:443/", mail="a@b")
raise RuntimeError("end " + TOKEN)
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """What a process says that says everything."""
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", SPEAKER], cwd=root, capture_output=True, text=True, timeout=60)
    assert said.stderr == ""
    assert "secret" not in said.stdout.lower()
    return [json.loads(line) for line in said.stdout.splitlines()]


def test_every_line_is_json_with_time_and_level(lines: list[dict[str, Any]]) -> None:
    """Also those of other libraries, of warnings, of threads that die and of the end of the process."""
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    events = [line["event"] for line in lines]
    assert "third party {'token': '[redacted]'}" in events
    assert events.count("uncaught") == 2
    assert any("careful with [redacted]" in event for event in events)


def test_what_is_no_secret_stays(lines: list[dict[str, Any]]) -> None:
    """Host names, addresses with ports, mail."""
    (line,) = [line for line in lines if line["event"] == "kept"]

    assert (line["host"], line["url"], line["mail"]) == ("app.example.com", "https://app.example.com:443/", "a@b")


def test_exceptions_are_told_with_their_traceback(lines: list[dict[str, Any]]) -> None:
    """Ours and theirs."""
    told = {line["event"]: line.get("exception", "") for line in lines}

    assert "ValueError: [redacted]" in told["mine"]
    assert "ValueError: [redacted]" in told["theirs [redacted]"]


def test_chatter_is_left_out(lines: list[dict[str, Any]]) -> None:
    """Client libraries speak from WARNING on."""
    events = [line["event"] for line in lines]

    assert "chatter" not in events
    assert "not at this level" not in events
    assert "but warnings" in events
