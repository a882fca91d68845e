"""What the supervisor of the process is told."""

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from bot import http

pytestmark = pytest.mark.sandbox


class Health:
    """A served address whose readiness is switched."""

    def __init__(self, host: str) -> None:
        self.ready = False
        self.host = host
        self._server = http.serve((host, 0), lambda: self.ready)

    def ask(self, path: str, method: str = "GET") -> int:
        """The status."""
        connection = HTTPConnection(self.host, self._server.server_address[1], timeout=5)
        connection.request(method, path)
        status = connection.getresponse().status
        connection.close()
        return status

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def health() -> Iterator[Health]:
    """On loopback."""
    made = Health("127.0.0.1")
    yield made
    made.close()


def test_alive_and_ready_are_two_things(health: Health) -> None:
    """A bot that nobody can reach is not to be killed for it."""
    assert (health.ask("/livez"), health.ask("/readyz")) == (200, 503)
    health.ready = True
    assert (health.ask("/livez"), health.ask("/readyz")) == (200, 200)
    assert health.ask("/readyz?verbose") == 200


def test_nothing_else_is_served(health: Health) -> None:
    """No page, no other method."""
    assert health.ask("/") == 404
    assert health.ask("/livez", "POST") == 501


def test_an_address_of_ipv6_is_served() -> None:
    """[::1]:8080."""
    health = Health("::1")
    try:
        assert health.ask("/livez") == 200
    finally:
        health.close()
