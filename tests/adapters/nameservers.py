"""Name servers on loopback for the resolver's tests: a parent, two that may disagree, a recursive one."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from services.adapters.resolver import PublicResolver

RECURSIVE, PARENT, NS1, NS2 = (f"127.0.53.{n}" for n in range(1, 5))
SOA = "ns1.elsewhere.test. admin.elsewhere.test. 1 60 60 60 60"

Records = dict[tuple[str, str], list[str]]


@dataclass
class NameServer:
    """Answers from zones {apex: records}; the faults are switched by the tests."""

    address: str
    zones: dict[str, Records]
    recursive: bool = False
    silent: bool = False
    rcode: dns.rcode.Rcode | None = None
    authoritative: bool = True
    truncates: bool = False
    terse: bool = False  #: a recursive server that gives a CNAME without what it leads to
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def respond(self, query: dns.message.Message, transport: str) -> dns.message.Message | None:
        question = query.question[0]
        name, type_ = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((transport, name, type_))
        if self.silent:
            return None
        reply = dns.message.make_response(query)
        if self.truncates and transport == "udp":
            reply.flags |= dns.flags.TC
        elif self.rcode is not None:
            reply.set_rcode(self.rcode)
        else:
            self._fill(reply, name, type_)
        return reply

    def _fill(self, reply: dns.message.Message, name: str, type_: str) -> None:
        apexes = [apex for apex in self.zones if name == apex or name.endswith("." + apex)]
        if not apexes:
            reply.set_rcode(dns.rcode.REFUSED)
            return
        apex = max(apexes, key=len)
        records = self.zones[apex]
        cut = next((n for n, t in records if t == "NS" and n != apex and (name == n or name.endswith("." + n))), "")
        if cut:
            reply.authority.append(rrset(cut, "NS", records[cut, "NS"]))
            return
        if self.authoritative and not self.recursive:
            reply.flags |= dns.flags.AA
        before = len(reply.answer)
        chain = self._answer(reply, records, name, type_)
        if chain and self.recursive and not self.terse:
            self._fill(reply, chain, type_)
        elif len(reply.answer) == before:
            reply.authority.append(rrset(apex, "SOA", [SOA]))
            if not any(n == name or n.endswith("." + name) for n, _ in records):
                reply.set_rcode(dns.rcode.NXDOMAIN)

    def _answer(self, reply: dns.message.Message, records: Records, name: str, type_: str) -> str:
        """Fill in the answer; where a CNAME leads to."""
        if (name, type_) in records:
            reply.answer.append(rrset(name, type_, records[name, type_]))
        elif (name, "CNAME") in records:
            reply.answer.append(rrset(name, "CNAME", records[name, "CNAME"]))
            return records[name, "CNAME"][0].rstrip(".")
        return ""


def rrset(name: str, type_: str, values: list[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(name + ".", 60, "IN", type_, values)


@dataclass
class Net:
    """All servers on one port, and a resolver that knows the recursive one only."""

    port: int
    recursive: NameServer
    parent: NameServer
    ns1: NameServer
    ns2: NameServer
    now: float = 0.0

    def resolver(self, *recursive: str, lifetime: float = 6.0) -> PublicResolver:
        """With a clock that stands still; a server may take a third of the lifetime (short where one is silent)."""
        servers = [(address, self.port) for address in recursive or (RECURSIVE,)]
        return PublicResolver(servers, self.port, lifetime, clock=lambda: self.now)

    def everywhere(self, name: str, type_: str, *values: str) -> None:
        """Put a record on both authoritative servers (not into what the recursive one remembers)."""
        for server in (self.ns1, self.ns2):
            server.zones["elsewhere.test"][name, type_] = list(values)


def elsewhere() -> Records:
    return {
        ("elsewhere.test", "SOA"): [SOA],
        ("elsewhere.test", "NS"): ["ns1.elsewhere.test.", "ns2.elsewhere.test."],
        ("ns1.elsewhere.test", "A"): [NS1],
        ("ns2.elsewhere.test", "A"): [NS2],
        ("www.elsewhere.test", "A"): ["203.0.113.1"],
    }


def top() -> Records:
    """The parent zone: one child delegated to what its registrar was told, another not delegated at all."""
    return {
        ("test", "SOA"): [SOA],
        ("test", "NS"): ["ns.parent.test."],
        ("ns.parent.test", "A"): [PARENT],
        ("elsewhere.test", "NS"): ["ns1.elsewhere.test.", "NS9.elsewhere.test."],
    }


def cloud() -> Records:
    return {("cloud.test", "SOA"): [SOA], ("lb.cloud.test", "A"): ["203.0.113.7", "203.0.113.8"]}


@contextmanager
def serving() -> Iterator[Net]:
    """The servers, up and right."""
    remembered = top()
    del remembered["elsewhere.test", "NS"]  # a resolver answers from the child
    recursive = NameServer(
        RECURSIVE, {"test": remembered, "elsewhere.test": elsewhere(), "cloud.test": cloud()}, recursive=True
    )
    parent = NameServer(PARENT, {"test": top()})
    ns1 = NameServer(NS1, {"elsewhere.test": elsewhere()})
    ns2 = NameServer(NS2, {"elsewhere.test": elsewhere()})
    with ExitStack() as stack:
        yield Net(_serve([recursive, parent, ns1, ns2], stack), recursive, parent, ns1, ns2)


def _serve(servers: list[NameServer], stack: ExitStack) -> int:
    """One port that is free at every address, by UDP and TCP."""
    for _ in range(20):
        with ExitStack() as attempt:
            try:
                port, sockets = _bind(servers, attempt)
            except OSError:
                continue
            stack.push(attempt.pop_all())
        for server, udp, tcp in sockets:
            threading.Thread(target=_serve_udp, args=(server, udp), daemon=True).start()
            threading.Thread(target=_serve_tcp, args=(server, tcp), daemon=True).start()
        return port
    raise RuntimeError("no port is free at all addresses")


Bound = tuple[NameServer, socket.socket, socket.socket]


def _bind(servers: list[NameServer], stack: ExitStack) -> tuple[int, list[Bound]]:
    port, bound = 0, list[Bound]()
    for server in servers:
        udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        udp.bind((server.address, port))
        port = udp.getsockname()[1]
        tcp = stack.enter_context(socket.socket())
        tcp.bind((server.address, port))
        tcp.listen()
        bound.append((server, udp, tcp))
        for listener in (udp, tcp):  # a blocked accept would outlive its socket
            listener.settimeout(0.05)
    return port, bound


def _serve_udp(server: NameServer, udp: socket.socket) -> None:
    while udp.fileno() >= 0:
        try:
            wire, peer = udp.recvfrom(4096)
            reply = server.respond(dns.message.from_wire(wire), "udp")
            if reply is not None:
                udp.sendto(reply.to_wire(), peer)
        except OSError:
            continue


def _serve_tcp(server: NameServer, tcp: socket.socket) -> None:
    while tcp.fileno() >= 0:
        try:
            connection, _ = tcp.accept()
            with connection:
                query, _ = dns.query.receive_tcp(connection)
                reply = server.respond(query, "tcp")
                if reply is not None:
                    dns.query.send_tcp(connection, reply)
        except OSError:
            continue
