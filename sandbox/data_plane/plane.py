"""The running data plane: listens where the load balancers should, and follows their changes."""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from sandbox.aws.model import Certificate, LoadBalancer, TargetGroup
from sandbox.data_plane.fronts import Address, Front, eligible_targets, plan_fronts, serving_groups
from sandbox.data_plane.health import HealthChecker
from sandbox.data_plane.ports import listen_port
from sandbox.data_plane.relay import relay
from sandbox.data_plane.tls import ContextCache
from sandbox.delays import Delays
from sandbox.faults import Faults
from sandbox.loop_thread import LoopThread

log = logging.getLogger(__name__)

_REST = 10  #: times as long as a look took: a thousand load balancers make it slower, not the machine busier


class AwsView(Protocol):
    """What the data plane reads of AWS, and the one thing that it writes."""

    def load_balancers(self) -> Iterable[LoadBalancer]:
        """All load balancers."""

    def target_group(self, arn: str, /) -> TargetGroup | None:
        """A target group with its targets, None for an unknown one."""

    def certificate(self, arn: str, /) -> Certificate | None:
        """A certificate with its key, None for an unknown one."""

    def set_target_health(
        self, arn: str, ip: str, port: int, state: str, reason: str | None, description: str | None, /
    ) -> None:
        """Write what DescribeTargetHealth says of a target."""


class DataPlane:
    """Serves all active load balancers from one thread until it is stopped.

    `poll` and `check_every` are the seconds between two looks at AWS and between two health checks of a target.
    """

    def __init__(
        self,
        aws: AwsView,
        *,
        faults: Faults,
        delays: Delays,
        port_map: Callable[[int], int] = listen_port,
        poll: float = 0.15,
        check_every: float = 1.0,
    ) -> None:
        self._aws, self._faults, self._port_map, self._poll = aws, faults, port_map, poll
        self._loop = LoopThread("data plane")
        self._contexts = ContextCache()
        self._open: dict[Address, _Listening] = {}
        self._health = HealthChecker(
            aws.set_target_health,
            first_after=delays.target_healthy,
            every=check_every,
            all_fail=lambda: faults.is_on("F22"),
        )

    def start(self) -> None:
        """Begin to follow AWS."""
        self._loop.start()
        self._loop.run(self._begin())

    def stop(self) -> None:
        """Close all listeners and connections and end the thread."""
        self._loop.run(self._end())
        self._loop.stop()

    def settle(self) -> None:
        """Look at AWS now and return when listeners and reported health agree with what was seen."""
        self._loop.run(self._look())

    def addresses(self) -> list[Address]:
        """Where it listens now."""
        return sorted(self._open)

    async def _begin(self) -> None:
        self._one_look = asyncio.Lock()
        self._following = asyncio.create_task(self._follow())

    async def _end(self) -> None:
        self._following.cancel()
        async with self._one_look:
            await self._serve({})

    async def _follow(self) -> None:
        while True:
            started = time.monotonic()
            await self._look()
            await asyncio.sleep(max(self._poll, _REST * (time.monotonic() - started)))

    async def _look(self) -> None:
        async with self._one_look:
            balancers = list(self._aws.load_balancers())
            found = [self._aws.target_group(arn) for arn in serving_groups(balancers)]
            groups = {group.arn: group for group in found if group is not None}
            fronts = plan_fronts(
                balancers,
                groups.get,
                self._aws.certificate,
                self._port_map,
                one_address_dead=self._faults.is_on("nlb-one-address-dead"),
            )
            if self._faults.is_on("F27"):
                fronts = {address: self._with_wrong_certificate(front) for address, front in fronts.items()}
            await self._serve(fronts)
            await self._health.turn(groups.values())

    def _with_wrong_certificate(self, front: Front) -> Front:
        if front.protocol != "TLS":
            return front
        return replace(front, certificates=(self._contexts.wrong_certificate(),))

    async def _serve(self, fronts: dict[Address, Front]) -> None:
        for address, listening in list(self._open.items()):
            if address not in fronts or not listening.can_become(fronts[address]):
                await self._open.pop(address).close()
        for address, front in fronts.items():
            if address in self._open:
                self._open[address].front = front
            else:
                await self._listen(address, front)
        self._contexts.forget_all_but([item for front in fronts.values() for item in front.certificates])

    async def _listen(self, address: Address, front: Front) -> None:
        listening = _Listening(front, self._contexts)
        try:
            await listening.open(address)
        except OSError as error:  # taken by another process; the next look tries again
            log.warning("cannot listen on %s:%s: %s", *address, error)
        else:
            self._open[address] = listening


class _Listening:
    """One listening socket. Its front may change while it listens, as long as protocol and policy stay."""

    def __init__(self, front: Front, contexts: ContextCache) -> None:
        self.front = front
        self._contexts = contexts
        self._turn = itertools.count()
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    def can_become(self, front: Front) -> bool:
        return (self.front.protocol, self.front.ssl_policy) == (front.protocol, front.ssl_policy)

    async def open(self, address: Address) -> None:
        tls = self._contexts.listening(self._certificates, self.front.ssl_policy) if self._is_tls() else None
        self._server = await asyncio.start_server(self._accept, *address, ssl=tls)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for client in self._clients:
            client.transport.abort()

    def _is_tls(self) -> bool:
        return self.front.protocol == "TLS"

    def _certificates(self) -> Sequence[Certificate]:
        return self.front.certificates

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        group = self.front.target_group
        targets = eligible_targets(group) if group else []
        try:
            if group and targets:
                await relay(group, targets[next(self._turn) % len(targets)], reader, writer)
        except OSError as error:
            log.debug("target unreachable: %s", error)
        finally:
            self._clients.discard(writer)
            writer.close()
