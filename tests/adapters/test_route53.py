"""The Route 53 adapter against the AWS stand-in, and against written answers for what the stand-in does not do."""

from collections.abc import Callable
from typing import Any

import pytest

from services.adapters.aws import Aws
from services.adapters.route53 import Route53, decoded, encoded, labels
from services.errors import Permanent, Refused
from services.ports import HostedZone, Record, RecordChange

pytestmark = pytest.mark.sandbox

XML = "<?xml version='1.0'?><{0} xmlns='https://route53.amazonaws.com/doc/2013-04-01/'>{1}</{0}>"


def _zones() -> Route53:
    return Aws("eu-central-1").zones()


def _public(zones: Route53, name: str = "example.com") -> HostedZone:
    return next(zone for zone in zones.list() if zone.name == name and not zone.private)


def _create(zones: Route53, *records: Record) -> str:
    return zones.change(_public(zones).id, [RecordChange("CREATE", record) for record in records], "test")


def test_zones_of_all_kinds(aws_world: Any) -> None:
    """Private zones are told apart, not hidden; ids and names come bare."""
    zones = _zones()
    assert {(zone.name, zone.private) for zone in zones.list()} >= {("example.com", True), ("example.com", False)}
    assert "/" not in _public(zones).id
    servers = zones.name_servers(_public(zones).id)
    assert len(servers) == 4
    assert not any(server.endswith(".") for server in servers)


def test_private_and_missing_zones_have_no_name_servers(aws_world: Any) -> None:
    """Nobody delegates to them."""
    zones = _zones()
    private = next(zone for zone in zones.list() if zone.private)
    assert not zones.name_servers(private.id)
    assert not zones.name_servers("Z0000000000000")
    assert not zones.records("Z0000000000000", "app.example.com")


CNAME = Record("_x.app.example.com", "CNAME", ("_y.acm-validations.aws",), 300)
TXT = Record("app.example.com", "TXT", ('"heritage=external-dns,external-dns/owner=nlbtls"',), 300)


def test_what_is_written_is_read_back_the_same(aws_world: Any) -> None:
    """A record, a TXT with its quotes and a wildcard come back as they went in, each at exactly its name."""
    zones = _zones()
    wild = Record("*.app.example.com", "CNAME", ("elsewhere.example.net",), 60)
    change = _create(zones, CNAME, TXT, wild)
    assert change
    assert "/" not in change
    assert zones.in_sync(change)
    zone = _public(zones).id
    assert list(zones.records(zone, "_x.app.example.com")) == [CNAME]
    assert list(zones.records(zone, "APP.example.com.")) == [TXT]
    assert list(zones.records(zone, "*.app.example.com")) == [wild]
    assert not zones.records(zone, "p.example.com")


def test_alias_round_trip(aws_world: Any, make_nlb: Callable[[str], str]) -> None:
    """An alias keeps its target's zone and has no TTL."""
    zones, arn = _zones(), make_nlb("k8s-demo")
    nlb = Aws("eu-central-1").load_balancers().by_arn([arn])[arn]
    alias = Record("app.example.com", "A", alias_name=nlb.hostname, alias_zone=nlb.zone_id)
    _create(zones, alias)
    assert list(zones.records(_public(zones).id, "app.example.com")) == [alias]


def test_a_foreign_record_is_never_overwritten(aws_world: Any) -> None:
    """A CREATE beside somebody else's record is refused, whole batch and all, and says why."""
    zones = _zones()
    _create(zones, CNAME)
    with pytest.raises(Refused, match="already exists") as caught:
        _create(zones, TXT, CNAME)
    assert caught.value.code == "InvalidChangeBatch"
    assert not zones.records(_public(zones).id, "app.example.com")


def test_delete_takes_the_exact_record(aws_world: Any) -> None:
    """DELETE + CREATE in one batch changes a record; a DELETE of other values is refused."""
    zones = _zones()
    _create(zones, CNAME)
    zone = _public(zones).id
    other = Record(CNAME.name, "CNAME", ("_z.acm-validations.aws",), 300)
    with pytest.raises(Refused):
        zones.change(zone, [RecordChange("DELETE", other)], "test")
    zones.change(zone, [RecordChange("DELETE", CNAME), RecordChange("CREATE", other)], "test")
    assert list(zones.records(zone, CNAME.name)) == [other]


def test_a_forgotten_change_is_done(aws_world: Any) -> None:
    """Route 53 forgets change ids; by then every server has the change."""
    assert _zones().in_sync("C0000000000000")


def test_denied_change(aws_world: Any) -> None:
    """A role without the right is told which right."""
    aws_world.faults.switch("aws-deny-change-records", True)
    with pytest.raises(Permanent, match="route53:ChangeResourceRecordSets"):
        _create(_zones(), CNAME)


def _zone_page(*rows: str, following: str = "") -> str:
    zones = "".join(
        f"<HostedZone><Id>/hostedzone/{row}</Id><Name>{row.lower()}.example.com.</Name><CallerReference>c"
        f"</CallerReference><Config><PrivateZone>false</PrivateZone></Config></HostedZone>"
        for row in rows
    )
    more = f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>"
    more += f"<NextMarker>{following}</NextMarker>" if following else ""
    return XML.format("ListHostedZonesResponse", f"<HostedZones>{zones}</HostedZones>{more}<MaxItems>100</MaxItems>")


def test_zone_list_is_paged_and_kept_for_five_minutes(
    player: Any, aws_environment: Callable[[str], None], clock: Any
) -> None:
    """Every page is taken, and asking again within five minutes costs nothing."""
    aws_environment(player.url)
    player.plays(_zone_page("Z1", following="Z2")).plays(_zone_page("Z2")).plays(_zone_page("Z3"))
    zones = Aws("eu-central-1", clock=clock).zones()
    assert [zone.id for zone in zones.list()] == ["Z1", "Z2"]
    clock.pass_(minutes=4, seconds=59)
    assert [zone.id for zone in zones.list()] == ["Z1", "Z2"]
    clock.pass_(seconds=1)
    assert [zone.id for zone in zones.list()] == ["Z3"]
    assert len(player.asked) == 3


def test_a_missing_zone_ends_the_cache(player: Any, aws_environment: Callable[[str], None], clock: Any) -> None:
    """Who met a zone that is gone must not be sent to it again for five minutes."""
    aws_environment(player.url)
    gone = XML.format("ErrorResponse", "<Error><Code>NoSuchHostedZone</Code><Message>none</Message></Error>")
    player.plays(_zone_page("Z1")).plays(gone, status=404).plays(_zone_page("Z2"))
    zones = Aws("eu-central-1", clock=clock).zones()
    zones.list()
    with pytest.raises(Refused):
        zones.change("Z1", [RecordChange("CREATE", CNAME)], "test")
    assert [zone.id for zone in zones.list()] == ["Z2"]


def _record_page(*names: str, following: str = "") -> str:
    sets = "".join(
        f"<ResourceRecordSet><Name>{name}</Name><Type>A</Type><SetIdentifier>{number}</SetIdentifier><TTL>60</TTL>"
        "<ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>"
        "</ResourceRecordSet>"
        for number, name in enumerate(names)
    )
    more = f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>"
    if following:
        more += f"<NextRecordName>{following}</NextRecordName><NextRecordType>A</NextRecordType>"
        more += "<NextRecordIdentifier>7</NextRecordIdentifier>"
    body = f"<ResourceRecordSets>{sets}</ResourceRecordSets>{more}<MaxItems>50</MaxItems>"
    return XML.format("ListResourceRecordSetsResponse", body)


def test_records_are_paged_only_while_the_name_holds(player: Any, aws_environment: Callable[[str], None]) -> None:
    """A zone of thousands is not read to its end for one name; `\\052` is the wildcard that was asked for."""
    aws_environment(player.url)
    star = "\\052.example.com."
    player.plays(_record_page(star, following=star)).plays(_record_page(star, "a.example.com.", following="b."))
    found = _zones().records("Z1", "*.example.com")
    assert [(record.name, record.set_identifier) for record in found] == [("*.example.com", "0")] * 2
    assert [asked.query.get("name") for asked in player.asked] == ["*.example.com", star]
    assert player.asked[1].query["identifier"] == "7"


@pytest.mark.parametrize(
    ("wire", "ours"),
    [
        ("App.Example.COM.", "app.example.com"),
        ("\\052.example.com.", "*.example.com"),
        ("a\\100b.example.com.", "a@b.example.com"),
        ("a\\056b.example.com.", "a\\056b.example.com"),
    ],
)
def test_names_on_the_wire(wire: str, ours: str) -> None:
    """Octal escapes are undone, but for a dot inside a label; what is undone can be written again."""
    assert decoded(wire) == ours
    assert decoded(encoded(ours)) == ours


def test_names_are_compared_by_labels() -> None:
    """ "badexample.com" does not lie in "example.com", and an escaped dot parts nothing."""
    assert labels("badexample.com")[-2:] != labels("example.com")
    assert labels("a\\056b.example.com") != labels("a.b.example.com")
    assert labels("\\052.example.com.") == labels("*.EXAMPLE.com")
