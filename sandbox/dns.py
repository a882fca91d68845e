"""Public DNS on loopback: a recursive resolver, and the authoritative servers of Route 53, of another provider and of
the parent zones. All of it is one process and one table; what a client sees differs by the address that it asks.

    127.0.0.1   recursive: follows delegations and CNAMEs, sets RA
    127.0.0.53  every awsdns server: the public hosted zones, and the names of the load balancers
    127.0.0.54  ns1 and ns2.elsewhere.test: the zones held elsewhere
    127.0.0.55  the servers of the top-level domains: referrals to what is delegated, NXDOMAIN for the rest

The four share one port over UDP and TCP.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from sandbox.aws.model import AliasTarget, LoadBalancer, PublicZone, RecordSet
from sandbox.dnswire import DnsServer
from sandbox.dnszones import Answer, Zone, absolute, ancestors, below, look_up, referral

RECURSIVE, AWS, ELSEWHERE, PARENT = "127.0.0.1", "127.0.0.53", "127.0.0.54", "127.0.0.55"
DELEGATED_ZONE = "example.com."
EXTERNAL_ZONE = "example.org."
EXTERNAL_SERVERS = ("ns1.elsewhere.test.", "ns2.elsewhere.test.")
PARENT_SERVERS = ("a.tld-servers.test.", "b.tld-servers.test.")
TOP_LEVEL_DOMAINS = ("com.", "net.", "org.", "uk.", "test.")
LOAD_BALANCERS = "amazonaws.com."
EXTERNAL_TTL = 60
CHAIN = 8  # CNAMEs that are followed, and delegations

_AWS_SERVER = re.compile(r"(?:ns-\d+\.)?(awsdns-\d\d\.(?:com|net|org|co\.uk)\.)")
_AWS_SERVERS = ("ns-0.awsdns-00.com.", "ns-512.awsdns-00.net.")  # of the zones that AWS itself needs


def _zone(name: str, servers: Sequence[str], hosts: Mapping[str, str] | None = None) -> Zone:
    """A zone with SOA, NS and addresses of hosts."""
    soa = f"{servers[0]} hostmaster.{name} 1 7200 900 1209600 60"
    records = {host: {"A": RecordSet(host, "A", 3600, (address,))} for host, address in (hosts or {}).items()}
    apex = {"NS": RecordSet(name, "NS", 86_400, tuple(servers)), "SOA": RecordSet(name, "SOA", 900, (soa,))}
    return Zone(name, {**records, name: {**records.get(name, {}), **apex}})


_ELSEWHERE_HOSTS = _zone("elsewhere.test.", EXTERNAL_SERVERS, dict.fromkeys(EXTERNAL_SERVERS, ELSEWHERE))
_PARENT_HOSTS = _zone("tld-servers.test.", PARENT_SERVERS, dict.fromkeys(PARENT_SERVERS, PARENT))


class DnsStandIn:
    """Serves the zones that `aws_zones` gives and the names that `load_balancers` gives, both asked anew each time."""

    def __init__(
        self, aws_zones: Callable[[], Iterable[PublicZone]], load_balancers: Callable[[], Iterable[LoadBalancer]]
    ) -> None:
        self._aws_zones = aws_zones
        self._load_balancers = load_balancers
        self._lock = threading.Lock()
        self._external: dict[str, Zone] = {}
        self._delegations: dict[str, tuple[str, ...] | None] = {DELEGATED_ZONE: None}
        self._balancer_index: tuple[object, dict[str, LoadBalancer], Zone] | None = None
        self._server = DnsServer((RECURSIVE, AWS, ELSEWHERE, PARENT), RECURSIVE, self.answer)
        self.add_external_zone(EXTERNAL_ZONE)

    def start(self, port: int = 0) -> int:
        """Listen on all four addresses, UDP and TCP. Returns the port, chosen by the system if 0 is given."""
        return self._server.start(port)

    def stop(self) -> None:
        """Stop listening."""
        self._server.stop()

    # -- what the owner of the DNS elsewhere, and of the registrations, does

    def add_external_zone(self, name: str) -> None:
        """Hold a further zone elsewhere, and delegate it there."""
        zone = _zone(absolute(name), EXTERNAL_SERVERS)
        with self._lock:
            self._external = {**self._external, zone.name: zone}
            self._delegations = {**self._delegations, zone.name: EXTERNAL_SERVERS}

    def add_external(self, name: str, record_type: str, value: str) -> None:
        """Add a value to a record of a zone held elsewhere. Raises ValueError if no such zone holds the name."""
        self._edit(name, record_type, lambda values: tuple(dict.fromkeys((*values, value))))

    def remove_external(self, name: str, record_type: str) -> None:
        """Remove a record with all its values; a record that is not there is no error."""
        self._edit(name, record_type, lambda values: ())

    def external_records(self) -> tuple[RecordSet, ...]:
        """All records of the zones held elsewhere, in order of their names, without SOA and NS of the apex."""
        found = [
            record
            for zone in self._external.values()
            for types in zone.records.values()
            for record in types.values()
            if not (record.name == zone.name and record.type in ("SOA", "NS"))
        ]
        return tuple(sorted(found, key=lambda record: (record.name, record.type)))

    def delegate(self, zone: str, name_servers: Sequence[str] | None = None) -> None:
        """Let the parent name these servers for a zone; without any, those of the oldest public hosted zone."""
        servers = tuple(absolute(server) for server in name_servers) if name_servers else None
        with self._lock:
            self._delegations = {**self._delegations, absolute(zone): servers}

    def undelegate(self, zone: str) -> None:
        """Let the parent know nothing of a zone."""
        with self._lock:
            self._delegations = {name: at for name, at in self._delegations.items() if name != absolute(zone)}

    def _edit(self, name: str, record_type: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
        owner, record_type = absolute(name), record_type.upper()
        with self._lock:
            zone = next((self._external[a] for a in ancestors(owner) if a in self._external), None)
            if zone is None:
                raise ValueError(f"{name} is in none of the zones held elsewhere: {', '.join(self._external)}")
            types = dict(zone.records.get(owner, {}))
            before = types.pop(record_type, None)
            if values := change(before.values if before else ()):
                types[record_type] = RecordSet(owner, record_type, EXTERNAL_TTL, values)
            records = {**zone.records, owner: types}
            if not types:
                del records[owner]
            self._external = {**self._external, zone.name: replace(zone, records=records)}

    # -- answers

    def cname_of(self, name: str) -> str | None:
        """What the public DNS answers for a CNAME question, followed through the real delegations; None for nothing."""
        found = self.resolve(name, "CNAME")
        return found.alias if found.rcode == "NOERROR" else None

    def resolve(self, name: str, record_type: str) -> Answer:
        """The answer of the recursive resolver: from the delegated servers, with CNAMEs followed."""
        return self._follow(absolute(name), record_type, self._delegated_zone, authoritative=False)

    def answer(self, address: str, name: str, record_type: str) -> Answer:
        """The answer of the server at one of the four addresses."""
        if address == RECURSIVE:
            return self.resolve(name, record_type)
        find = {AWS: self._aws_zone, ELSEWHERE: self._elsewhere_zone, PARENT: self._parent_zone}[address]
        if find(name) is None:
            return Answer(rcode="REFUSED", authoritative=False)
        return self._follow(name, record_type, find, authoritative=True)

    def _follow(
        self, name: str, record_type: str, find: Callable[[str], Zone | None], *, authoritative: bool
    ) -> Answer:
        """Look up, and go on at the target of a CNAME as long as `find` has a zone for it."""
        whole = Answer(authoritative=authoritative)
        for step in range(CHAIN):
            zone = find(name)
            if zone is None:
                whole.rcode = whole.rcode if authoritative and step else "SERVFAIL"
                return whole
            part = look_up(zone, name, record_type, self._alias_addresses)
            whole.rcode, whole.authority = part.rcode, part.authority
            whole.authoritative = authoritative and (part.authoritative or step > 0)
            whole.answer += part.answer
            whole.additional = self._glue(part.authority)
            if record_type == "CNAME" or part.alias is None:
                return whole
            name = part.alias
        whole.rcode = "SERVFAIL"  # a loop
        return whole

    def _glue(self, authority: Iterable[RecordSet]) -> list[RecordSet]:
        servers = [absolute(value) for record in authority if record.type == "NS" for value in record.values]
        addresses = ((server, _server_address(server)) for server in servers)
        return [RecordSet(server, "A", 3600, (address,)) for server, address in addresses if address]

    # -- which zone answers

    def _delegated_zone(self, name: str) -> Zone | None:
        """The zone that the delegations lead to from the top; None if they lead to a server that does not hold it."""
        zone: Zone | None = self._parent_zone(name)
        for _ in range(CHAIN):
            cut = referral(zone, name) if zone else None
            if cut is None:
                return zone
            zone = self._zone_at(cut.name, {absolute(server) for server in cut.values}, name)
        return None

    def _zone_at(self, name: str, servers: set[str], asked: str) -> Zone | None:
        """The zone of this name at any of these servers, with what it needs to answer for the name that is asked."""
        if servers & set(EXTERNAL_SERVERS):
            return {**self._external, _ELSEWHERE_HOSTS.name: _ELSEWHERE_HOSTS}.get(name)
        if servers & set(PARENT_SERVERS):
            return _PARENT_HOSTS if name == _PARENT_HOSTS.name else None
        if servers & set(_AWS_SERVERS):
            return self._amazon_zone(asked)
        found = (zone for zone in self._aws_zones() if zone.name == name and servers & set(_servers_of(zone)))
        hosted = next(found, None)
        return Zone(hosted.name, hosted.records) if hosted else None

    def _parent_zone(self, name: str) -> Zone:
        """The top-level domain of a name, with everything that is delegated from it; the root for an unknown one."""
        delegations = {zone: self._servers_for(zone) for zone in self._delegations}
        delegations[_ELSEWHERE_HOSTS.name], delegations[_PARENT_HOSTS.name] = EXTERNAL_SERVERS, PARENT_SERVERS
        delegations[LOAD_BALANCERS] = _AWS_SERVERS
        if match := _AWS_SERVER.fullmatch(name):
            delegations[match[1]] = _AWS_SERVERS
        tld = ancestors(name)[-1]
        if tld not in {ancestors(zone)[-1] for zone in delegations}.union(TOP_LEVEL_DOMAINS):
            return _zone(".", PARENT_SERVERS)
        top = _zone(tld, PARENT_SERVERS)
        cuts = {
            zone: {"NS": RecordSet(zone, "NS", 86_400, servers)}
            for zone, servers in delegations.items()
            if servers and below(zone, tld)
        }
        return Zone(tld, {**cuts, **top.records})

    def _servers_for(self, zone: str) -> tuple[str, ...]:
        """What the parent names for a delegated zone."""
        if servers := self._delegations.get(zone):
            return servers
        oldest = next((hosted for hosted in self._aws_zones() if hosted.name == zone), None)
        return _servers_of(oldest) if oldest else ()

    def _elsewhere_zone(self, name: str) -> Zone | None:
        held = {**self._external, _ELSEWHERE_HOSTS.name: _ELSEWHERE_HOSTS}
        return next((held[ancestor] for ancestor in ancestors(name) if ancestor in held), None)

    def _aws_zone(self, name: str) -> Zone | None:
        """The hosted zone that answers at the awsdns servers: from the shortest on, a longer one if it is delegated.

        In Route 53 each zone has its own servers, here all share an address: so a zone that its own parent zone does
        not delegate must not answer in the parent's place. Of several zones of one name the delegated one answers.
        """
        if amazon := self._amazon_zone(name):
            return amazon
        hosted: dict[str, list[PublicZone]] = {}
        for zone in self._aws_zones():
            hosted.setdefault(zone.name, []).append(zone)
        current: PublicZone | None = None
        for ancestor in reversed(ancestors(name)):
            if ancestor not in hosted:
                continue
            if current is None:
                servers = set(self._servers_for(ancestor))
                current = next((z for z in hosted[ancestor] if servers & set(_servers_of(z))), hosted[ancestor][0])
            elif cut := current.records.get(ancestor, {}).get("NS"):
                servers = {absolute(value) for value in cut.values}
                current = next((z for z in hosted[ancestor] if servers & set(_servers_of(z))), current)
        return Zone(current.name, current.records) if current else None

    def _amazon_zone(self, name: str) -> Zone | None:
        """The zones that AWS itself has: names of load balancers, names of name servers."""
        if below(name, LOAD_BALANCERS):
            return self._balancers()[1]
        if match := _AWS_SERVER.fullmatch(name):
            hosts = {name: AWS} if name != match[1] else {}
            return _zone(match[1], _AWS_SERVERS, hosts)
        return None

    # -- load balancers

    def _balancers(self) -> tuple[dict[str, LoadBalancer], Zone]:
        """The active load balancers by name, and the zone of their names; made anew when there is something new."""
        seen = self._load_balancers()
        if self._balancer_index is None or self._balancer_index[0] is not seen:
            active = {absolute(b.dns_name): b for b in seen if b.state == "active"}
            records = {
                name: {t: RecordSet(name, t, 60, a) for t in ("A", "AAAA") if (a := _addresses(balancer, t))}
                for name, balancer in active.items()
            }
            zone = Zone(LOAD_BALANCERS, {**records, **_zone(LOAD_BALANCERS, _AWS_SERVERS).records})
            self._balancer_index = (seen, active, zone)
        return self._balancer_index[1:]

    def _alias_addresses(self, target: AliasTarget, record_type: str) -> tuple[str, ...]:
        balancer = self._balancers()[0].get(absolute(target.dns_name).removeprefix("dualstack."))
        return _addresses(balancer, record_type) if balancer and balancer.zone_id == target.zone_id else ()


def _addresses(balancer: LoadBalancer, record_type: str) -> tuple[str, ...]:
    """Its addresses; IPv6 ones are the mapped form of the same, as loopback has a single IPv6 address."""
    if record_type == "A":
        return balancer.addresses
    if record_type == "AAAA" and balancer.ip_address_type == "dualstack":
        return tuple(f"::ffff:{address}" for address in balancer.addresses)
    return ()


def _servers_of(zone: PublicZone) -> tuple[str, ...]:
    return tuple(absolute(server) for server in zone.name_servers)


def _server_address(server: str) -> str | None:
    if server in EXTERNAL_SERVERS:
        return ELSEWHERE
    if server in PARENT_SERVERS:
        return PARENT
    return AWS if _AWS_SERVER.fullmatch(server) else None
