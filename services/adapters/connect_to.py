"""NLBTLS_CONNECT_TO: where to connect instead, in the form of curl's --connect-to. Pure.

`HOST1:PORT1:HOST2:PORT2`, several separated by commas or spaces; IPv6 addresses in brackets. An empty HOST1 or PORT1
matches any, an empty HOST2 or PORT2 keeps what was asked for. The first rule that matches decides. It moves the TCP
connection only: SNI, certificate check and Host header stay as they are.
"""

import re
from dataclasses import dataclass

_RULE = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):(\d*):(\[[^\]]*\]|[^:\[\]]*):(\d*)")


@dataclass(frozen=True)
class Rule:
    """One part of the setting. Empty and None: any (from), unchanged (to)."""

    from_host: str
    from_port: int | None
    to_host: str
    to_port: int | None


@dataclass(frozen=True)
class ConnectTo:
    """All rules, in order."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ConnectTo":
        """The rules in a setting; none in an empty one. ValueError with a sentence for what cannot be read."""
        return cls(tuple(_rule(part) for part in re.split(r"[,\s]+", text) if part))

    def target(self, host: str, port: int, *, server_name: str = "") -> tuple[str, int]:
        """Where to connect for `host`, an address usually.

        HOST1 may be that address or the name it is asked for (`server_name`), which is what curl compares.
        """
        names = {host.lower(), server_name.lower()} - {""}
        for rule in self.rules:
            if (not rule.from_host or rule.from_host in names) and rule.from_port in (None, port):
                return rule.to_host or host, rule.to_port or port
        return host, port


def _rule(text: str) -> Rule:
    parts = _RULE.fullmatch(text)
    if parts is None:
        raise ValueError(f"“{text}” is not of the form HOST1:PORT1:HOST2:PORT2 (IPv6 addresses in brackets)")
    from_host, from_port, to_host, to_port = parts.groups()
    return Rule(_host(from_host), _port(from_port, text), _host(to_host), _port(to_port, text))


def _host(text: str) -> str:
    return text.strip("[]").lower()


def _port(text: str, whole: str) -> int | None:
    if not text:
        return None
    if not 1 <= int(text) <= 65535:
        raise ValueError(f"“{whole}”: {text} is not a port (1 to 65535)")
    return int(text)
