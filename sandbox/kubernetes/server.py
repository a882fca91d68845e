"""The stand-in as a server: TLS on loopback, bearer tokens, paths and media types."""

import asyncio
import base64
import copy
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime

import trustme
import yaml
from aiohttp import web

from sandbox.calls import OnCall, nobody
from sandbox.faults import Faults
from sandbox.kubernetes.access import ROLES, Access, Role
from sandbox.kubernetes.api import Api
from sandbox.kubernetes.registry import Registry, Write
from sandbox.kubernetes.resources import BUILT_IN, CONTROLLER, Resource
from sandbox.kubernetes.status import Object
from sandbox.kubernetes.store import Store

FAULTS: Mapping[str, str] = {
    "kubernetes-down": "The API server answers every call with 503.",
    "kubernetes-slow": "The API server takes seconds to answer each call.",
    "kubernetes-unauthorized": "The API server knows no token any more: 401, as when a credential has lapsed.",
    "kubernetes-forbid-apply": "Applying is forbidden (403), as when RBAC lacks the verb patch.",
    "kubernetes-throttled": "The API server answers writes with 429 and Retry-After: 1.",
    "kubernetes-watch-expired": "Each watch from a resourceVersion ends at once with 410 Gone.",
    "kubernetes-webhook-down": "New LoadBalancer Services are refused: the webhook of the controller is down (F16).",
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class KubernetesStandIn:
    """A small Kubernetes API server in a thread of its own.

    `webhook` sets loadBalancerClass on new LoadBalancer Services, as the controller does since 2.5; `custom_resources`
    are the installed ones beside the built-in; `history` is how many changes watches can go back; `on_call`: see
    sandbox.calls.
    """

    def __init__(
        self,
        faults: Faults,
        clock: Callable[[], datetime] = _utc_now,
        *,
        webhook: bool = False,
        roles: Mapping[str, Role] = ROLES,
        custom_resources: Iterable[Resource] = CONTROLLER,
        history: int = 5000,
        slow_seconds: float = 5.0,
        namespaces: Iterable[str] = ("default", "kube-system"),
        on_call: OnCall = nobody,
    ) -> None:
        self.store = Store(history)
        resources = (*BUILT_IN, *custom_resources)
        self.registry = Registry(self.store, resources, clock=clock, faults=faults, webhook=webhook)
        self._access = Access(roles)
        self._api = Api(self.registry, self._access, faults, clock, slow_seconds, on_call)
        self._authority = trustme.CA()
        self._url = ""
        self._stop: Callable[[], object] = lambda: None
        self._thread: threading.Thread | None = None
        for name in namespaces:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def start(self) -> str:
        """Listen on a port that the system chooses; returns the https URL."""
        ready: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="kubernetes", daemon=True)
        self._thread.start()
        self._url = ready.result(timeout=30)
        return self._url

    def stop(self) -> None:
        """End open watches and the server."""
        self._stop()
        if self._thread:
            self._thread.join(timeout=10)
            self._thread = None

    @property
    def ca_certificate(self) -> bytes:
        """PEM of the authority that the server's certificate comes from."""
        return self._authority.cert_pem.bytes()

    def token(self, user: str = "admin") -> str:
        """The user's bearer token. Raises KeyError for an unknown user."""
        return self._access.token(user)

    def kubeconfig(self, user: str = "admin", namespace: str = "default") -> str:
        """A kubeconfig for the user, with everything embedded. Only after `start`."""
        cluster = {
            "server": self._url,
            "certificate-authority-data": base64.b64encode(self.ca_certificate).decode(),
        }
        context = {"cluster": "sandbox", "user": user, "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "contexts": [{"name": "sandbox", "context": context}],
            "users": [{"name": user, "user": {"token": self.token(user)}}],
        }
        return yaml.safe_dump(config, sort_keys=False)

    def create(self, obj: Object, manager: str = "sandbox") -> Object:
        """Seed an object, in process; its status is kept. Raises ApiError as a client would see it."""
        resource = self._resource(obj)
        metadata = obj.get("metadata", {})
        namespace = metadata.get("namespace", "default") if resource.namespaced else ""
        made = self.registry.create(resource, namespace, obj, Write(manager))
        if resource.has_status and "status" in obj:
            made = made | {"status": obj["status"]}
            write = Write(manager, subresource="status")
            made = self.registry.update(resource, namespace, made["metadata"]["name"], made, write)
        return made

    def dump(self) -> list[Object]:
        """All objects, ordered by kind, namespace and name."""
        kept = [obj for resource in self.registry.resources for obj in self.store.objects(resource)]
        return copy.deepcopy(kept)

    def _resource(self, obj: Object) -> Resource:
        wanted = obj["apiVersion"], obj["kind"]
        return next(found for found in self.registry.resources if (found.api_version, found.kind) == wanted)

    def _run(self, ready: "Future[str]") -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: "Future[str]") -> None:
        loop, closing = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(closing.set)
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._api.handler(closing))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        ready.set_result(f"https://127.0.0.1:{runner.addresses[0][1]}")
        await closing.wait()
        await site.stop()
        connections = [connection.transport for connection in runner.server.connections] if runner.server else []
        await runner.cleanup()
        await _abort(connections)


async def _abort(connections: Iterable[asyncio.Transport | None]) -> None:
    """Drop connections that clients keep alive: a polite TLS goodbye would outlive the loop."""
    for transport in connections:
        if transport is not None:
            transport.abort()
    await asyncio.sleep(0.01)
