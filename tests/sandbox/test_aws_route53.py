"""Route 53 of the stand-in, through boto3."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.delays import Delays
from tests.sandbox.account import Account, account, code

pytestmark = pytest.mark.sandbox


@pytest.fixture
def aws() -> Iterator[Account]:
    """An account where a change is in sync after 5 s."""
    with account(replace(Delays().scaled(0), change_insync=5.0)) as opened:
        yield opened


def public_zone(aws: Account, name: str = "example.com.") -> str:
    """The id of the seeded public zone."""
    zones = aws.route53.list_hosted_zones()["HostedZones"]
    return next(z["Id"] for z in zones if z["Name"] == name and not z["Config"]["PrivateZone"])


def change(aws: Account, *changes: tuple[str, dict[str, Any]], zone: str | None = None) -> Any:
    """One change batch."""
    batch: Any = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    return aws.route53.change_resource_record_sets(HostedZoneId=zone or public_zone(aws), ChangeBatch=batch)[
        "ChangeInfo"
    ]


def record(name: str, record_type: str = "A", *values: str) -> dict[str, Any]:
    """A plain record set."""
    records = [{"Value": value} for value in values or ("192.0.2.1",)]
    return {"Name": name, "Type": record_type, "TTL": 60, "ResourceRecords": records}


def listed(aws: Account, **kwargs: Any) -> list[tuple[str, str]]:
    """Names and types of the zone's records, from a start on."""
    found = aws.route53.list_resource_record_sets(HostedZoneId=public_zone(aws), **kwargs)["ResourceRecordSets"]
    return [(r["Name"], r["Type"]) for r in found]


def served(aws: Account) -> set[str]:
    """The owner names that the zone's name servers know."""
    return set(next(z.records for z in aws.stand_in.public_zones() if z.name == "example.com."))


def test_change_is_pending_until_it_is_served(aws: Account) -> None:
    """The API lists the record at once; GetChange and the name servers follow together."""
    info = change(aws, ("CREATE", record("*.App.example.com")))
    assert info["Status"] == "PENDING"
    assert ("\\052.app.example.com.", "A") in listed(aws)
    assert served(aws) == {"example.com."}
    aws.now += 4.9
    assert aws.route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "PENDING"
    aws.now += 0.1
    assert aws.route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    assert served(aws) == {"example.com.", "*.app.example.com."}


def test_changes_are_served_in_their_order(aws: Account) -> None:
    """Create, replace, delete: each is seen when its own time has come, and the view stays the same object between."""
    change(aws, ("CREATE", record("a.example.com")))
    aws.now += 3
    change(aws, ("DELETE", record("a.example.com")), ("CREATE", record("a.example.com", "TXT", '"x"')))
    aws.now += 2
    before = aws.stand_in.public_zones()
    assert set(before[0].records["a.example.com."]) == {"A"}
    assert aws.stand_in.public_zones()[0] is before[0]
    aws.now += 3
    assert set(aws.stand_in.public_zones()[0].records["a.example.com."]) == {"TXT"}
    change(aws, ("DELETE", record("a.example.com", "TXT", '"x"')))
    aws.now += 5
    assert served(aws) == {"example.com."}


def test_batch_is_all_or_nothing(aws: Account) -> None:
    """One bad change leaves the good one undone, and boto3 has every message by itself."""
    change(aws, ("CREATE", record("taken.example.com")))
    with pytest.raises(ClientError) as refused:
        change(
            aws,
            ("CREATE", record("new.example.com")),
            ("CREATE", record("taken.example.com")),
            ("DELETE", record("no.example.com")),
        )
    assert code(refused.value) == "InvalidChangeBatch"
    exists = "Tried to create resource record set [name='taken.example.com.', type='A'] but it already exists"
    missing = "Tried to delete resource record set [name='no.example.com.', type='A'] but it was not found"
    assert refused.value.response["Error"]["Message"] == f"[{exists}, {missing}]"
    assert dict(refused.value.response)["messages"] == [exists, missing]
    assert ("new.example.com.", "A") not in listed(aws)


def test_what_does_not_exist(aws: Account) -> None:
    """An unknown change or zone has its own code."""
    with pytest.raises(ClientError) as refused:
        aws.route53.get_change(Id="/change/C000")
    assert code(refused.value) == "NoSuchChange"
    with pytest.raises(ClientError) as refused:
        change(aws, ("CREATE", record("a.example.com")), zone="Z000")
    assert code(refused.value) == "NoSuchHostedZone"


def test_record_sets_are_listed_from_a_start_in_pages(aws: Account) -> None:
    """By reversed labels, then type; the next start is given; a start by name alone finds all its types."""
    change(
        aws,
        ("CREATE", record("b.example.com")),
        ("CREATE", record("b.example.com", "TXT", '"x"')),
        ("CREATE", record("x.a.example.com")),
    )
    assert listed(aws) == [
        ("example.com.", "NS"), ("example.com.", "SOA"), ("x.a.example.com.", "A"), ("b.example.com.", "A"),
        ("b.example.com.", "TXT"),
    ]  # fmt: skip
    assert listed(aws, StartRecordName="B.example.com", MaxItems="1") == [("b.example.com.", "A")]
    assert listed(aws, StartRecordName="b.example.com", StartRecordType="TXT") == [("b.example.com.", "TXT")]
    page = aws.route53.list_resource_record_sets(HostedZoneId=public_zone(aws), MaxItems="3")
    assert (page["IsTruncated"], page["NextRecordName"], page["NextRecordType"]) == (True, "b.example.com.", "A")
    pages = aws.route53.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=public_zone(aws), PaginationConfig={"PageSize": 2}
    )
    assert [r["Type"] for p in pages for r in p["ResourceRecordSets"]] == ["NS", "SOA", "A", "A", "TXT"]


def test_every_zone_has_name_servers_of_its_own(aws: Account) -> None:
    """So that it can be told whether the delegation leads to this zone."""
    ids = [z["Id"] for z in aws.route53.list_hosted_zones()["HostedZones"] if not z["Config"]["PrivateZone"]]
    sets = [aws.route53.get_hosted_zone(Id=id_)["DelegationSet"]["NameServers"] for id_ in ids]
    assert len(sets) == 2
    assert not set(sets[0]) & set(sets[1])
    apex = aws.route53.list_resource_record_sets(HostedZoneId=ids[0])["ResourceRecordSets"][0]
    assert [r["Value"] for r in apex["ResourceRecords"]] == [f"{server}." for server in sets[0]]


def test_private_zone_is_listed_but_not_served(aws: Account) -> None:
    """It comes first under the same name, has a VPC and no delegation set (F2)."""
    first = aws.route53.list_hosted_zones()["HostedZones"][0]
    assert (first["Name"], first["Config"]["PrivateZone"]) == ("example.com.", True)
    zone = aws.route53.get_hosted_zone(Id=first["Id"])
    assert "DelegationSet" not in dict(zone)
    assert len(zone["VPCs"]) == 1
    assert first["Id"] not in {f"/hostedzone/{z.zone_id}" for z in aws.stand_in.public_zones()}


def test_zones_are_listed_in_pages(aws: Account) -> None:
    """With marker and next marker, which the paginator follows."""
    for number in range(4):
        aws.route53.create_hosted_zone(Name=f"z{number}.example.net", CallerReference=str(number))
    page = aws.route53.list_hosted_zones(MaxItems="3")
    assert (page["IsTruncated"], page["MaxItems"], len(page["HostedZones"])) == (True, "3", 3)
    pages = list(aws.route53.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 3}))
    names = [z["Name"] for p in pages for z in p["HostedZones"]]
    assert len(pages) == 3
    assert names[3:] == [f"z{number}.example.net." for number in range(4)]


def test_zones_by_name_start_there(aws: Account) -> None:
    """In order of reversed labels: an exact match comes first, but the list goes on."""
    aws.route53.create_hosted_zone(Name="dev.example.com", CallerReference="1")
    found = aws.route53.list_hosted_zones_by_name(DNSName="example.com")
    assert [z["Name"] for z in found["HostedZones"]] == [
        "example.com.", "example.com.", "dev.example.com.", "internal-only.example.net.",
    ]  # fmt: skip
    page = aws.route53.list_hosted_zones_by_name(DNSName="a.example.com", MaxItems="1")
    assert [z["Name"] for z in page["HostedZones"]] == ["dev.example.com."]
    assert (page["IsTruncated"], page["NextDNSName"]) == (True, "internal-only.example.net.")


def test_zone_life(aws: Account) -> None:
    """A caller reference serves once; a zone with records cannot be deleted, an empty one can."""
    made = aws.route53.create_hosted_zone(Name="example.dev", CallerReference="once")
    assert made["ChangeInfo"]["Status"] == "PENDING"
    zone = made["HostedZone"]["Id"]
    with pytest.raises(ClientError) as refused:
        aws.route53.create_hosted_zone(Name="example.dev", CallerReference="once")
    assert code(refused.value) == "HostedZoneAlreadyExists"
    change(aws, ("CREATE", record("a.example.dev")), zone=zone)
    with pytest.raises(ClientError) as refused:
        aws.route53.delete_hosted_zone(Id=zone)
    assert code(refused.value) == "HostedZoneNotEmpty"
    change(aws, ("DELETE", record("a.example.dev")), zone=zone)
    aws.route53.delete_hosted_zone(Id=zone)
    with pytest.raises(ClientError) as refused:
        aws.route53.get_hosted_zone(Id=zone)
    assert code(refused.value) == "NoSuchHostedZone"


def test_batch_size_counts_an_upsert_twice(aws: Account) -> None:
    """501 upserts are too many where 501 creations are not."""
    names = [f"h{number}.example.com" for number in range(501)]
    with pytest.raises(ClientError) as refused:
        change(aws, *(("UPSERT", record(name)) for name in names))
    assert code(refused.value) == "InvalidChangeBatch"
    change(aws, *(("CREATE", record(name)) for name in names))
    assert len(listed(aws, MaxItems="1000")) == 300
