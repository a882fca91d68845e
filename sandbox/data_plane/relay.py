"""One connection through a load balancer: to the target and back."""

import asyncio
import contextlib
import socket
import ssl
import struct

from sandbox.aws.model import Target, TargetGroup
from sandbox.backend import PROXY_SIGNATURE
from sandbox.data_plane.fronts import Address, is_on

_CHUNK = 65_536
_CONNECT_SECONDS = 5.0
_PROXY_TCP4 = b"\x21\x11"  #: version 2, command PROXY; TCP over IPv4


def proxy_v2(source: Address, destination: Address) -> bytes:
    """A PROXY protocol v2 header for a TCP connection over IPv4."""
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    body = addresses + struct.pack("!HH", source[1], destination[1])
    return PROXY_SIGNATURE + _PROXY_TCP4 + struct.pack("!H", len(body)) + body


def unverified() -> ssl.SSLContext:
    """TLS towards targets: a load balancer checks no name and no chain there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def relay(group: TargetGroup, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward both directions until the target closes. Raises OSError where the target cannot be reached."""
    client: Address = writer.get_extra_info("peername")[:2]
    here: Address = writer.get_extra_info("sockname")[:2]
    # Loopback lets us appear under any address of it, so the target sees what it would see behind a real NLB.
    appears_as = client[0] if is_on(group.attributes, "preserve_client_ip.enabled") else here[0]
    async with asyncio.timeout(_CONNECT_SECONDS):
        from_target, to_target = await asyncio.open_connection(
            target.ip, target.port, local_addr=(appears_as, 0), ssl=unverified() if group.protocol == "TLS" else None
        )
    try:
        if is_on(group.attributes, "proxy_protocol_v2.enabled"):
            to_target.write(proxy_v2(client, here))
        upwards = asyncio.create_task(_pump(reader, to_target))
        await _pump(from_target, writer)
        upwards.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await upwards
    finally:
        to_target.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
