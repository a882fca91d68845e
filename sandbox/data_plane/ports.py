"""On which port a listener really listens: its own, where this process may, else a mapped one."""

import errno
import functools
import socket
from collections.abc import Iterable

OFFSET = 10_000  #: 443 is served on 10443 by a process without privileges

_FIRST_FREE = 1024
_TRIAL = ("127.0.10.1", 443)


def listen_port(port: int) -> int:
    """Identity for a process that may bind port 443, else privileged ports are moved up by OFFSET."""
    return mapped_port(port, may_bind_privileged())


def mapped_port(port: int, privileged: bool) -> int:
    """The rule of listen_port as a pure function."""
    return port if privileged or port >= _FIRST_FREE else port + OFFSET


def connect_to(ports: Iterable[int]) -> str:
    """The mapping of these listener ports in the form of curl's --connect-to, comma-separated; empty for identity.

    NLBTLS_CONNECT_TO takes it as it is: `:443::10443` means "any host, port 443: same host, port 10443".
    """
    return connect_to_form({port: listen_port(port) for port in ports})


def connect_to_form(mapping: dict[int, int]) -> str:
    """The rule of connect_to as a pure function of {listener port: real port}."""
    return ",".join(f":{port}::{real}" for port, real in sorted(mapping.items()) if port != real)


@functools.cache
def may_bind_privileged() -> bool:
    """Whether this process may listen on port 443 of a loopback address. Tried once."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(_TRIAL)
        except OSError as error:
            return error.errno == errno.EADDRINUSE  # somebody else was allowed to; so are we
    return True
