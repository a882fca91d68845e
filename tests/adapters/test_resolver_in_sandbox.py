"""The resolver against the sandbox's public DNS: what the bot sees there, with one port for all servers."""

from collections.abc import Iterator

import pytest

from sandbox.aws.model import PublicZone, RecordSet
from sandbox.dns import RECURSIVE, DnsStandIn
from services.adapters.resolver import PublicResolver
from services.external_dns import ExternalLook, describe_finding, questions, validation_instructions
from services.ports import DnsAnswer, Found, HostedZone
from services.zones import choose_zone, delegations_to_ask

pytestmark = pytest.mark.sandbox

SERVERS = ("ns-1.awsdns-00.com", "ns-513.awsdns-00.net")
HOST, NAME, VALUE = "app.example.org", "_x.app.example.org", "_y.acm-validations.aws"


def hosted() -> PublicZone:
    """example.com at Route 53, with one CNAME."""
    apex = {
        "SOA": RecordSet("example.com.", "SOA", 900, (f"{SERVERS[0]}. hostmaster.example.com. 1 7200 900 1209600 60",)),
        "NS": RecordSet("example.com.", "NS", 172_800, tuple(f"{server}." for server in SERVERS)),
    }
    www = {"CNAME": RecordSet("www.example.com.", "CNAME", 60, ("app.example.org.",))}
    return PublicZone("example.com.", "Z1", SERVERS, {"example.com.": apex, "www.example.com.": www})


@pytest.fixture
def dns() -> Iterator[tuple[DnsStandIn, PublicResolver]]:
    """The stand-in, and a resolver set up as the bot's."""
    zone = hosted()
    stand_in = DnsStandIn(lambda: [zone], lambda: ())
    port = stand_in.start()
    yield stand_in, PublicResolver([(RECURSIVE, port)], port, lifetime=6.0)
    stand_in.stop()


def test_a_hosted_zone_is_chosen_by_its_delegation(dns: tuple[DnsStandIn, PublicResolver]) -> None:
    """And not any more once the parent knows nothing of it."""
    stand_in, resolver = dns
    zones = [HostedZone("Z1", "example.com", private=False)]
    host = "app.example.com"

    def choose() -> str:
        delegations = {name: resolver.delegation(name) for name in delegations_to_ask(host, zones)}
        choice = choose_zone(host, zones, {"Z1": SERVERS}, delegations)
        assert not choice.unknown
        return choice.zone.id if choice.zone else ""

    assert choose() == "Z1"
    stand_in.undelegate("example.com")
    assert choose() == ""


def test_route_53_answers_for_itself(dns: tuple[DnsStandIn, PublicResolver]) -> None:
    """With the name of the server that was asked."""
    _, resolver = dns
    answer = resolver.ask("www.example.com", "CNAME")
    assert answer == DnsAnswer(Found.RECORDS, ("app.example.org",), SERVERS[0])
    assert resolver.zone_of("www.example.com") == "example.com"


def test_the_owner_of_a_zone_elsewhere_is_told_what_is_there(dns: tuple[DnsStandIn, PublicResolver]) -> None:
    """First nothing, then the zone doubled, then the right record, each seen at once at the zone's own servers."""
    stand_in, resolver = dns
    instructions = validation_instructions(HOST, NAME, VALUE, resolver.zone_of(NAME))
    assert (instructions.zone, instructions.relative_name) == ("example.org", "_x.app")

    def finding() -> tuple[bool, str]:
        look = ExternalLook({question: resolver.ask(*question) for question in questions(instructions)})
        return describe_finding(instructions, look)

    assert finding() == (False, "ns1.elsewhere.test knows no such name yet.")
    stand_in.add_external(f"{NAME}.example.org", "CNAME", f"{VALUE}.")
    assert finding()[1].startswith(f"Found at {NAME}.example.org: your provider appended the zone")
    stand_in.add_external(NAME, "CNAME", f"{VALUE}.")
    assert finding() == (True, "Right record found at ns1.elsewhere.test.")


def test_addresses_behind_another_zones_cname(dns: tuple[DnsStandIn, PublicResolver]) -> None:
    """Followed over both providers."""
    stand_in, resolver = dns
    stand_in.add_external(HOST, "A", "127.0.10.1")
    assert resolver.addresses("www.example.com") == ("127.0.10.1",)
