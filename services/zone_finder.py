"""Finds out which hosted zone a host name's records belong in, with a short memory shared by the steps that ask."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from services.ports import Clock, DnsAnswer, Found, HostedZone, World
from services.zones import ZoneChoice, candidate_zones, choose_zone, delegations_to_ask

_MEMORY = timedelta(seconds=60)


class ZoneFinder:
    """Gathers zones, their delegation sets and what the public is told, then lets `choose_zone` decide.

    Remembers an answer for a minute: delegations seldom change and many requests share a zone. An unknown one is not
    remembered. Safe from several threads.
    """

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._lock = threading.Lock()
        self._servers: dict[str, tuple[datetime, Sequence[str]]] = {}
        self._delegations: dict[str, tuple[datetime, DnsAnswer]] = {}

    def find(self, hostname: str) -> ZoneChoice:
        """The zone, or why there is none. Raises ServiceError if Route 53 cannot be read."""
        with self._lock:
            zones = self._world.zones().list()
            servers = {z.id: self._name_servers(z) for z in candidate_zones(hostname, zones)}
            delegations = {name: self._delegation(name) for name in delegations_to_ask(hostname, zones)}
            return choose_zone(hostname, zones, servers, delegations)

    def _name_servers(self, zone: HostedZone) -> Sequence[str]:
        now = self._clock()
        known = self._servers.get(zone.id)
        if known is None or now - known[0] > _MEMORY:
            known = self._servers[zone.id] = (now, self._world.zones().name_servers(zone.id))
        return known[1]

    def _delegation(self, name: str) -> DnsAnswer:
        now = self._clock()
        known = self._delegations.get(name)
        if known is None or now - known[0] > _MEMORY:
            answer = self._world.resolver.delegation(name)
            if answer.found is Found.UNKNOWN:
                return answer
            known = self._delegations[name] = (now, answer)
        return known[1]
