"""The Web API's front door: tokens, argument forms, rate limits, faults, and the table of methods."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from aiohttp import web

from sandbox.calls import CallLost, OnCall, Phase
from sandbox.faults import Faults
from sandbox.slack import chat_methods, directory_methods, file_methods, view_methods
from sandbox.slack.api import Call, SlackError
from sandbox.slack.entities import Json
from sandbox.slack.rate_limits import RateLimiter
from sandbox.slack.tickets import Tickets
from sandbox.slack.workspace import Workspace

METHODS: dict[str, Callable[[Call], Json]] = {
    "auth.test": chat_methods.auth_test,
    "chat.postMessage": chat_methods.post_message,
    "chat.postEphemeral": chat_methods.post_ephemeral,
    "chat.update": chat_methods.update,
    "chat.delete": chat_methods.delete,
    "chat.getPermalink": chat_methods.get_permalink,
    "reactions.add": chat_methods.add_reaction,
    "conversations.info": directory_methods.info,
    "conversations.list": directory_methods.list_channels,
    "conversations.members": directory_methods.members,
    "conversations.open": directory_methods.open_conversation,
    "conversations.history": directory_methods.history,
    "conversations.replies": directory_methods.replies,
    "users.info": directory_methods.user_info,
    "users.list": directory_methods.list_users,
    "users.lookupByEmail": directory_methods.lookup_by_email,
    "usergroups.list": directory_methods.list_groups,
    "usergroups.users.list": directory_methods.group_users,
    "views.open": view_methods.open_view,
    "views.push": view_methods.push,
    "views.update": view_methods.update,
    "views.publish": view_methods.publish,
    "files.getUploadURLExternal": file_methods.get_upload_url,
    "files.completeUploadExternal": file_methods.complete_upload,
}
CONNECT = "apps.connections.open"
NEVER_LIMITED_BY_FAULT = ("auth.test", CONNECT)


@dataclass(frozen=True)
class Tokens:
    """The three secrets of the app. They are public: this is a sandbox."""

    bot: str
    app: str
    signing_secret: str


class WebApi:
    """Answers /api/<method>."""

    def __init__(
        self,
        workspace: Workspace,
        tickets: Tickets,
        tokens: Tokens,
        faults: Faults,
        limiter: RateLimiter | None,
        connection_url: Callable[[], str],
        scopes: frozenset[str] | None,
        slowness: float,
        on_call: OnCall,
    ) -> None:
        self._workspace = workspace
        self._tickets = tickets
        self._tokens = tokens
        self._faults = faults
        self._limiter = limiter
        self._connection_url = connection_url
        self._scopes = scopes
        self._slowness = slowness
        self._on_call = on_call

    async def handle(self, request: web.Request) -> web.Response:
        """One call of one method; every answer but 429 and 5xx has status 200, as in Slack."""
        method = request.match_info["method"]
        if self._faults.is_on("slack-slow"):
            await asyncio.sleep(self._slowness)
        if self._faults.is_on("slack-down"):
            return web.Response(status=503, text="Service Unavailable")
        try:
            args = await _arguments(request)
            self._authenticate(method, _token(request, args))
            if wait := self._wait(method, args):
                return web.json_response(
                    {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(wait)}
                )
            self._on_call("slack", method, Phase.BEFORE)
            answer = self._answer(method, args, f"http://{request.host}")
        except SlackError as error:
            return web.json_response(error.to_json())
        except CallLost:
            return web.Response(status=503, text="Service Unavailable")
        self._on_call("slack", method, Phase.AFTER)
        if method == "chat.postMessage" and self._faults.is_on("slack-answer-lost"):
            return web.Response(status=500, text="Internal Server Error")
        return web.json_response({"ok": True, **answer})

    def _authenticate(self, method: str, token: str) -> None:
        if not token:
            raise SlackError("not_authed")
        if token not in (self._tokens.bot, self._tokens.app):
            raise SlackError("invalid_auth")
        if method not in METHODS and method != CONNECT:
            raise SlackError("unknown_method", req_method=method)
        if token != (self._tokens.app if method == CONNECT else self._tokens.bot):
            raise SlackError("not_allowed_token_type")

    def _wait(self, method: str, args: Json) -> int:
        if self._faults.is_on("slack-rate-limited") and method not in NEVER_LIMITED_BY_FAULT:
            return 1
        return self._limiter.retry_after(method, str(args.get("channel", ""))) if self._limiter else 0

    def _answer(self, method: str, args: Json, root: str) -> Json:
        if method == CONNECT:
            return {"url": self._connection_url()}
        if method == "chat.update" and self._faults.is_on("slack-edit-window-closed"):
            raise SlackError("edit_window_closed")
        if method.startswith("usergroups.") and self._faults.is_on("slack-user-groups-fail"):
            raise SlackError("internal_error")
        with self._workspace.lock:
            return METHODS[method](Call(method, args, self._workspace, self._tickets, root, self._scopes))


async def _arguments(request: web.Request) -> Json:
    """Query, form, multipart or JSON. An empty JSON body is no arguments (the SDK's auth.test sends that)."""
    args: Json = dict(request.query)
    if request.content_type.startswith("multipart/"):
        return args | {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    body = await request.read()
    if request.content_type != "application/json":
        return args | dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return args | (_json_object(body) if body.strip() else {})


def _json_object(body: bytes) -> Json:
    try:
        parsed = json.loads(body)
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(parsed, dict):
        raise SlackError("json_not_object")
    return parsed


def _token(request: web.Request, args: Json) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else str(args.get("token", ""))
