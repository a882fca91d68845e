"""The DNS stand-in, asked by dnspython over both transports."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from sandbox.aws.model import AliasTarget, LoadBalancer, PublicZone, RecordSet
from sandbox.dns import AWS, ELSEWHERE, PARENT, RECURSIVE, DnsStandIn

pytestmark = pytest.mark.sandbox

SERVERS = ("ns-1.awsdns-00.com", "ns-513.awsdns-00.net")
BALANCER = LoadBalancer(
    "arn:lb", "web", "web-0123.elb.eu-central-1.amazonaws.com", "ZNLB", "active", "internet-facing", "ipv4",
    ("127.0.10.1", "127.0.10.2"), (),
)  # fmt: skip


def zone(name: str, *records: RecordSet, servers: tuple[str, ...] = SERVERS) -> PublicZone:
    """A hosted zone as Route 53 would serve it."""
    soa = RecordSet(name, "SOA", 900, (f"{servers[0]}. hostmaster.example. 1 7200 900 1209600 86400",))
    apex = RecordSet(name, "NS", 172_800, tuple(f"{server}." for server in servers))
    by_name: dict[str, dict[str, RecordSet]] = {}
    for record in (soa, apex, *records):
        by_name.setdefault(record.name, {})[record.type] = record
    return PublicZone(name, f"Z{name}", servers, by_name)


def alias(name: str, record_type: str) -> RecordSet:
    """An alias to the load balancer."""
    return RecordSet(name, record_type, alias=AliasTarget("ZNLB", f"{BALANCER.dns_name}.", True))


@dataclass
class Cloud:
    """What AWS holds; tests change it."""

    zones: list[PublicZone] = field(default_factory=list)
    balancers: tuple[LoadBalancer, ...] = (BALANCER,)


@dataclass
class Server:
    """A running stand-in and its port."""

    cloud: Cloud
    stand_in: DnsStandIn
    port: int

    def ask(self, name: str, record_type: str, at: str = RECURSIVE, tcp: bool = False) -> dns.message.Message:
        """One question to one address."""
        question = dns.message.make_query(name, record_type)
        query: Callable[..., dns.message.Message] = dns.query.tcp if tcp else dns.query.udp
        return query(question, at, port=self.port, timeout=2)

    def texts(self, name: str, record_type: str, at: str = RECURSIVE, tcp: bool = False) -> list[str]:
        """The data of the last record set in the answer."""
        answer = self.ask(name, record_type, at, tcp).answer
        return sorted(item.to_text() for item in answer[-1]) if answer else []


@pytest.fixture
def server() -> Iterator[Server]:
    """A stand-in with the zone example.com delegated, and a further zone that nobody delegates."""
    com = zone(
        "example.com.",
        RecordSet("www.example.com.", "CNAME", 60, ("app.example.com",)),
        RecordSet("away.example.com.", "CNAME", 60, ("shop.example.org.",)),
        RecordSet("loop.example.com.", "CNAME", 60, ("loop.example.com",)),
        RecordSet("a.b.example.com.", "TXT", 60, ('"heritage=external-dns,external-dns/owner=x"', '"two" "parts"')),
        RecordSet("*.wild.example.com.", "A", 60, ("192.0.2.7",)),
        RecordSet("taken.wild.example.com.", "TXT", 60, ('"here"',)),
        RecordSet("example.com.", "CAA", 60, ('0 issue "amazon.com"',)),
        alias("app.example.com.", "A"),
        alias("app.example.com.", "AAAA"),
    )
    cloud = Cloud([com, zone("internal-only.example.net.", servers=("ns-9.awsdns-01.org",))])
    stand_in = DnsStandIn(lambda: cloud.zones, lambda: cloud.balancers)
    running = Server(cloud, stand_in, stand_in.start())
    yield running
    stand_in.stop()


@pytest.mark.parametrize("tcp", [False, True])
def test_recursive_resolver_follows_cname_to_the_balancers_addresses(server: Server, tcp: bool) -> None:
    """One answer holds the CNAME and the addresses behind the alias; RA is set, AA is not."""
    reply = server.ask("WWW.example.com", "A", tcp=tcp)
    assert [str(rrset.name) for rrset in reply.answer] == ["www.example.com.", "app.example.com."]
    assert server.texts("www.example.com", "A", tcp=tcp) == ["127.0.10.1", "127.0.10.2"]
    assert reply.flags & dns.flags.RA
    assert not reply.flags & dns.flags.AA


def test_dnspythons_resolver_is_content(server: Server) -> None:
    """The resolver that the bot uses gets through a CNAME into another provider's zone."""
    server.stand_in.add_external("shop.example.org", "A", "192.0.2.9")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [RECURSIVE], server.port, 2
    assert [item.to_text() for item in resolver.resolve("away.example.com", "A")] == ["192.0.2.9"]


def test_balancer_names_resolve_only_once_active(server: Server) -> None:
    """Before, its name does not exist and an alias to it is empty, though the alias itself is there."""
    server.cloud.balancers = (replace(BALANCER, state="provisioning"),)
    assert server.ask(BALANCER.dns_name, "A").rcode() == dns.rcode.NXDOMAIN
    reply = server.ask("app.example.com", "A")
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
    server.cloud.balancers = (BALANCER,)
    assert server.texts(BALANCER.dns_name, "A") == ["127.0.10.1", "127.0.10.2"]


def test_aaaa_exists_only_for_dualstack(server: Server) -> None:
    """An AAAA alias to an ipv4 load balancer answers nothing, as in Route 53."""
    assert server.texts("app.example.com", "AAAA") == []
    server.cloud.balancers = (replace(BALANCER, ip_address_type="dualstack"),)
    assert server.texts("app.example.com", "AAAA") == ["::ffff:127.0.10.1", "::ffff:127.0.10.2"]


@pytest.mark.parametrize(
    ("name", "record_type", "rcode"),
    [
        ("nothing.example.com", "A", dns.rcode.NXDOMAIN),
        ("b.example.com", "A", dns.rcode.NOERROR),  # an empty non-terminal
        ("app.example.com", "TXT", dns.rcode.NOERROR),
        ("taken.wild.example.com", "A", dns.rcode.NOERROR),  # the name exists: the wildcard is not for it
        ("x.taken.wild.example.com", "A", dns.rcode.NXDOMAIN),  # nor below it
    ],
)
def test_negative_answers(server: Server, name: str, record_type: str, rcode: int) -> None:
    """NXDOMAIN and NODATA are told apart, and both carry the zone's SOA."""
    for at in (RECURSIVE, AWS):
        reply = server.ask(name, record_type, at)
        assert (reply.rcode(), reply.answer) == (rcode, [])
        assert [str(rrset.name) for rrset in reply.authority] == ["example.com."]
        assert reply.authority[0][0].rdtype == dns.rdatatype.SOA


def test_wildcard_covers_deep_names(server: Server) -> None:
    """A wildcard answers for names of several labels below it, under the name that was asked."""
    reply = server.ask("x.y.wild.example.com", "A")
    assert str(reply.answer[0].name) == "x.y.wild.example.com."
    assert server.texts("x.y.wild.example.com", "A") == ["192.0.2.7"]


def test_txt_and_caa_come_through_whole(server: Server) -> None:
    """Commas, quotes and several strings survive the wire."""
    assert server.texts("a.b.example.com", "TXT") == [
        '"heritage=external-dns,external-dns/owner=x"', '"two" "parts"',
    ]  # fmt: skip
    assert server.texts("example.com", "CAA") == ['0 issue "amazon.com"']


def test_authoritative_servers_answer_for_their_own_zones_only(server: Server) -> None:
    """AA without RA inside, REFUSED outside; a CNAME into somebody else's zone is given and left."""
    reply = server.ask("app.example.com", "A", AWS)
    assert reply.flags & dns.flags.AA
    assert not reply.flags & dns.flags.RA
    assert server.ask("app.example.com", "A", ELSEWHERE).rcode() == dns.rcode.REFUSED
    assert server.ask("shop.example.org", "A", AWS).rcode() == dns.rcode.REFUSED
    assert server.texts("away.example.com", "A", AWS) == ["shop.example.org."]


def test_parent_refers_to_the_delegation_set(server: Server) -> None:
    """The parent's answer is a referral with glue, not an answer."""
    reply = server.ask("app.example.com", "A", PARENT)
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
    assert not reply.flags & dns.flags.AA
    assert {item.to_text() for item in reply.authority[0]} == {f"{s}." for s in SERVERS}
    assert {item.to_text() for rrset in reply.additional for item in rrset} == {AWS}
    elsewhere = server.ask("example.org", "NS", PARENT)
    assert {i.to_text() for i in elsewhere.authority[0]} == {"ns1.elsewhere.test.", "ns2.elsewhere.test."}


def test_name_servers_have_addresses(server: Server) -> None:
    """Every server that a delegation names can be found through the resolver, down from the top-level domain."""
    assert server.texts("example.com", "NS") == sorted(f"{s}." for s in SERVERS)
    assert [server.texts(s, "A") for s in SERVERS] == [[AWS], [AWS]]
    assert server.texts("ns1.elsewhere.test", "A") == [ELSEWHERE]
    assert {a for name in server.texts("com", "NS") for a in server.texts(name, "A")} == {PARENT}


def test_undelegated_zone_answers_only_when_asked_directly(server: Server) -> None:
    """Its own servers know it, the parent and so the resolver do not."""
    assert server.ask("internal-only.example.net", "SOA", AWS).flags & dns.flags.AA
    assert server.ask("internal-only.example.net", "NS", PARENT).rcode() == dns.rcode.NXDOMAIN
    assert server.ask("internal-only.example.net", "SOA").rcode() == dns.rcode.NXDOMAIN
    server.stand_in.delegate("internal-only.example.net")
    assert server.ask("internal-only.example.net", "SOA").rcode() == dns.rcode.NOERROR


def test_delegation_elsewhere_hides_the_hosted_zone(server: Server) -> None:
    """With other servers at the parent, the hosted zone is not asked (F1), and a server without the zone is lame."""
    server.stand_in.delegate("example.com", ["ns1.old-provider.test"])
    assert server.ask("app.example.com", "A").rcode() == dns.rcode.SERVFAIL
    assert server.stand_in.cname_of("www.example.com") is None
    assert server.texts("app.example.com", "A", AWS) == ["127.0.10.1", "127.0.10.2"]
    server.stand_in.undelegate("example.com")
    assert server.ask("app.example.com", "A").rcode() == dns.rcode.NXDOMAIN


def test_child_zone_needs_its_cut(server: Server) -> None:
    """A hosted zone below another is reached only if the upper one has NS records for it."""
    child_servers = ("ns-7.awsdns-00.com",)
    record = RecordSet("app.dev.example.com.", "A", 60, ("192.0.2.1",))
    server.cloud.zones.append(zone("dev.example.com.", record, servers=child_servers))
    assert server.ask("app.dev.example.com", "A", AWS).rcode() == dns.rcode.NXDOMAIN
    assert server.ask("app.dev.example.com", "A").rcode() == dns.rcode.NXDOMAIN
    parent = server.cloud.zones[0]
    cut = RecordSet("dev.example.com.", "NS", 60, ("ns-7.awsdns-00.com.",))
    server.cloud.zones[0] = replace(parent, records={**parent.records, cut.name: {"NS": cut}})
    assert server.texts("app.dev.example.com", "A") == ["192.0.2.1"]
    assert server.texts("app.dev.example.com", "A", AWS) == ["192.0.2.1"]


def test_of_two_zones_with_one_name_the_delegated_answers(server: Server) -> None:
    """A second public zone example.com changes nothing for the world (F2)."""
    stranger = zone(
        "example.com.", RecordSet("x.example.com.", "A", 60, ("192.0.2.66",)), servers=("ns-3.awsdns-00.com",)
    )
    server.cloud.zones.append(stranger)
    assert server.ask("x.example.com", "A").rcode() == dns.rcode.NXDOMAIN
    server.stand_in.delegate("example.com", ["ns-3.awsdns-00.com"])
    assert server.texts("x.example.com", "A") == ["192.0.2.66"]


def test_external_records_come_and_go(server: Server) -> None:
    """The owner of the other DNS adds values, removes records, and cannot write where the provider holds no zone."""
    stand_in = server.stand_in
    stand_in.add_external("App.example.org.", "txt", '"one"')
    stand_in.add_external("app.example.org", "TXT", '"two"')
    assert server.texts("app.example.org", "TXT", ELSEWHERE) == ['"one"', '"two"']
    assert [(r.name, r.type, r.values) for r in stand_in.external_records()] == [
        ("app.example.org.", "TXT", ('"one"', '"two"')),
    ]
    stand_in.remove_external("app.example.org", "TXT")
    assert server.ask("app.example.org", "TXT").rcode() == dns.rcode.NXDOMAIN
    with pytest.raises(ValueError, match="none of the zones held elsewhere"):
        stand_in.add_external("app.example.dev", "A", "192.0.2.1")
    stand_in.add_external_zone("example.dev")
    stand_in.add_external("app.example.dev", "A", "192.0.2.1")
    assert server.texts("app.example.dev", "A") == ["192.0.2.1"]


def test_cname_of_sees_what_the_resolver_sees(server: Server) -> None:
    """In process and over the wire the same CNAME is found; what is no CNAME is None."""
    assert server.stand_in.cname_of("www.example.com") == "app.example.com."
    assert server.texts("www.example.com", "CNAME") == ["app.example.com."]
    assert server.stand_in.cname_of("app.example.com") is None
    assert server.stand_in.cname_of("nothing.example.com") is None


def test_a_loop_ends(server: Server) -> None:
    """A CNAME to itself is SERVFAIL, not a hang."""
    assert server.ask("loop.example.com", "A").rcode() == dns.rcode.SERVFAIL


def test_large_answers_are_truncated_over_udp(server: Server) -> None:
    """Without EDNS 512 bytes are the limit; TC sends the client to TCP, which has it all."""
    for number in range(60):
        server.stand_in.add_external("many.example.org", "A", f"192.0.2.{number}")
    assert server.ask("many.example.org", "A").flags & dns.flags.TC
    assert len(server.texts("many.example.org", "A", tcp=True)) == 60


def test_stop_frees_the_port() -> None:
    """A stand-in started again may take the same port at once."""
    first = DnsStandIn(list, tuple)
    port = first.start()
    first.stop()
    second = DnsStandIn(list, tuple)
    assert second.start(port) == port
    second.stop()
