"""The control API: people act on the stand-in over HTTP, and look at what they can see. Not part of Slack.

POST /sandbox/people/<name>/<verb>      {…}              -> what that person saw at once
GET  /sandbox/people/<name>/messages    ?channel=        -> what that person sees in a channel
GET  /sandbox/people/<name>/views                        -> the modal on top and the Home view
GET  /sandbox/directory                                  -> names for ids
GET  /sandbox/changes                   ?after=&wait=    -> the change feed (waits up to `wait` seconds)
POST /sandbox/admin/<verb>              {…}              -> refresh the sockets, set a user group, archive …
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from sandbox.slack import modals
from sandbox.slack.entities import Channel, Json, User
from sandbox.slack.inputs import NoSuchElementError
from sandbox.slack.interactions import Interactions, NotPossibleError, Outcome, Place
from sandbox.slack.workspace import UnknownNameError

LONGEST_WAIT = 25.0


class Control:
    """Answers /sandbox/…"""

    def __init__(self, interactions: Interactions) -> None:
        self._do = interactions
        self._workspace = interactions.workspace
        self._news = asyncio.Event()
        self._verbs: dict[str, Callable[[User, Json], Awaitable[Outcome]]] = {
            "command": self._command,
            "say": self._say,
            "click": self._click,
            "select": self._select,
            "submit_view": self._submit_view,
            "close_view": self._close_view,
            "open_home": self._open_home,
            "shortcut": self._shortcut,
            "invite": self._invite,
            "delete": self._delete,
        }

    def routes(self) -> list[web.RouteDef]:
        """For aiohttp."""
        return [
            web.post("/sandbox/people/{name}/{verb}", self._guarded(self._act)),
            web.get("/sandbox/people/{name}/messages", self._guarded(self._messages)),
            web.get("/sandbox/people/{name}/views", self._guarded(self._views)),
            web.get("/sandbox/directory", self._guarded(self._directory)),
            web.get("/sandbox/changes", self._guarded(self._changes)),
            web.post("/sandbox/admin/{verb}", self._guarded(self._admin)),
        ]

    def wake(self) -> None:
        """Something changed: whoever waits for that looks again."""
        self._news.set()
        self._news = asyncio.Event()

    @staticmethod
    def _guarded(
        handler: Callable[[web.Request], Awaitable[Json]],
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Errors of the person become a sentence with status 400; only JSON may act, so no foreign page can."""

        async def answer(request: web.Request) -> web.Response:
            if request.method == "POST" and request.content_type != "application/json":
                return web.json_response({"sentence": "Send JSON."}, status=415)
            try:
                return web.json_response(await handler(request))
            except (NotPossibleError, NoSuchElementError, UnknownNameError, KeyError, ValueError) as error:
                what = f"{error.args[0]!r} is missing." if type(error) is KeyError else str(error)
                return web.json_response({"sentence": what}, status=400)

        return answer

    async def _act(self, request: web.Request) -> Json:
        user = self._workspace.user_named(request.match_info["name"])
        verb = request.match_info["verb"]
        if verb not in self._verbs:
            raise NotPossibleError(f"People cannot {verb!r}, only: {', '.join(self._verbs)}.")
        return (await self._verbs[verb](user, await request.json())).to_json()

    # --- verbs ---

    def _channel(self, user: User, body: Json) -> Channel:
        return self._workspace.channel_named(body["channel"], asker=user.id)

    async def _command(self, user: User, body: Json) -> Outcome:
        return await self._do.command(user, self._channel(user, body), body["line"], body.get("thread_ts"))

    async def _say(self, user: User, body: Json) -> Outcome:
        return self._do.say(user, self._channel(user, body), body["text"], body.get("thread_ts"))

    def _place(self, user: User, body: Json) -> Place:
        where = body.get("where", "message")
        if where == "modal":
            return self._do.in_modal(user)
        if where == "home":
            return self._do.on_home(user)
        place = self._do.on_message(user, self._channel(user, body), body.get("message_ts"), body["action"])
        # A client that has not redrawn yet (a phone that just woke up) presses what it still shows.
        return replace(place, blocks=body["seen"]) if body.get("seen") else place

    async def _click(self, user: User, body: Json) -> Outcome:
        return await self._do.click(user, self._place(user, body), body["action"], body.get("confirm", True))

    async def _select(self, user: User, body: Json) -> Outcome:
        return await self._do.select(user, self._place(user, body), body["action"], body["value"])

    async def _submit_view(self, user: User, body: Json) -> Outcome:
        return await modals.submit(self._do, user, body.get("values", {}))

    async def _close_view(self, user: User, body: Json) -> Outcome:
        return await modals.close(self._do, user, bool(body.get("everything")))

    async def _open_home(self, user: User, body: Json) -> Outcome:
        return self._do.open_home(user)

    async def _shortcut(self, user: User, body: Json) -> Outcome:
        return await self._do.shortcut(user, body["callback_id"])

    async def _invite(self, user: User, body: Json) -> Outcome:
        self._do.invite(self._channel(user, body), body["who"])
        return Outcome()

    async def _delete(self, user: User, body: Json) -> Outcome:
        message = self._workspace.message(self._channel(user, body).id, body["message_ts"])
        if message is None:
            raise NotPossibleError("There is no such message.")
        self._workspace.delete(message)
        return Outcome()

    # --- what is to be seen ---

    async def _messages(self, request: web.Request) -> Json:
        user = self._workspace.user_named(request.match_info["name"])
        channel = self._workspace.channel_named(request.query["channel"], asker=user.id)
        seen = self._workspace.visible_to(user.id, channel.id)
        return {"messages": [{**message.to_json(), "channel": channel.id} for message in seen]}

    async def _views(self, request: web.Request) -> Json:
        user = self._workspace.user_named(request.match_info["name"])
        modal, home = self._workspace.views.top(user.id), self._workspace.views.homes.get(user.id)
        return {"modal": modal.to_json() if modal else None, "home": home.to_json() if home else None}

    async def _directory(self, request: web.Request) -> Json:
        space = self._workspace
        return {
            "users": {user.id: user.name for user in space.users.values()},
            "channels": {channel.id: channel.name for channel in space.channels.values()},
            "groups": {group.id: group.handle for group in space.groups.values()},
            "last_change": space.last_change,
            "connections": self._do.sockets.connected,
        }

    async def _changes(self, request: web.Request) -> Json:
        after = int(request.query.get("after", 0))
        wait = min(float(request.query.get("wait", 0)), LONGEST_WAIT)
        news, changes = self._news, self._workspace.changes(after)
        if not changes and wait > 0:
            try:
                async with asyncio.timeout(wait):
                    await news.wait()
            except TimeoutError:
                pass
            changes = self._workspace.changes(after)
        return {"changes": [asdict(change) for change in changes], "last_change": self._workspace.last_change}

    # --- the workspace's admin ---

    async def _admin(self, request: web.Request) -> Json:
        verb, body = request.match_info["verb"], await request.json()
        if verb == "refresh":
            await self._do.sockets.refresh()
        elif verb == "disconnect":
            await self._do.sockets.drop()
        else:
            self._administer(verb, body)
        return {}

    def _administer(self, verb: str, body: Any) -> None:
        space = self._workspace
        if verb == "group":
            users = [space.user_named(name).id for name in body["users"]]
            space.set_group_users(space.group_named(body["handle"]).id, users)
        elif verb == "archive":
            space.archive(space.channel_named(body["channel"]).id, body.get("archived", True))
        elif verb == "remove":
            space.remove_member(space.channel_named(body["channel"]).id, space.user_named(body["who"]).id)
        else:
            raise NotPossibleError(f"There is no {verb!r}, only: refresh, disconnect, group, archive, remove.")
