"""Health checks of registered targets, reported in AWS's words.

Quicker than AWS: a check a second whatever the interval says, and the first result after the delay counts at once
instead of after `healthy_threshold` in a row.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from sandbox.aws.model import HealthCheck, Target, TargetGroup
from sandbox.data_plane.fronts import is_on
from sandbox.data_plane.relay import proxy_v2, unverified

_LONGEST_TIMEOUT = 3.0
_CHECKER = ("127.0.0.1", 0)


@dataclass(frozen=True)
class Health:
    """State, reason and description as DescribeTargetHealth gives them; a healthy target has no reason."""

    state: str
    reason: str | None = None
    description: str | None = None


HEALTHY = Health("healthy")
CHECKING = Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
FAILED = Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
TIMED_OUT = Health("unhealthy", "Target.Timeout", "Request timed out")


class Report(Protocol):
    """AwsStandIn.set_target_health."""

    def __call__(
        self, arn: str, ip: str, port: int, state: str, reason: str | None, description: str | None, /
    ) -> None:
        """Say what is known of one target."""


@dataclass(frozen=True)
class Probe:
    """One question to one target. Target groups that ask the same share the answer."""

    ip: str
    port: int
    protocol: str
    path: str
    success_codes: str
    timeout: float
    proxy_protocol: bool


def probe_for(group: TargetGroup, target: Target) -> Probe:
    """What the target group's settings ask of this target."""
    check: HealthCheck = group.health_check
    return Probe(
        ip=target.ip,
        port=int(check.port) if check.port.isdecimal() else target.port,
        protocol=check.protocol,
        path=check.path or "/",
        success_codes=check.success_codes or "200-399",
        timeout=min(check.timeout, _LONGEST_TIMEOUT),
        proxy_protocol=is_on(group.attributes, "proxy_protocol_v2.enabled"),
    )


def is_success(code: int, success_codes: str) -> bool:
    """Whether a status code is in a matcher like "200-399" or "200,202"."""
    for part in success_codes.split(","):
        low, _, high = part.strip().partition("-")
        if int(low) <= code <= int(high or low):
            return True
    return False


async def ask(probe: Probe) -> Health:
    """Ask once."""
    try:
        async with asyncio.timeout(probe.timeout):
            code = await _connect(probe)
    except TimeoutError:
        return TIMED_OUT
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return FAILED
    if probe.protocol == "TCP":
        return HEALTHY
    if code is None:
        return FAILED
    if is_success(code, probe.success_codes):
        return HEALTHY
    return Health("unhealthy", "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{code}]")


async def _connect(probe: Probe) -> int | None:
    """Connect, and over HTTP return the status code; None where the answer is no HTTP."""
    tls = unverified() if probe.protocol == "HTTPS" else None
    reader, writer = await asyncio.open_connection(probe.ip, probe.port, ssl=tls)
    try:
        if probe.protocol == "TCP":
            return None
        if probe.proxy_protocol:
            writer.write(proxy_v2(_CHECKER, (probe.ip, probe.port)))
        writer.write(
            f"GET {probe.path} HTTP/1.1\r\nHost: {probe.ip}:{probe.port}\r\nConnection: close\r\n"
            "User-Agent: ELB-HealthChecker/2.0\r\n\r\n".encode()
        )
        status = re.match(rb"HTTP/1\.[01] (\d{3})", await reader.readuntil(b"\r\n"))
        return int(status[1]) if status else None
    finally:
        writer.close()


class HealthChecker:
    """Decides which targets to ask, and reports only what changed. Lives in one asyncio loop."""

    def __init__(
        self,
        report: Report,
        *,
        first_after: float,
        every: float = 1.0,
        all_fail: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report, self._first_after, self._every = report, first_after, every
        self._all_fail, self._clock = all_fail, clock
        self._since: dict[tuple[str, str, int], float] = {}
        self._known: dict[Probe, Health] = {}
        self._due: dict[Probe, float] = {}

    async def turn(self, groups: Iterable[TargetGroup]) -> None:
        """Look once at these target groups: ask what is due, then report what changed."""
        targets = [(group, target) for group in groups for target in group.targets if target.state != "draining"]
        now = self._clock()
        probes = {
            probe_for(group, target)
            for group, target in targets
            if group.health_check.enabled and group.target_type == "ip"
        }
        due = [probe for probe in probes if self._due.get(probe, now) <= now]
        for probe, health in zip(due, await asyncio.gather(*map(ask, due)), strict=True):
            self._known[probe], self._due[probe] = health, now + self._every
        for forgotten in set(self._known) - probes:
            del self._known[forgotten], self._due[forgotten]
        self._forget({(group.arn, target.ip, target.port) for group, target in targets})
        for group, target in targets:
            self._say(group, target, self._judge(group, target, now))

    def _judge(self, group: TargetGroup, target: Target, now: float) -> Health:
        key = (group.arn, target.ip, target.port)
        if target.reason == "Elb.RegistrationInProgress":  # new, or registered again
            self._since[key] = now
        if now - self._since.setdefault(key, now) < self._first_after:
            return CHECKING
        if self._all_fail():
            return FAILED
        return self._known.get(probe_for(group, target), CHECKING)

    def _say(self, group: TargetGroup, target: Target, health: Health) -> None:
        if (target.state, target.reason, target.description) != (health.state, health.reason, health.description):
            self._report(group.arn, target.ip, target.port, health.state, health.reason, health.description)

    def _forget(self, present: set[tuple[str, str, int]]) -> None:
        for key in set(self._since) - present:
            del self._since[key]
