"""DNS as the public sees it, with dnspython.

Recursive resolvers only show the way to the authoritative servers; these are asked, because a resolver may go on for
minutes with an old answer or an old absence (domain.md F36). Where they cannot be reached (a network that lets nothing
but its own resolver through), the resolver's word is taken and the answer says so.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import dns.exception
import dns.inet
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from services.adapters.dns_messages import Question, answer_in, delegation_in, end_of_chain, soa_owner, text, values_at
from services.ports import DnsAnswer, Found

_PORT: Final = 53
_MEMORY: Final = 60.0  #: seconds that zone cuts and their servers are remembered
_SULK: Final = 15.0  #: seconds for which a zone none of whose servers could be reached is not tried again
_MAX_CHAIN: Final = 8
_SHARES: Final = 3  #: one address may take this part of a question's time, so that silent ones leave some for others
_NOBODY: Final = DnsAnswer(Found.UNKNOWN)

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Server:
    """A name server: what answers call it, and where it is."""

    label: str
    hosts: tuple[str, ...]
    port: int


@dataclass(frozen=True)
class _Reply:
    """A reply, and who gave it."""

    message: dns.message.Message
    label: str


class PublicResolver:
    """Resolver (services/ports.py). Raises nothing for what servers do or fail to do: then the answer is UNKNOWN.

    `servers`: recursive resolvers (host, port), the system's by default; `authoritative_port`: where authoritative
    servers listen; `lifetime`: seconds that one question may take with the authoritative servers, and again with the
    resolvers; `clock`: monotonic seconds. TXT values come with their strings joined and without quotes.
    """

    def __init__(
        self,
        servers: Sequence[tuple[str, int]] | None,
        authoritative_port: int = _PORT,
        lifetime: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        chosen = _system_servers() if servers is None else servers
        self._recursive = [_Server(f"resolver {host}", (host,), port) for host, port in chosen]
        self._port = authoritative_port
        self._lifetime = lifetime
        self._clock = clock
        self._cuts: _Memory[str] = _Memory(clock, _MEMORY)
        self._servers: _Memory[list[_Server]] = _Memory(clock, _MEMORY)
        self._silent: _Memory[bool] = _Memory(clock, _SULK)

    def ask(self, name: str, type_: str) -> DnsAnswer:
        """What is at this very name: no CNAME is followed, so A at a name with a CNAME is NO_DATA.

        A CNAME is asked of every server of the zone, as a validator may ask any of them: if one does not have it yet,
        that is the answer; if they differ, `values` has all and `asked` names all.
        """
        question = Question.of(name, type_)
        if question is None:
            return _NOBODY
        answers = self._authoritative_answers(question)
        answer = _most_cautious(answers) if question.type == dns.rdatatype.CNAME else next(answers, None)
        return answer or self._ask_recursive(question)

    def delegation(self, zone: str) -> DnsAnswer:
        """The NS set at the parent; where its servers cannot be reached, the one that the resolvers find."""
        question = Question.of(zone, "NS")
        if question is None or question.name == dns.name.root:
            return _NOBODY
        for reply in self._authoritative(question, self._zone(question.name.parent())):
            answer = delegation_in(reply.message, question, reply.label)
            if answer is not None:
                return answer
        return self._ask_recursive(question)

    def zone_of(self, name: str) -> str:
        """The closest zone at or above the name that has a SOA."""
        question = Question.of(name, "SOA")
        return "" if question is None else self._zone(question.name)

    def addresses(self, name: str) -> tuple[str, ...]:
        """A, then AAAA, each sorted."""
        found = [address for type_ in ("A", "AAAA") for address in self._follow(name, type_)]
        return tuple(dict.fromkeys(found))

    # ---- zones and their servers

    def _zone(self, name: dns.name.Name) -> str:
        """The zone that a name lies in, as the resolvers see it; empty if they do not answer."""
        known = self._cuts.get(text(name))
        if known is None:
            known = self._find_zone(name)
            if known:
                self._cuts.put(text(name), known)
        return known

    def _find_zone(self, name: dns.name.Name) -> str:
        while name != dns.name.root:
            reply = self._recurse(Question(name, dns.rdatatype.SOA))
            if reply is None:
                return ""
            owner = soa_owner(reply.message, name)
            if owner is not None:
                return text(owner)
            name = name.parent()
        return ""

    def _servers_of(self, zone: str) -> list[_Server]:
        known = self._servers.get(zone)
        if known is None:
            question = Question.of(zone, "NS")
            names = self._ask_recursive(question).values if question else ()
            located = [_Server(name, self.addresses(name), self._port) for name in sorted(names)]
            known = [server for server in located if server.hosts]
            if known:
                self._servers.put(zone, known)
        return known

    # ---- asking

    def _authoritative_answers(self, question: Question) -> Iterator[DnsAnswer]:
        for reply in self._authoritative(question, self._zone(question.name)):
            answer = answer_in(reply.message, question, reply.label, authoritative=True)
            if answer is not None:
                yield answer

    def _authoritative(self, question: Question, zone: str) -> Iterator[_Reply]:
        """What the zone's servers say, one after the other, within the lifetime of one question."""
        if not zone or self._silent.get(zone):
            return
        servers = self._servers_of(zone)
        deadline = self._clock() + self._lifetime
        replies = 0
        for server in servers:
            reply = self._exchange(server, question.message(recursive=False), deadline)
            if reply is not None:
                replies += 1
                yield reply
        if servers and not replies:
            self._silent.put(zone, True)

    def _ask_recursive(self, question: Question) -> DnsAnswer:
        reply = self._recurse(question)
        answer = answer_in(reply.message, question, reply.label, authoritative=False) if reply else None
        return answer or _NOBODY

    def _recurse(self, question: Question) -> _Reply | None:
        """The reply of the first resolver that does not fail."""
        deadline = self._clock() + self._lifetime
        for server in self._recursive:
            reply = self._exchange(server, question.message(recursive=True), deadline)
            if reply is not None and reply.message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return reply
        return None

    def _exchange(self, server: _Server, query: dns.message.QueryMessage, deadline: float) -> _Reply | None:
        """One question by UDP, again by TCP if the answer is cut off, at each address until one answers."""
        for host in server.hosts:
            timeout = min(self._lifetime / _SHARES, deadline - self._clock())
            if timeout <= 0:
                return None
            try:
                message, _ = dns.query.udp_with_fallback(
                    query, _literal(host), timeout, server.port, ignore_unexpected=True, ignore_errors=True
                )
            except (dns.exception.DNSException, OSError):
                continue
            return _Reply(message, server.label)
        return None

    def _follow(self, name: str, type_: str) -> tuple[str, ...]:
        """Values at the end of the CNAME chain; resolvers that give only the CNAME are asked for its target."""
        question = Question.of(name, type_)
        for _ in range(_MAX_CHAIN):
            reply = self._recurse(question) if question else None
            if question is None or reply is None:
                break
            end = end_of_chain(reply.message, question.name)
            found = values_at(reply.message, end, question.type)
            if found or end == question.name:
                return found
            question = Question(end, question.type)
        return ()


class _Memory(Generic[Value]):
    """Values that are forgotten after some seconds. Threads may share it: they replace the dict, never alter it."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._kept: dict[str, tuple[float, Value]] = {}

    def get(self, key: str) -> Value | None:
        since, value = self._kept.get(key, (None, None))
        return value if since is not None and self._clock() - since < self._seconds else None

    def put(self, key: str, value: Value) -> None:
        now = self._clock()
        fresh = {k: kept for k, kept in self._kept.items() if now - kept[0] < self._seconds}
        self._kept = {**fresh, key: (now, value)}


def _most_cautious(answers: Iterator[DnsAnswer]) -> DnsAnswer | None:
    """“Not there yet” from any server is the answer; if all have records, the records of all."""
    there: list[DnsAnswer] = []
    for answer in answers:
        if answer.found is not Found.RECORDS:
            return answer
        there.append(answer)
    if len({frozenset(answer.values) for answer in there}) < 2:
        return there[0] if there else None
    values = tuple(sorted({value for answer in there for value in answer.values}))
    return DnsAnswer(Found.RECORDS, values, " and ".join(answer.asked for answer in there))


def _system_servers() -> list[tuple[str, int]]:
    """What the machine's own configuration says; a machine without one has no resolver, and knows nothing."""
    try:
        return [(str(server), _PORT) for server in dns.resolver.Resolver().nameservers]
    except dns.exception.DNSException:
        return []


def _literal(host: str) -> str:
    """An address; resolvers may be configured by a name that the machine itself can look up. Raises OSError."""
    if dns.inet.is_address(host):
        return host
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0])
