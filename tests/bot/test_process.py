"""The process: what it says when it cannot start, that it waits for Slack, and that it ends when it is asked to."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.slack.person import Person
from tests.bot.process import Place, Process, free_port

pytestmark = pytest.mark.sandbox

FEW_SECONDS = 8.0  #: generous to a busy machine; it takes one to three


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A Slack and a bot that is not started yet."""
    made = Place(tmp_path)
    yield made
    made.close()


def test_it_starts_connects_answers_and_ends(place: Place) -> None:
    """Ready only once people can reach it; SIGTERM ends it with 0 within seconds, and nothing of it says a token."""
    bot = place.bot.start()
    bot.said("started")
    bot.until(lambda: bot.health("/readyz") == 200)
    assert bot.health("/livez") == 200
    rita = Person(place.slack.url, "requester")
    assert rita.command("#platform", "/nlbtls help").problem == ""
    rita.wait_for(lambda: [m for m in rita.messages("#platform") if m.ephemeral])

    code, took = bot.terminate()

    assert code == 0
    assert took < FEW_SECONDS
    assert bot.lines[-1]["event"] == "stopped"
    assert place.slack.bot_token not in bot.log
    assert place.slack.app_token not in bot.log
    told = {line["event"] for line in bot.lines}
    assert {"aws credentials missing", "kubernetes not usable"} <= told


def test_it_reconnects_after_every_disconnection(place: Place) -> None:
    """And takes commands in again."""
    bot = place.bot.start()
    bot.until(lambda: place.slack.connections > 0)
    place.faults.switch("slack-disconnects", True)
    time.sleep(0.5)
    place.faults.switch("slack-disconnects", False)
    bot.until(lambda: place.slack.connections > 0 and bot.health("/readyz") == 200)
    rita = Person(place.slack.url, "requester")

    assert rita.command("#platform", "/nlbtls help").problem == ""


def test_it_waits_for_a_slack_that_is_away_at_the_start(place: Place) -> None:
    """Alive, not ready; then ready by itself."""
    place.faults.switch("slack-down", True)
    bot = place.bot.start()
    bot.said("slack does not answer yet")
    assert (bot.health("/livez"), bot.health("/readyz")) == (200, 503)
    place.faults.switch("slack-down", False)
    bot.until(lambda: bot.health("/readyz") == 200)


def test_it_waits_for_a_slack_that_goes_away_before_the_socket(place: Place) -> None:
    """The bot token was taken already; work goes on meanwhile."""
    place.slack._api._connection_url = lambda: "ws://127.0.0.1:1/nowhere"
    bot = place.bot.start()
    bot.said("working")
    bot.until(lambda: bot.health("/livez") == 200)
    assert bot.health("/readyz") == 503
    code, took = bot.terminate()

    assert code == 0
    assert took < FEW_SECONDS


def test_it_ends_at_once_while_nobody_answers(tmp_path: Path) -> None:
    """Nothing listens there."""
    bot = Process(tmp_path, f"http://127.0.0.1:{free_port()}/api/", "xoxb-1", "xapp-1")
    try:
        bot.start().said("slack does not answer yet")
        code, took = bot.terminate()
    finally:
        bot.kill()

    assert code == 0
    assert took < FEW_SECONDS


def test_it_ends_at_once_while_slack_hangs(place: Place) -> None:
    """A connection that is taken and never answered must not hold the process for its ten seconds."""
    place.slack._api._slowness = 60.0
    place.faults.switch("slack-slow", True)
    bot = place.bot.start()
    bot.until(lambda: bot.health("/livez") == 200)
    time.sleep(0.3)
    code, took = bot.terminate()

    assert code == 0
    assert took < FEW_SECONDS


@pytest.mark.parametrize(
    ("variable", "token", "code"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-wrong", "invalid_auth"),
        ("SLACK_BOT_TOKEN", "xapp-1-A0NLBTLSAPP-sandbox", "not_allowed_token_type"),
        ("SLACK_APP_TOKEN", "xapp-wrong", "invalid_auth"),
        ("SLACK_APP_TOKEN", "xoxb-1000000000001-sandbox", "not_allowed_token_type"),
    ],
)
def test_a_wrong_token_is_told_in_words(place: Place, variable: str, token: str, code: str) -> None:
    """Which one, why, exit code 1, no traceback, and not the token itself."""
    bot = place.bot.start(variables={variable: token})

    assert bot.ended() == 1
    (line,) = [line for line in bot.lines if line["event"] == f"slack does not accept {variable}"]
    assert code in line["why"]
    assert variable in line["hint"]
    assert "Traceback" not in bot.log
    assert token not in bot.log


def test_an_address_that_is_taken_is_told_in_words(place: Place) -> None:
    """Somebody else has the port of the health checks."""
    taken = place.slack.url.removeprefix("http://")
    bot = place.bot.start(variables={"NLBTLS_HTTP_ADDRESS": taken})

    assert bot.ended() == 1
    assert [line["event"] for line in bot.lines] == ["cannot serve NLBTLS_HTTP_ADDRESS"]


def test_a_database_that_another_bot_has_is_told_in_words(place: Place, tmp_path: Path) -> None:
    """Two bots on one file would do everything twice."""
    first = place.bot.start()
    first.said("started")
    (tmp_path / "second").mkdir()
    second = Process(tmp_path / "second", place.url, place.slack.bot_token, place.slack.app_token)
    try:
        second.start(variables={"NLBTLS_DATABASE_URL": first.environment["NLBTLS_DATABASE_URL"]})
        assert second.ended() == 1
        assert "Another nlbtls is running" in second.said("cannot start")["why"]
    finally:
        second.kill()


def test_bad_settings_are_told_at_once_and_nothing_is_begun(place: Place, tmp_path: Path) -> None:
    """Exit code 2 from run and from check; no database is made."""
    bad = {"NLBTLS_CA_BUNDLE": "/nowhere/ca.pem", "NLBTLS_LOG_LEVEL": "chatty"}
    for command in ("check", "run"):
        bot = place.bot.start(command, bad)
        assert bot.ended() == 2
        assert [line.split(": ")[1] for line in bot.log.splitlines()] == ["NLBTLS_CA_BUNDLE", "NLBTLS_LOG_LEVEL"]

    assert not (tmp_path / "nlbtls.db").exists()


def test_good_settings_are_checked_without_slack(place: Place) -> None:
    """Exit code 0."""
    place.faults.switch("slack-down", True)
    bot = place.bot.start("check")

    assert bot.ended() == 0
    assert [line["event"] for line in bot.lines] == ["settings are in order"]


def test_what_was_acknowledged_before_a_death_is_done_after_it(place: Place, tmp_path: Path) -> None:
    """A command in the inbox of a bot that was killed: the next one answers it."""
    bot = place.bot.start()
    bot.said("started")
    bot.kill()
    url = f"{place.slack.url}/response/{place.slack.tickets.response('U0REQUESTER', 'C0PLATFORM1')}"
    payload = (
        '{"person": "U0REQUESTER", "channel": "C0PLATFORM1", "channel_name": "platform", "text": "help",'
        f' "response_url": "{url}"}}'
    )
    with sqlite3.connect(tmp_path / "nlbtls.db") as database:
        database.execute(
            "insert into inbox (key, kind, payload, received_at) values ('command:1', 'command', ?, ?)",
            (payload, time.time() - 5),
        )
    database.close()
    bot.start().said("started")
    rita = Person(place.slack.url, "requester")

    assert rita.wait_for(lambda: [m for m in rita.messages("#platform") if m.ephemeral])
    assert bot.said("working")["taken_up"] == 1
