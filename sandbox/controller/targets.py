"""Which addresses a target group should hold. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any


def ready_targets(slices: Iterable[Mapping[str, Any]], port_name: str) -> set[tuple[str, int]]:
    """(address, port) of every ready endpoint; a slice's port is found by the name of the Service port.

    A missing `ready` condition means ready, as the EndpointSlice API has it.
    """
    return {
        (address, port["port"])
        for item in slices
        for port in item.get("ports") or ()
        if (port.get("name") or "") == port_name
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready", True) is not False
        for address in endpoint["addresses"]
    }
