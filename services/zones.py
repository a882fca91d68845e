"""Which Route 53 hosted zone a record for a host name belongs into, if any. Pure; domain.md F1 and F2.

What counts is neither that a zone exists nor where the domain is registered, but where the public is sent: the NS set
at the parent, compared with the delegation set of each zone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.hostnames import in_zone
from services.ports import DnsAnswer, Found, HostedZone


@dataclass(frozen=True)
class ZoneChoice:
    """The zone to write into, or why there is none.

    `unknown`: delegation could not be looked up, so nothing may be concluded yet. Neither zone nor unknown: DNS for the
    name is held elsewhere.
    """

    zone: HostedZone | None
    sentence: str
    findings: tuple[str, ...] = ()
    unknown: bool = False


def candidate_zones(hostname: str, zones: Sequence[HostedZone]) -> list[HostedZone]:
    """The public zones that the name lies in, longest first: those whose name servers and delegation are needed."""
    holding = [zone for zone in zones if not zone.private and in_zone(hostname, zone.name)]
    return sorted(holding, key=lambda zone: (-zone.name.count("."), zone.id))


def delegations_to_ask(hostname: str, zones: Sequence[HostedZone]) -> list[str]:
    """Names whose delegation decides: the host name and what is above it, up to the shortest zone of ours.

    Names between zones are asked too: a part of our zone may have been delegated away. Empty if no zone holds the name.
    """
    candidates = candidate_zones(hostname, zones)
    return list(_upwards(hostname, candidates[-1].name)) if candidates else []


def choose_zone(
    hostname: str,
    zones: Sequence[HostedZone],
    name_servers: Mapping[str, Sequence[str]],
    delegations: Mapping[str, DnsAnswer],
) -> ZoneChoice:
    """The longest public zone that is really delegated.

    `name_servers`: delegation set by zone id. `delegations`: the public's NS set by name, for delegations_to_ask (at
    least for every candidate's name; a missing one counts as unknown). A zone that nobody is sent to gives way to the
    next shorter one; a name that is delegated to other servers is held elsewhere, whatever zones lie above it.
    """
    candidates = candidate_zones(hostname, zones)
    findings = _private_findings(hostname, zones)
    ours = {zone.id: frozenset(name_servers.get(zone.id, ())) for zone in candidates}
    for name in delegations_to_ask(hostname, zones):
        level = _Level(name, [z for z in candidates if z.name == name], ours, delegations.get(name))
        choice = level.choice(hostname)
        findings += level.findings()
        if choice is not None:
            several = _several(choice, candidates)
            return ZoneChoice(choice.zone, several or choice.sentence, tuple(findings), choice.unknown)
    reason = "none of the hosted zones that match is delegated" if candidates else "no public hosted zone holds it"
    return ZoneChoice(None, f"DNS for {hostname} is held elsewhere: {reason}.", tuple(findings))


def _upwards(hostname: str, last: str) -> Iterator[str]:
    name = hostname
    while name != last:
        yield name
        name = name.partition(".")[2]
    yield last


def _private_findings(hostname: str, zones: Sequence[HostedZone]) -> list[str]:
    return [
        f"Hosted zone {zone.name} ({zone.id}) is private: the public is never answered from it, so I skip it."
        for zone in zones
        if zone.private and in_zone(hostname, zone.name)
    ]


def _several(choice: ZoneChoice, candidates: Sequence[HostedZone]) -> str:
    if choice.zone is None or len(candidates) < 2:
        return ""
    zone = choice.zone
    return f"{len(candidates)} public hosted zones match; {zone.name} ({zone.id}) is the delegated one; I use that."


@dataclass(frozen=True)
class _Level:
    """One name on the way up: the zones of that name (maybe none) and where the public is sent for it."""

    name: str
    zones: Sequence[HostedZone]
    ours: Mapping[str, frozenset[str]]  #: delegation sets by zone id
    delegation: DnsAnswer | None

    @property
    def public(self) -> frozenset[str]:
        if self.delegation is None or self.delegation.found is not Found.RECORDS:
            return frozenset()
        return frozenset(self.delegation.values)

    @property
    def delegated(self) -> HostedZone | None:
        """The zone whose delegation set agrees best with the public's NS set, if they share any server."""
        shared = {z: self.ours[z.id] & self.public for z in self.zones}
        best = max(self.zones, key=lambda z: len(shared[z]), default=None)
        return best if best and shared[best] else None

    @property
    def is_unknown(self) -> bool:
        return self.delegation is None or self.delegation.found is Found.UNKNOWN

    def choice(self, hostname: str) -> ZoneChoice | None:
        """What this level decides; None: look further up."""
        if self.is_unknown and self.zones:
            return ZoneChoice(
                None,
                f"Whether the public is sent to hosted zone {self.name} cannot be seen: no name server answered. "
                "This says nothing about the zone.",
                unknown=True,
            )
        zone = self.delegated
        if zone is not None:
            return ZoneChoice(
                zone,
                f"{zone.name} ({zone.id}) is the longest public hosted zone of {hostname} that the public is sent to.",
            )
        if self.public:
            return ZoneChoice(
                None, f"DNS for {hostname} is held elsewhere: {self.name} is delegated to {_words(self.public)}."
            )
        return None

    def findings(self) -> list[str]:
        """F1 for every zone of this name that the public is not, or not wholly, sent to."""
        if self.is_unknown:
            return []
        chosen = self.delegated
        if chosen is None:
            return [self._nobody_asks(zone) for zone in self.zones]
        ours = self.ours[chosen.id]
        others = [
            f"Nobody asks hosted zone {zone.name} ({zone.id}): the public is sent to {chosen.id}, of the same name."
            for zone in self.zones
            if zone != chosen
        ]
        if ours == self.public:
            return others
        return [
            f"The name servers of {chosen.name} ({chosen.id}) differ: the parent lists {_words(self.public)}, the zone "
            f"has {_words(ours)}. Make them equal at your registrar; until then some answers come from elsewhere.",
            *others,
        ]

    def _nobody_asks(self, zone: HostedZone) -> str:
        sent = f"the parent lists {_words(self.public)}" if self.public else "the parent lists no name servers for it"
        return (
            f"Nobody asks hosted zone {zone.name} ({zone.id}): {sent}. "
            f"If it is meant to be used, set {_words(self.ours[zone.id])} at your registrar or in the parent zone."
        )


def _words(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "its name servers"
