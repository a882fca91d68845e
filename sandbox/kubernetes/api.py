"""From an HTTP request to a verb, and back: paths, users, query, media types."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml
from aiohttp import web

from sandbox.calls import CallLost, OnCall, Phase
from sandbox.faults import Faults
from sandbox.kubernetes import apply, discovery, patches, tables
from sandbox.kubernetes.access import Access, Request
from sandbox.kubernetes.decoding import Decoder, written
from sandbox.kubernetes.discovery import ACCESS_REVIEWS
from sandbox.kubernetes.registry import Registry, Write
from sandbox.kubernetes.resources import NAMESPACES, Resource
from sandbox.kubernetes.selectors import Test, field_selector, label_selector
from sandbox.kubernetes.status import (
    ApiError,
    Cause,
    Object,
    PageNotFoundError,
    bad_request,
    invalid,
    method_not_allowed,
    unauthorized,
    unavailable,
    unsupported_media_type,
)
from sandbox.kubernetes.watching import Selection, Watcher, WatchOptions, line

_PATCHES = (patches.JSON, patches.MERGE, patches.STRATEGIC, patches.APPLY)
_BODIES = ("application/json", "application/yaml")
_TRUE = ("true", "True", "1")


@dataclass(frozen=True)
class Target:
    """What a path names."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


class Api:
    """Answers requests to one registry."""

    def __init__(
        self,
        registry: Registry,
        access: Access,
        faults: Faults,
        clock: Callable[[], datetime],
        slow_seconds: float,
        on_call: OnCall,
    ) -> None:
        self._on_call = on_call
        self._registry = registry
        self._access = access
        self._faults = faults
        self._clock = clock
        self._slow = slow_seconds
        self._served = (*registry.resources, ACCESS_REVIEWS)

    def handler(self, closing: asyncio.Event) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The aiohttp handler of every path; watches end when `closing` is set."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                user = await self._enter(request)
                return self._discover(request) or await self._resources(request, user, closing)
            except PageNotFoundError:
                return web.Response(status=404, text="404 page not found\n")
            except ApiError as error:
                headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
                return web.json_response(error.status(), status=error.code, headers=headers)

        return handle

    async def _enter(self, request: web.Request) -> str:
        """The faults that strike anybody, and whose token it is."""
        if self._faults.is_on("kubernetes-slow"):
            await asyncio.sleep(self._slow)
        if self._faults.is_on("kubernetes-down"):
            raise unavailable()
        if self._faults.is_on("kubernetes-throttled") and request.method != "GET":
            message = "Too many requests, please try again later."
            raise ApiError(429, "TooManyRequests", message, {"retryAfterSeconds": 1}, retry_after=1)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        user = self._access.user(token) if scheme.lower() == "bearer" else None
        if user is None or self._faults.is_on("kubernetes-unauthorized"):
            raise unauthorized()
        return user

    # Discovery

    def _discover(self, request: web.Request) -> web.Response | None:
        parts = [part for part in request.path.split("/") if part]
        if parts[:1] in (["healthz"], ["livez"], ["readyz"]):
            return web.Response(text="ok")
        if parts == ["version"]:
            return web.json_response(discovery.VERSION)
        if parts in (["api"], ["apis"]):
            return self._roots(request, core=parts == ["api"])
        if parts[:2] == ["openapi", "v3"]:
            rest = "/".join(parts[2:])
            return _found(discovery.openapi(self._served, rest) if rest else discovery.openapi_index(self._served))
        if parts[:1] == ["apis"] and len(parts) == 2:
            return _found(discovery.group(self._served, parts[1]))
        if parts == ["api", "v1"] or (parts[:1] == ["apis"] and len(parts) == 3):
            group, version = ("", "v1") if parts[0] == "api" else (parts[1], parts[2])
            return _found(discovery.resource_list(self._served, group, version))
        return None

    def _roots(self, request: web.Request, *, core: bool) -> web.Response:
        accepted = request.headers.get("Accept", "").replace(" ", "")
        if discovery.AGGREGATED.partition(";")[2] in accepted:
            text = json.dumps(discovery.aggregated(self._served, core=core))
            return web.Response(body=text.encode(), headers={"Content-Type": discovery.AGGREGATED})
        body = discovery.core_versions(request.host) if core else discovery.groups(self._served)
        return web.json_response(body)

    # Resources

    def _target(self, path: str) -> Target:
        parts = [part for part in path.split("/") if part]
        if parts[:1] == ["api"] and len(parts) > 2:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[:1] == ["apis"] and len(parts) > 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            raise PageNotFoundError
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] != "status":
            namespace, rest = rest[1], rest[2:]
        served = [found for found in self._served if (found.group, found.version) == (group, version)]
        if not served:
            raise PageNotFoundError
        resource = next((found for found in served if found.plural == rest[0]), None)
        subresource = "/".join(rest[2:])
        if resource is None or subresource not in ("", "status") or (subresource and not resource.has_status):
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return Target(resource, namespace, rest[1] if len(rest) > 1 else "", subresource)

    async def _resources(self, request: web.Request, user: str, closing: asyncio.Event) -> web.StreamResponse:
        target = self._target(request.path)
        verb = _verb(request, target)
        if target.resource == ACCESS_REVIEWS:
            return await self._review(request, user)
        asked = Request(user, verb, target.resource.group, target.resource.plural, target.subresource, *_place(target))
        self._access.check(asked)
        if verb == "watch":
            return await self._watch(request, target, closing)
        operation = f"{_told(request, verb)} {'/'.join(filter(None, (asked.resource, asked.subresource)))}"
        self._tell(operation, Phase.BEFORE)
        answer = await self._carry_out(request, target, asked)
        self._tell(operation, Phase.AFTER)
        return answer

    def _tell(self, operation: str, phase: Phase) -> None:
        try:
            self._on_call("kubernetes", operation, phase)
        except CallLost:
            raise unavailable() from None

    async def _carry_out(self, request: web.Request, target: Target, asked: Request) -> web.Response:
        if asked.verb == "get":
            return self._answer(request, target, self._registry.get(target.resource, target.namespace, target.name))
        if asked.verb == "list":
            return self._answer(request, target, self._list(request, target))
        return await self._write(request, target, asked)

    def _matches(self, request: web.Request, target: Target) -> Test:
        labels = label_selector(request.query.get("labelSelector", ""))
        found = field_selector(request.query.get("fieldSelector", ""), target.resource)
        return lambda obj: labels(obj) and found(obj)

    def _list(self, request: web.Request, target: Target) -> Object:
        limit, token = int(request.query.get("limit") or 0), request.query.get("continue", "")
        matches = self._matches(request, target)
        return self._registry.listing(target.resource, target.namespace, matches, limit, token)

    async def _watch(self, request: web.Request, target: Target, closing: asyncio.Event) -> web.StreamResponse:
        query = request.query
        options = WatchOptions(
            revision=query.get("resourceVersion", ""),
            timeout=float(query.get("timeoutSeconds") or 1800),
            bookmarks=query.get("allowWatchBookmarks") in _TRUE,
            initial_events=query.get("sendInitialEvents") in _TRUE,
        )
        if not (options.revision or "0").isdigit():
            raise bad_request(f'Invalid value: "{options.revision}": strconv.ParseUint: invalid syntax')
        wanted = Selection(target.resource, target.namespace, self._matches(request, target))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if self._faults.is_on("kubernetes-watch-expired") and options.revision not in ("", "0"):
            self._registry.store.compact()
        watcher = Watcher(self._registry.store, closing)
        with suppress(ConnectionResetError):  # the client hung up, or was killed: nothing to complain of
            async for kind, obj in watcher.events(wanted, options):
                await response.write(line(kind, obj, lambda found: self._shown(request, target, found)))
        return response

    async def _write(self, request: web.Request, target: Target, asked: Request) -> web.Response:
        query, resource, registry = request.query, target.resource, self._registry
        if asked.verb in ("delete", "deletecollection"):
            return self._answer(request, target, await self._delete(request, target, asked.verb))
        agent = request.headers.get("User-Agent", "").partition("/")[0]
        write = Write(
            manager=query.get("fieldManager") or agent[:128],
            subresource=target.subresource,
            dry_run=_dry_run(query.get("dryRun")),
            force=query.get("force") in _TRUE,
            validation=query.get("fieldValidation") or "Warn",
            authorize_create=lambda: self._access.check(_creating(asked)),
        )
        status = 200
        if asked.verb == "create":
            obj = registry.create(resource, target.namespace, await _body(request, _BODIES), write)
            status = 201
        elif asked.verb == "update":
            body = await _body(request, _BODIES)
            obj = registry.update(resource, target.namespace, target.name, body, write)
        elif request.content_type == patches.APPLY:
            created, obj = await self._apply(request, target, asked, write)
            status = 201 if created else 200
        else:
            body = await _body(request, _PATCHES)
            obj = registry.patch(resource, target.namespace, target.name, request.content_type, body, write)
        return self._answer(request, target, obj, status, write.warnings)

    async def _apply(self, request: web.Request, target: Target, asked: Request, write: Write) -> tuple[bool, Object]:
        if self._faults.is_on("kubernetes-forbid-apply"):
            raise asked.refusal()
        if not request.query.get("fieldManager"):
            found = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
            raise invalid("PatchOptions", "meta.k8s.io", "", [found])
        body = await _body(request, _PATCHES)
        return self._registry.apply(target.resource, target.namespace, target.name, body, write)

    async def _delete(self, request: web.Request, target: Target, verb: str) -> Object:
        options = await _body(request, _BODIES) if request.can_read_body else {}
        dry_run = _dry_run(request.query.get("dryRun") or next(iter(options.get("dryRun") or []), None))
        if verb == "delete":
            return self._registry.delete(target.resource, target.namespace, target.name, options, dry_run=dry_run)
        found = self._list(request, target)
        for obj in found["items"]:
            metadata = obj["metadata"]
            place = metadata.get("namespace", ""), metadata["name"]
            self._registry.delete(target.resource, *place, {}, dry_run=dry_run)
        return found

    async def _review(self, request: web.Request, user: str) -> web.Response:
        """POST of a SelfSubjectAccessReview: anybody may ask what they may do."""
        if request.method != "POST":
            raise method_not_allowed()
        obj = Decoder(ACCESS_REVIEWS).decode(await _body(request, _BODIES))
        manager = request.query.get("fieldManager") or request.headers.get("User-Agent", "").partition("/")[0]
        change = apply.Change(manager, ACCESS_REVIEWS.api_version, self._registry.now(), ACCESS_REVIEWS.shape)
        nothing = written({"metadata": {}}, ACCESS_REVIEWS)
        obj = apply.update(nothing, written(obj, ACCESS_REVIEWS), change)
        obj["status"] = {"allowed": self._access.review(user, obj["spec"])}
        return web.json_response(obj, status=201)

    # Answers

    def _shown(self, request: web.Request, target: Target, body: Object) -> Object:
        """The body, or a Table of it if the client prefers one."""
        if "as=Table" not in request.headers.get("Accept", "").replace(" ", "") or body["kind"] == "Status":
            return body
        metadata = {name: part for name, part in body["metadata"].items() if name in ("resourceVersion", "continue")}
        now, include = self._clock(), request.query.get("includeObject", "Metadata")
        rows = body["items"] if "items" in body else [body] if "name" in body["metadata"] else []
        return tables.table(target.resource, rows, metadata, now, include)

    def _answer(
        self, request: web.Request, target: Target, body: Object, status: int = 200, warnings: list[str] | None = None
    ) -> web.Response:
        response = web.json_response(self._shown(request, target, body), status=status)
        for warning in warnings or []:
            response.headers.add("Warning", "299 - " + json.dumps(warning))
        return response


def _found(body: Object | None) -> web.Response:
    if body is None:
        raise PageNotFoundError
    return web.json_response(body)


def _place(target: Target) -> tuple[str, str]:
    """Namespace and name as authorization sees them: a namespace is in itself."""
    return (target.name if target.resource == NAMESPACES else target.namespace), target.name


def _creating(asked: Request) -> Request:
    return Request(asked.user, "create", asked.group, asked.resource, asked.subresource, asked.namespace, asked.name)


def _verb(request: web.Request, target: Target) -> str:
    watching = request.query.get("watch") in _TRUE
    one = {"GET": "watch" if watching else "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    many = {"GET": "watch" if watching else "list", "POST": "create", "DELETE": "deletecollection"}
    verb = (one if target.name else many).get(request.method)
    if verb is None:
        raise method_not_allowed()
    return verb


def _told(request: web.Request, verb: str) -> str:
    """The verb as whoever looks on wants it: an apply is a patch to authorization only."""
    return "apply" if request.content_type == patches.APPLY else verb


def _dry_run(value: str | None) -> bool:
    if value not in (None, "", "All"):
        found = Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: "All"', "dryRun")
        raise invalid("PatchOptions", "meta.k8s.io", "", [found])
    return value == "All"


async def _body(request: web.Request, accepted: tuple[str, ...]) -> Any:
    """The decoded body. Raises ApiError: 415 for another media type, 400 for what does not parse."""
    kind = request.content_type
    if "Content-Type" not in request.headers and request.method != "PATCH":
        kind = "application/json"
    if kind not in accepted:
        raise unsupported_media_type(accepted)
    text = await request.text()
    try:
        return yaml.safe_load(text) if kind.endswith("yaml") and not text.startswith("{") else json.loads(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise bad_request(f"error decoding the body of the request: {error}") from error
