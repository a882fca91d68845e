"""The stand-in as a server: one port on loopback, in a thread of its own."""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from types import TracebackType
from typing import Any

from aiohttp import web

from sandbox.calls import OnCall, nobody
from sandbox.faults import Faults
from sandbox.slack.api import SlackError
from sandbox.slack.control import Control
from sandbox.slack.entities import Change
from sandbox.slack.interactions import Interactions
from sandbox.slack.rate_limits import RateLimiter
from sandbox.slack.responses import respond
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.tickets import Tickets
from sandbox.slack.web_api import Tokens, WebApi
from sandbox.slack.workspace import Workspace

FAULTS = {
    "slack-rate-limited": "Every Web API call but auth.test and apps.connections.open answers 429 with Retry-After: 1.",
    "slack-down": "Every Web API call, response URL and new socket answers 503; open sockets are closed.",
    "slack-disconnects": "All sockets are closed every second.",
    "slack-slow": "Every Web API call takes two seconds longer.",
    "slack-edit-window-closed": "chat.update is refused for ever: edit_window_closed.",
    "slack-answer-lost": "chat.postMessage posts, but answers 500: the app cannot know that it worked.",
    "slack-events-repeated": "Every event is delivered three times.",
    "slack-user-groups-fail": "usergroups.* answers internal_error.",
}


class SlackStandIn:
    """A Slack of one workspace and one app.

    `clock` (seconds since the epoch) rules ts, trigger ids, response URLs and rate limits. `rate_limits` switches the
    per-method limits on; `scopes` are those of the bot token (None: all); `ack_seconds` is the 3-second rule;
    `retry_delays` are seconds before an unacked event is sent again; `on_call`: see sandbox.calls.
    """

    def __init__(
        self,
        faults: Faults,
        clock: Callable[[], float] = time.time,
        workspace: Workspace | None = None,
        *,
        commands: Collection[str] = ("/nlbtls",),
        rate_limits: bool = False,
        scopes: Collection[str] | None = None,
        ack_seconds: float = 3.0,
        retry_delays: Sequence[float] = (0.0, 60.0, 300.0),
        slowness: float = 2.0,
        drain_seconds: float = 10.0,
        fault_seconds: float = 1.0,
        on_call: OnCall = nobody,
    ) -> None:
        self.workspace = workspace or Workspace(clock)
        self.tickets = Tickets(clock)
        self._faults = faults
        self._fault_seconds = fault_seconds
        self._tokens = Tokens("xoxb-1000000000001-sandbox", "xapp-1-A0NLBTLSAPP-sandbox", "sandbox-signing-secret")
        self._sockets = SocketMode(faults, ack_seconds, retry_delays, drain_seconds)
        self._interactions = Interactions(
            self.workspace, self.tickets, self._sockets, clock, commands, root=lambda: self.url
        )
        self._api = WebApi(
            self.workspace,
            self.tickets,
            self._tokens,
            faults,
            RateLimiter(clock) if rate_limits else None,
            connection_url=lambda: f"ws://127.0.0.1:{self._port}/link/?ticket={self._sockets.new_ticket()}",
            scopes=frozenset(scopes) if scopes is not None else None,
            slowness=slowness,
            on_call=on_call,
        )
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="slack-stand-in", daemon=True)
        self._ready = threading.Event()
        self._stopping: asyncio.Event | None = None
        self._failure: OSError | None = None

    @property
    def bot_token(self) -> str:
        """SLACK_BOT_TOKEN."""
        return self._tokens.bot

    @property
    def app_token(self) -> str:
        """SLACK_APP_TOKEN."""
        return self._tokens.app

    @property
    def signing_secret(self) -> str:
        """SLACK_SIGNING_SECRET."""
        return self._tokens.signing_secret

    @property
    def url(self) -> str:
        """The server's root; Person takes it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        """How many sockets of the app are open and take envelopes."""
        return self._sockets.connected

    def start(self) -> str:
        """Start serving; answers SLACK_API_URL, which ends in /api/. Raises OSError if there is no port."""
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure
        return f"{self.url}/api/"

    def stop(self) -> None:
        """Close the sockets and end the thread."""
        if self._loop and self._stopping and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def refresh_sockets(self) -> None:
        """Ask every socket to reconnect, as Slack does now and then."""
        self._await(self._sockets.refresh())

    def drop_sockets(self) -> None:
        """Close every socket without a word."""
        self._await(self._sockets.drop())

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the server's thread, and wait."""
        if self._loop is None:
            work.close()
            raise RuntimeError("The stand-in is not running.")
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def __enter__(self) -> "SlackStandIn":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- in the thread ---

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        control = Control(self._interactions)
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.add_routes(
            [
                web.route("*", "/api/{method}", self._api.handle),
                web.get("/link/", self._sockets.serve),
                web.post("/response/{secret}", self._respond),
                web.post("/upload/{file}", self._upload),
                *control.routes(),
            ]
        )
        app_runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)

        def follow(change: Change) -> None:
            loop.call_soon_threadsafe(self._follow, control, change)

        forget = self.workspace.on_change(follow)
        try:
            await app_runner.setup()
            site = web.TCPSite(app_runner, "127.0.0.1", 0)
            await site.start()
            self._port = app_runner.addresses[0][1]
            self._sockets.spawn(self._sockets.watch_faults(self._fault_seconds))
            self._ready.set()
            await self._stopping.wait()
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()
            forget()
            await self._sockets.close()
            control.wake()
            await app_runner.cleanup()

    def _follow(self, control: Control, change: Change) -> None:
        """Tell the app and whoever waits about a change of the workspace."""
        if change.kind == "user_group":
            self._interactions.group_changed(change.data["group"], change.data["before"], change.data["users"])
        control.wake()

    async def _respond(self, request: web.Request) -> web.Response:
        """A response URL."""
        if self._faults.is_on("slack-down"):
            return web.Response(status=503, text="Service Unavailable")
        try:
            body = await request.json()
            respond(self.workspace, self.tickets, request.match_info["secret"], body if isinstance(body, dict) else {})
        except SlackError as error:
            lapsed = error.code in ("used_url", "expired_url", "invalid_url")
            return web.json_response(error.to_json(), status=404 if lapsed else 400)
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_json"}, status=400)
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.Response:
        """The bytes of a file, raw or as a form."""
        kept = self.workspace.files.get(request.match_info["file"])
        if kept is None:
            return web.Response(status=404)
        if request.content_type.startswith("multipart/"):
            parts = (await request.post()).values()
            content = b"".join(part.file.read() for part in parts if isinstance(part, web.FileField))
        else:
            content = await request.read()
        kept["content"] = content
        return web.Response(text=f"OK - {len(content)}")
