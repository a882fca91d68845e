"""DNS on the wire: UDP and TCP sockets of several addresses on one port, and dnslib packets around `Answer`."""

import asyncio
import ipaddress
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import dnslib

from sandbox.aws.model import RecordSet
from sandbox.dnszones import Answer, absolute

Answering = Callable[[str, str, str], Answer]  #: address that was asked, name, type
UDP_SIZE = 512  # without EDNS
PORT_ATTEMPTS = 20


class DnsServer:
    """Listens on every address over UDP and TCP, in one thread of its own."""

    def __init__(self, addresses: Sequence[str], recursive: str, answering: Answering) -> None:
        self._addresses = addresses
        self._recursive = recursive
        self._answering = answering
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def start(self, port: int = 0) -> int:
        """Bind and serve; port 0 lets the system choose. Returns the port. Raises OSError if it is taken."""
        sockets = _bind(self._addresses, port)
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(sockets, ready)), name="dns", daemon=True
        )
        self._thread.start()
        ready.wait()
        return cast(int, sockets[0][1].getsockname()[1])

    def stop(self) -> None:
        """Close the sockets and end the thread."""
        if self._loop and self._stopping and self._thread:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    async def _serve(self, sockets: Iterable[tuple[str, socket.socket]], ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        closing: list[asyncio.BaseTransport | asyncio.Server] = []
        for address, bound in sockets:
            if bound.type == socket.SOCK_DGRAM:
                endpoint = await self._loop.create_datagram_endpoint(lambda a=address: _Datagrams(self, a), sock=bound)  # type: ignore[misc]
                closing.append(endpoint[0])
            else:
                closing.append(await asyncio.start_server(self._stream(address), sock=bound))
        ready.set()
        await self._stopping.wait()
        for each in closing:
            each.close()

    def _stream(self, address: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    reply = self.reply(address, await reader.readexactly(length), limit=65_535)
                    if reply is None:
                        return
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                return  # the client is done
            finally:
                writer.close()

        return converse

    def reply(self, address: str, packet: bytes, limit: int | None = None) -> bytes | None:
        """The packet that answers a packet; None for what is no question."""
        try:
            request = dnslib.DNSRecord.parse(packet)
        except dnslib.DNSError:
            return None
        if request.header.qr or not request.questions:
            return None
        name, record_type = absolute(str(request.q.qname)), str(dnslib.QTYPE.get(request.q.qtype))
        found = self._answering(address, name, record_type)
        reply = request.reply(ra=int(address == self._recursive), aa=int(found.authoritative))
        reply.header.rcode = getattr(dnslib.RCODE, found.rcode)
        reply.add_answer(*_resource_records(found.answer))
        reply.add_auth(*_resource_records(found.authority))
        reply.add_ar(*_resource_records(found.additional))
        data: bytes = reply.pack()
        if len(data) > (limit or _udp_size(request)):
            truncated = request.reply(ra=reply.header.ra, aa=reply.header.aa)  # dnslib's own forgets the question
            truncated.header.tc = 1
            data = truncated.pack()
        return data


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer, address: str) -> None:
        self._server = server
        self._address = address
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        reply = self._server.reply(self._address, data)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


def _resource_records(records: Iterable[RecordSet]) -> list[Any]:
    made = []
    for record in records:
        for value in record.values:
            line = f"{record.name} {record.ttl or 60} IN {record.type} {_presentation(record.type, value)}"
            made += dnslib.RR.fromZone(line)
    return made


def _presentation(record_type: str, value: str) -> str:
    """A value as dnslib reads it: names absolute, IPv6 addresses without dotted quads."""
    if record_type in ("CNAME", "NS"):
        return absolute(value)
    return ipaddress.IPv6Address(value).exploded if record_type == "AAAA" else value


def _udp_size(request: Any) -> int:
    """What the client can take in a datagram: as it says in EDNS, else 512 bytes."""
    sizes = [record.edns_len for record in request.ar if record.rtype == dnslib.QTYPE.OPT]
    return max(UDP_SIZE, *sizes) if sizes else UDP_SIZE


def _bind(addresses: Sequence[str], port: int) -> list[tuple[str, socket.socket]]:
    """A UDP and a TCP socket for each address, all on one port."""
    for attempt in range(PORT_ATTEMPTS):
        bound: list[tuple[str, socket.socket]] = []
        chosen = port
        try:
            for address in addresses:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    one = socket.socket(socket.AF_INET, kind)
                    bound.append((address, one))
                    if kind == socket.SOCK_STREAM:
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind((address, chosen))
                    chosen = one.getsockname()[1]
        except OSError:
            for _, one in bound:
                one.close()
            if port or attempt == PORT_ATTEMPTS - 1:
                raise
        else:
            return bound
    raise AssertionError("unreachable")
