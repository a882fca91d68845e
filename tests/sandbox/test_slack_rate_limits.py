"""Rate limits per method, by a clock that the test moves."""

from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.faults import Faults
from sandbox.slack.rate_limits import LIMITS, Limit, RateLimiter
from sandbox.slack.server import FAULTS, SlackStandIn
from sandbox.slack.web_api import METHODS


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_slides() -> None:
    """So many calls in a window, then the seconds until the oldest leaves it; a refused call does not count."""
    clock = Clock()
    limiter = RateLimiter(clock, {"m": (Limit(2, 60.0),)})
    assert limiter.retry_after("m", "") == 0
    clock.now += 20
    assert limiter.retry_after("m", "") == 0
    assert [limiter.retry_after("m", "") for _ in range(3)] == [40, 40, 40]
    clock.now += 40
    assert limiter.retry_after("m", "") == 0
    assert limiter.retry_after("m", "") == 20


def test_limits_per_channel_and_workspace() -> None:
    """Channels have budgets of their own under the workspace's; what one window refuses costs the other nothing."""
    clock = Clock()
    limiter = RateLimiter(clock, {"m": (Limit(1, 1.0, per_channel=True), Limit(3))})
    assert [limiter.retry_after("m", channel) for channel in "AAB"] == [0, 1, 0]
    clock.now += 1
    assert [limiter.retry_after("m", channel) for channel in "AB"] == [0, 59]


def test_every_method_has_its_tier() -> None:
    """Only methods without a documented tier are unlimited."""
    assert set(METHODS) - set(LIMITS) == {"auth.test", "chat.getPermalink"}
    assert set(LIMITS) - set(METHODS) == {"apps.connections.open"}


@pytest.mark.sandbox
def test_over_http() -> None:
    """The call too many is answered 429 with Retry-After, and passes when that time is over."""
    clock = Clock()
    with SlackStandIn(Faults([FAULTS]), clock, rate_limits=True) as slack:
        client = WebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")
        ts = client.chat_postMessage(channel="C0PLATFORM1", text="x")["ts"]
        for i in range(50):
            client.chat_update(channel="C0PLATFORM1", ts=ts, text=str(i))
        with pytest.raises(SlackApiError) as caught:
            client.chat_update(channel="C0PLATFORM1", ts=ts, text="one too many")
        assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
        assert caught.value.response.headers["Retry-After"] == "60"
        clock.now += 60
        client.chat_update(channel="C0PLATFORM1", ts=ts, text="later")
        assert client.conversations_history(channel="C0PLATFORM1")["messages"][0]["text"] == "later"


@pytest.mark.sandbox
def test_off_by_default() -> None:
    """Without the flag nothing is limited."""
    with SlackStandIn(Faults([FAULTS]), Clock()) as slack:
        connection = HTTPConnection(urlsplit(slack.url).netloc)
        for _ in range(21):
            connection.request("GET", f"/api/users.list?token={slack.bot_token}")
            response = connection.getresponse()
            response.read()
            assert response.status == 200
        connection.close()
