"""The resolver against name servers on loopback that may be late, silent or wrong."""

from collections.abc import Iterator

import dns.rcode
import pytest

from services.adapters.resolver import PublicResolver
from services.ports import DnsAnswer, Found
from tests.adapters.nameservers import RECURSIVE, NameServer, Net, elsewhere, serving

pytestmark = pytest.mark.sandbox


@pytest.fixture
def net() -> Iterator[Net]:
    """All of them, up and right."""
    with serving() as net:
        yield net


# ---- ask


@pytest.mark.parametrize(
    ("name", "type_", "answer"),
    [
        ("www.elsewhere.test", "A", DnsAnswer(Found.RECORDS, ("203.0.113.1",), "ns1.elsewhere.test")),
        ("WWW.Elsewhere.Test.", "A", DnsAnswer(Found.RECORDS, ("203.0.113.1",), "ns1.elsewhere.test")),
        ("www.elsewhere.test", "CNAME", DnsAnswer(Found.NO_DATA, asked="ns1.elsewhere.test")),
        ("gone.elsewhere.test", "CNAME", DnsAnswer(Found.NO_NAME, asked="ns1.elsewhere.test")),
        ("gone.elsewhere.test", "A", DnsAnswer(Found.NO_NAME, asked="ns1.elsewhere.test")),
        ("alias.elsewhere.test", "CNAME", DnsAnswer(Found.RECORDS, ("lb.cloud.test",), "ns1.elsewhere.test")),
        ("alias.elsewhere.test", "A", DnsAnswer(Found.NO_DATA, asked="ns1.elsewhere.test")),
        ("alias.elsewhere.test", "TXT", DnsAnswer(Found.NO_DATA, asked="ns1.elsewhere.test")),
        ("txt.elsewhere.test", "TXT", DnsAnswer(Found.RECORDS, ("one two",), "ns1.elsewhere.test")),
        ("elsewhere.test", "CAA", DnsAnswer(Found.RECORDS, ('0 issue "amazon.com"',), "ns1.elsewhere.test")),
    ],
)
def test_the_zones_own_servers_are_asked(net: Net, name: str, type_: str, answer: DnsAnswer) -> None:
    """Whatever the recursive one remembers; a CNAME at the name is not followed; values come in one form."""
    net.everywhere("alias.elsewhere.test", "CNAME", "LB.cloud.test.")
    net.everywhere("txt.elsewhere.test", "TXT", '"one " "two"')
    net.everywhere("elsewhere.test", "CAA", '0 issue "amazon.com"')
    assert net.resolver().ask(name, type_) == answer


@pytest.mark.parametrize("late", ["ns1", "ns2"])
def test_a_cname_that_one_server_does_not_have_yet_is_not_there(net: Net, late: str) -> None:
    """A validator may ask any of them; the late one is named."""
    net.everywhere("alias.elsewhere.test", "CNAME", "lb.cloud.test.")
    server: NameServer = getattr(net, late)
    del server.zones["elsewhere.test"]["alias.elsewhere.test", "CNAME"]
    assert net.resolver().ask("alias.elsewhere.test", "CNAME") == DnsAnswer(
        Found.NO_NAME, asked=f"{late}.elsewhere.test"
    )


def test_servers_that_differ_are_all_quoted(net: Net) -> None:
    """An old value on one of them."""
    net.everywhere("alias.elsewhere.test", "CNAME", "lb.cloud.test.")
    net.ns2.zones["elsewhere.test"]["alias.elsewhere.test", "CNAME"] = ["old.cloud.test."]
    assert net.resolver().ask("alias.elsewhere.test", "CNAME") == DnsAnswer(
        Found.RECORDS, ("lb.cloud.test", "old.cloud.test"), "ns1.elsewhere.test and ns2.elsewhere.test"
    )


def test_an_answer_that_is_cut_off_is_asked_for_by_tcp(net: Net) -> None:
    """Large TXT sets do not fit."""
    net.ns1.truncates = True
    assert net.resolver().ask("www.elsewhere.test", "A").values == ("203.0.113.1",)
    assert [transport for transport, name, _ in net.ns1.asked if name == "www.elsewhere.test"] == ["udp", "tcp"]


@pytest.mark.parametrize("fault", ["silent", "servfail", "refused", "lame"])
def test_a_server_that_does_not_say_anything_is_passed_over(net: Net, fault: str) -> None:
    """Silence, SERVFAIL, REFUSED, and an answer without authority."""
    break_down(net.ns1, fault)
    answer = net.resolver(lifetime=1.2).ask("www.elsewhere.test", "A")
    assert answer == DnsAnswer(Found.RECORDS, ("203.0.113.1",), "ns2.elsewhere.test")


@pytest.mark.parametrize("fault", ["silent", "servfail", "refused", "lame"])
def test_where_none_can_be_reached_the_recursive_one_is_asked_and_named(net: Net, fault: str) -> None:
    """A network that lets no other DNS through; the answer says whose word it is."""
    break_down(net.ns1, fault)
    break_down(net.ns2, fault)
    resolver = net.resolver(lifetime=1.2)
    asked = f"resolver {RECURSIVE}"
    assert resolver.ask("www.elsewhere.test", "A") == DnsAnswer(Found.RECORDS, ("203.0.113.1",), asked)
    assert resolver.ask("www.elsewhere.test", "CNAME") == DnsAnswer(Found.NO_DATA, asked=asked)
    assert resolver.ask("gone.elsewhere.test", "CNAME") == DnsAnswer(Found.NO_NAME, asked=asked)


def test_a_cname_to_nowhere_is_there_all_the_same(net: Net) -> None:
    """A resolver says NXDOMAIN of its target; the name that was asked for exists, and has no TXT."""
    net.recursive.zones["elsewhere.test"]["dead.elsewhere.test", "CNAME"] = ["gone.cloud.test."]
    break_down(net.ns1, "refused")
    break_down(net.ns2, "refused")
    assert net.resolver().ask("dead.elsewhere.test", "TXT") == DnsAnswer(Found.NO_DATA, asked=f"resolver {RECURSIVE}")


def break_down(server: NameServer, fault: str) -> None:
    match fault:
        case "silent":
            server.silent = True
        case "servfail":
            server.rcode = dns.rcode.SERVFAIL
        case "refused":
            server.zones.clear()
        case "lame":
            server.authoritative = False


@pytest.mark.parametrize("fault", ["silent", "servfail"])
def test_nobody_answering_is_unknown(net: Net, fault: str) -> None:
    """Never "no such name"; and no exception."""
    for server in (net.recursive, net.ns1, net.ns2, net.parent):
        break_down(server, fault)
    resolver = net.resolver(lifetime=0.15)
    assert resolver.ask("www.elsewhere.test", "A").found is Found.UNKNOWN
    assert resolver.delegation("elsewhere.test").found is Found.UNKNOWN
    assert (resolver.zone_of("www.elsewhere.test"), resolver.addresses("www.elsewhere.test")) == ("", ())


def test_a_second_resolver_steps_in(net: Net) -> None:
    """Each is asked in turn; one that is down (nothing listens there) costs its share of the time."""
    assert net.resolver("127.0.53.9", RECURSIVE, lifetime=1.2).zone_of("www.elsewhere.test") == "elsewhere.test"


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "a..test", ".".join(["a" * 60] * 5)])
def test_a_text_that_is_no_name_is_unknown(net: Net, name: str) -> None:
    """Doubling a zone may make such names."""
    resolver = net.resolver()
    assert resolver.ask(name, "CNAME").found is Found.UNKNOWN
    assert (resolver.zone_of(name), resolver.addresses(name)) == ("", ())


def test_without_any_resolver_nothing_is_known() -> None:
    """A machine without DNS."""
    assert PublicResolver([]).ask("www.elsewhere.test", "A") == DnsAnswer(Found.UNKNOWN)


# ---- memory


def test_an_absence_is_never_remembered(net: Net) -> None:
    """The record that a person just made is seen at once, on every server."""
    resolver = net.resolver()
    assert resolver.ask("alias.elsewhere.test", "CNAME").found is Found.NO_NAME
    net.everywhere("alias.elsewhere.test", "CNAME", "lb.cloud.test.")
    assert resolver.ask("alias.elsewhere.test", "CNAME").found is Found.RECORDS


def test_zone_cuts_are_remembered_for_a_minute(net: Net) -> None:
    """The recursive one is asked once for many questions, and again after 60 s."""
    resolver = net.resolver()
    resolver.ask("www.elsewhere.test", "A")
    asked = len(net.recursive.asked)
    resolver.ask("www.elsewhere.test", "TXT")
    assert len(net.recursive.asked) == asked
    net.now = 60.0
    resolver.ask("www.elsewhere.test", "TXT")
    assert len(net.recursive.asked) == 2 * asked


def test_a_zone_that_cannot_be_reached_is_tried_again_after_a_while(net: Net) -> None:
    """Waiting for silent servers at every question would hold up all other requests."""
    net.ns1.silent = net.ns2.silent = True
    resolver = net.resolver(lifetime=1.2)
    resolver.ask("www.elsewhere.test", "A")
    net.ns1.silent = net.ns2.silent = False
    net.now = 14.0
    assert resolver.ask("www.elsewhere.test", "A").asked == f"resolver {RECURSIVE}"
    net.now = 15.0
    assert resolver.ask("www.elsewhere.test", "A").asked == "ns1.elsewhere.test"


# ---- delegation


def test_the_parent_says_where_the_public_is_sent(net: Net) -> None:
    """Not the zone itself, whose own NS set may differ (F1)."""
    assert net.resolver().delegation("elsewhere.test") == DnsAnswer(
        Found.RECORDS, ("ns1.elsewhere.test", "ns9.elsewhere.test"), "ns.parent.test"
    )


@pytest.mark.parametrize(
    ("zone", "found"),
    [("nobody.test", Found.NO_NAME), ("parent.test", Found.NO_DATA), ("www.elsewhere.test", Found.NO_DATA)],
)
def test_a_zone_that_nobody_is_sent_to(net: Net, zone: str, found: Found) -> None:
    """Whatever Route 53 would answer, were it asked."""
    answer = net.resolver().delegation(zone)
    assert (answer.found, answer.values) == (found, ())


def test_a_server_of_both_zones_answers_for_the_child(net: Net) -> None:
    """It gives no referral but the answer itself, with authority."""
    net.parent.zones["elsewhere.test"] = elsewhere()
    assert net.resolver().delegation("elsewhere.test") == DnsAnswer(
        Found.RECORDS, ("ns1.elsewhere.test", "ns2.elsewhere.test"), "ns.parent.test"
    )


def test_without_the_parent_the_recursive_one_says_it(net: Net) -> None:
    """And is named."""
    net.parent.silent = True
    assert net.resolver(lifetime=1.2).delegation("elsewhere.test") == DnsAnswer(
        Found.RECORDS, ("ns1.elsewhere.test", "ns2.elsewhere.test"), f"resolver {RECURSIVE}"
    )


# ---- zones and addresses


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("elsewhere.test", "elsewhere.test"),
        ("www.elsewhere.test", "elsewhere.test"),
        ("a.b.gone.elsewhere.test", "elsewhere.test"),
        ("alias.elsewhere.test", "elsewhere.test"),
        ("dead.elsewhere.test", "elsewhere.test"),
        ("nobody.test", "test"),
    ],
)
def test_the_zone_of_a_name(net: Net, name: str, zone: str) -> None:
    """From the SOA that answers for the name, not for what a CNAME there leads to."""
    net.recursive.zones["elsewhere.test"]["alias.elsewhere.test", "CNAME"] = ["lb.cloud.test."]
    net.recursive.zones["elsewhere.test"]["dead.elsewhere.test", "CNAME"] = ["gone.parent.test."]
    assert net.resolver().zone_of(name) == zone


@pytest.mark.parametrize("terse", [False, True])
def test_addresses_are_found_behind_cnames(net: Net, terse: bool) -> None:
    """A and AAAA, also from a resolver that gives the CNAME only; each once."""
    records = net.recursive.zones["elsewhere.test"]
    records["a.elsewhere.test", "CNAME"] = ["b.elsewhere.test."]
    records["b.elsewhere.test", "CNAME"] = ["lb.cloud.test."]
    net.recursive.zones["cloud.test"]["lb.cloud.test", "AAAA"] = ["2001:db8::7"]
    net.recursive.terse = terse
    assert net.resolver().addresses("a.elsewhere.test") == ("203.0.113.7", "203.0.113.8", "2001:db8::7")


def test_cnames_in_a_circle_lead_nowhere(net: Net) -> None:
    """And end."""
    records = net.recursive.zones["elsewhere.test"]
    records["a.elsewhere.test", "CNAME"] = ["b.elsewhere.test."]
    records["b.elsewhere.test", "CNAME"] = ["a.elsewhere.test."]
    net.recursive.terse = True
    assert net.resolver().addresses("a.elsewhere.test") == ()


def test_a_name_without_addresses(net: Net) -> None:
    """Absent, or there without any."""
    resolver = net.resolver()
    assert (resolver.addresses("gone.elsewhere.test"), resolver.addresses("elsewhere.test")) == ((), ())
