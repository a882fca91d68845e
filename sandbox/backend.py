"""The demo application: a small HTTP server on every pod's own loopback address.

`GET /anything` answers 200 with JSON (pod, path, client), `/healthz` answers 200, `/status/NNN` answers that code. A
pod with proxy_protocol set expects a PROXY v2 header before each request and believes it; one without it answers 400
to such a header, as most applications do.
"""

import asyncio
import http
import json
import re
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.loop_thread import LoopThread

PROXY_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"

_LONGEST_HEAD = 16_384
_PATIENCE = 10.0  #: seconds that a client may take for its request
_PROXY_HEADER = 16  #: bytes before the addresses
_PROXY_IPV4 = 0x11


@dataclass(frozen=True)
class BackendPod:
    """Where one pod of the demo application listens."""

    name: str
    ip: str
    port: int
    proxy_protocol: bool = False


def backend_pods(manifests: Iterable[Mapping[str, Any]]) -> list[BackendPod]:
    """One server for each running pod of the manifests, on its first container port."""
    return [
        BackendPod(
            name=pod["metadata"]["name"],
            ip=pod["status"]["podIP"],
            port=pod["spec"]["containers"][0]["ports"][0]["containerPort"],
        )
        for pod in manifests
        if pod["kind"] == "Pod"
    ]


class Backend:
    """All pods in one thread. `addresses` says where they listen (a port of 0 is chosen by the system)."""

    def __init__(self, pods: Iterable[BackendPod]) -> None:
        self._pods = list(pods)
        self._loop = LoopThread("demo backend")
        self._servers: dict[str, asyncio.Server] = {}
        self.addresses: dict[str, tuple[str, int]] = {}

    def start(self) -> None:
        """Listen. Raises OSError where an address is taken."""
        self._loop.start()
        for pod in self._pods:
            self.start_pod(pod.name)

    def stop(self) -> None:
        """Stop listening and end the thread."""
        for name in list(self._servers):
            self.stop_pod(name)
        self._loop.stop()

    def start_pod(self, name: str) -> None:
        """Let one pod listen (again)."""
        pod = next(pod for pod in self._pods if pod.name == name)
        server = self._loop.run(self._listen(pod))
        self._servers[name] = server
        self.addresses[name] = server.sockets[0].getsockname()[:2]

    def stop_pod(self, name: str) -> None:
        """Let one pod refuse connections, as if its process had died."""
        self._loop.run(_close(self._servers.pop(name)))

    async def _listen(self, pod: BackendPod) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _serve(pod, reader, writer)

        port = self.addresses[pod.name][1] if pod.name in self.addresses else pod.port
        return await asyncio.start_server(serve, pod.ip, port)


async def _close(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()


async def _serve(pod: BackendPod, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            client = writer.get_extra_info("peername")[0]
            if pod.proxy_protocol:
                client = await _read_proxy_header(reader)
            head = await _read_head(reader)
            writer.write(_answer(pod.name, head, client))
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError, ValueError):
        pass  # a health check that only connects, a client that hung up, or no HTTP at all
    finally:
        writer.close()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    """The request up to its empty line. What does not begin like HTTP (TLS, say) is not waited for."""
    first = await reader.readexactly(1)
    if not first.isalpha():
        return first + await reader.read(_LONGEST_HEAD)
    return first + await reader.readuntil(b"\r\n\r\n")


async def _read_proxy_header(reader: asyncio.StreamReader) -> str:
    """The client's address as the PROXY v2 header tells it. Raises ValueError for anything else."""
    header = await reader.readexactly(_PROXY_HEADER)
    if not header.startswith(PROXY_SIGNATURE):
        raise ValueError("no PROXY v2 header")
    body = await reader.readexactly(struct.unpack("!H", header[14:16])[0])
    return socket.inet_ntoa(body[:4]) if header[13] == _PROXY_IPV4 else "unknown"


def _answer(pod: str, head: bytes, client: str) -> bytes:
    """The whole response to one request; the connection is closed after it."""
    request = re.match(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n", head)
    if request is None:
        return _response(400, {"error": "this is not an HTTP request"})
    path = request[2].decode("ascii", "replace")
    status = re.fullmatch(r"/status/([2-5]\d\d)", path)
    code = int(status[1]) if status else 200
    response = _response(code, {"pod": pod, "path": path, "client": client})
    return response.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if request[1] == b"HEAD" else response


def _response(code: int, content: Mapping[str, str]) -> bytes:
    body = json.dumps(content).encode() + b"\n"
    try:
        phrase = http.HTTPStatus(code).phrase
    except ValueError:
        phrase = "Unknown"
    head = (
        f"HTTP/1.1 {code} {phrase}\r\nServer: sandbox-demo\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
