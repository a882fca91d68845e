"""Socket Mode: WebSockets on which envelopes go to the bot, each to exactly one of them, and acks come back.

Commands and clicks are sent once; whoever waits is told after `ack_seconds`. Events are sent again, at once, after one
minute and after five (chatops.md §3), until one delivery is acked.
"""

import asyncio
import json
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.faults import Faults
from sandbox.slack.entities import APP_ID, Json

MOST_CONNECTIONS = 10
NOBODY_THERE = "dispatch_failed"
NO_ANSWER = "operation_timeout"


@dataclass(frozen=True)
class Ack:
    """What came back for an envelope: a payload, perhaps none, or a problem in Slack's words."""

    payload: Json | None = None
    problem: str = ""


@dataclass(eq=False)
class _Connection:
    socket: web.WebSocketResponse
    draining: bool = False  #: was told to reconnect: still heard, gets nothing new


class SocketMode:
    """The sockets of the app. All methods belong to the server's event loop."""

    def __init__(self, faults: Faults, ack_seconds: float, retry_delays: Sequence[float], drain_seconds: float) -> None:
        self._faults = faults
        self._ack_seconds = ack_seconds
        self._retry_delays = tuple(retry_delays)
        self._drain_seconds = drain_seconds
        self._unused: set[str] = set()
        self._connections: list[_Connection] = []
        self._waiting: dict[str, asyncio.Future[Json | None]] = {}
        self._turn = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def connected(self) -> int:
        """How many sockets could get an envelope now."""
        return len(self._live())

    def new_ticket(self) -> str:
        """The secret of a connection URL; it opens one socket, once."""
        ticket = secrets.token_hex(8)
        self._unused.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One socket, from hello to its end."""
        ticket = request.query.get("ticket", "")
        if self._faults.is_on("slack-down"):
            return web.Response(status=503)
        if ticket not in self._unused:
            return web.Response(status=404, text="invalid or used ticket")
        self._unused.discard(ticket)
        socket = web.WebSocketResponse(timeout=1.0)  # a bot that hangs does not hold up a close for long
        await socket.prepare(request)
        if len(self._connections) >= MOST_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return socket
        connection = _Connection(socket)
        self._connections.append(connection)
        try:
            await socket.send_json(self._hello())
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._heard(message.data)
        finally:
            self._connections.remove(connection)
        return socket

    def _hello(self) -> Json:
        debug = {"host": "applink-sandbox", "build_number": 1, "approximate_connection_time": 18060}
        info = {"app_id": APP_ID}
        return {
            "type": "hello",
            "num_connections": len(self._connections),
            "connection_info": info,
            "debug_info": debug,
        }

    def _heard(self, data: str) -> None:
        """An ack settles the envelope it names; anything else is ignored, as Slack does."""
        try:
            parsed = json.loads(data)
        except ValueError:
            return
        waiting = self._waiting.get(parsed.get("envelope_id", "")) if isinstance(parsed, dict) else None
        if waiting and not waiting.done():
            payload = parsed.get("payload")
            waiting.set_result(payload if isinstance(payload, dict) else None)

    def _live(self) -> list[_Connection]:
        return [c for c in self._connections if not c.draining and not c.socket.closed]

    async def deliver(self, kind: str, payload: Json, takes_answer: bool = False, **retry: Any) -> Ack:
        """Send one envelope to one socket and wait for its ack."""
        live = self._live()
        if not live:
            return Ack(problem=NOBODY_THERE)
        self._turn += 1
        chosen = live[self._turn % len(live)]
        envelope_id = secrets.token_hex(16)
        envelope = {
            "envelope_id": envelope_id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": takes_answer,
        }
        waiting = self._waiting[envelope_id] = asyncio.get_running_loop().create_future()
        try:
            await chosen.socket.send_json({**envelope, **retry})
            async with asyncio.timeout(self._ack_seconds):
                return Ack(await waiting)
        except TimeoutError:
            return Ack(problem=NO_ANSWER)
        except ConnectionError:
            return Ack(problem=NOBODY_THERE)
        finally:
            del self._waiting[envelope_id]

    def send_event(self, payload: Json) -> None:
        """Deliver an event in the background, again and again until it is acked or Slack gives up."""
        for _ in range(3 if self._faults.is_on("slack-events-repeated") else 1):
            self.spawn(self._deliver_event(payload))

    async def _deliver_event(self, payload: Json) -> None:
        ack = await self.deliver("events_api", payload)
        for attempt, delay in enumerate(self._retry_delays, start=1):
            if not ack.problem:
                return
            reason = "timeout" if ack.problem == NO_ANSWER else "connection_failed"
            await asyncio.sleep(delay)
            ack = await self.deliver("events_api", payload, retry_attempt=attempt, retry_reason=reason)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run in the background; ended by close()."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def refresh(self) -> None:
        """Ask every socket to reconnect, as Slack does every few hours; they get nothing new from now on."""
        for connection in self._live():
            connection.draining = True
            await connection.socket.send_json(
                {"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "applink-sandbox"}}
            )
            self.spawn(self._close_later(connection))

    async def _close_later(self, connection: _Connection) -> None:
        await asyncio.sleep(self._drain_seconds)
        await connection.socket.close()

    async def drop(self) -> None:
        """Close every socket without a word."""
        for connection in list(self._connections):
            await connection.socket.close()

    async def watch_faults(self, every: float) -> None:
        """Carry out slack-disconnects and slack-down on the sockets, for ever."""
        while True:
            await asyncio.sleep(every)
            if self._faults.is_on("slack-disconnects") or self._faults.is_on("slack-down"):
                await self.drop()

    async def close(self) -> None:
        """End all background work and all sockets."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.drop()
