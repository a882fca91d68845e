"""Targets are asked as their target group wants, and judged in AWS's words."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from sandbox.aws.model import HealthCheck, Target
from sandbox.backend import Backend
from sandbox.delays import Delays
from tests.sandbox.data_plane_world import (
    HTTP_CHECK,
    TCP_CHECK,
    Account,
    Running,
    account_before,
    data_planes,
    open_backend,
)

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    """The pods."""
    running = open_backend()
    yield running
    running.stop()


@pytest.fixture
def account(backend: Backend) -> Account:
    """AWS, as far as the data plane sees it."""
    return account_before(backend)


@pytest.fixture
def start(account: Account) -> Iterator[Callable[..., Running]]:
    """Starts the data plane."""
    with data_planes(account) as run:
        yield run


@pytest.mark.parametrize(
    ("pod", "check", "expected"),
    [
        ("one", TCP_CHECK, ("healthy", None)),
        ("one", HTTP_CHECK, ("healthy", None)),
        ("one", replace(HTTP_CHECK, path="/status/404"), ("unhealthy", "Target.ResponseCodeMismatch")),
        ("one", replace(HTTP_CHECK, path="/status/404", success_codes="200,404"), ("healthy", None)),
        ("one", replace(HTTP_CHECK, protocol="HTTPS"), ("unhealthy", "Target.FailedHealthChecks")),
        ("one", replace(TCP_CHECK, port="1"), ("unhealthy", "Target.FailedHealthChecks")),
    ],
)
def test_health_is_reported_in_awss_words(
    account: Account,
    backend: Backend,
    start: Callable[..., Running],
    pod: str,
    check: HealthCheck,
    expected: tuple[str, str | None],
) -> None:
    """The protocol, port, path and codes of the target group decide."""
    account.change(health_check=check, targets=(Target(*backend.addresses[pod]),))
    start()

    assert account.health() == [expected]


def test_proxy_protocol_goes_into_health_checks(
    account: Account, backend: Backend, start: Callable[..., Running]
) -> None:
    """A pod that cannot read PROXY v2 fails its HTTP checks once the attribute is on; one that can passes them."""
    targets = tuple(Target(*backend.addresses[name]) for name in ("one", "proxied"))
    account.change(health_check=HTTP_CHECK, targets=targets, attributes={"proxy_protocol_v2.enabled": "true"})
    start()

    assert account.health() == [("unhealthy", "Target.ResponseCodeMismatch"), ("healthy", None)]


def test_a_target_that_does_not_answer_in_time(account: Account, start: Callable[..., Running]) -> None:
    """A socket that accepts and stays silent is a time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = silent.getsockname()
        impatient = replace(HTTP_CHECK, timeout=0.2)  # type: ignore[arg-type]  # AWS knows whole seconds only
        account.change(health_check=impatient, targets=(Target(*address),))
        start()

    assert account.health() == [("unhealthy", "Target.Timeout")]


def test_a_new_target_is_initial_for_a_while(account: Account, start: Callable[..., Running]) -> None:
    """The first result counts only after the delay, and nothing is reported twice."""
    running = start(replace(Delays().scaled(0), target_healthy=0.3))
    assert account.health() == [("initial", "Elb.InitialHealthChecking")]

    deadline = time.monotonic() + 5
    while account.health() != [("healthy", None)] and time.monotonic() < deadline:
        time.sleep(0.05)
        running.plane.settle()

    assert account.reports == [("initial", "Elb.InitialHealthChecking"), ("healthy", None)]
