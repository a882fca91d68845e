"""What Route 53 allows in a change batch, as a table: the rules are pure."""

import pytest

from sandbox.aws.changes import Batch, InvalidInputError, canonical, parse, sort_key, unparse
from sandbox.aws.model import AliasTarget, RecordSet

ZONE = "example.com."
APEX = (
    RecordSet(ZONE, "SOA", 900, ("ns-1. host. 1 7200 900 1209600 86400",)),
    RecordSet(ZONE, "NS", 172_800, ("ns-1.awsdns-00.com.",)),
)
WWW = RecordSet("www.example.com.", "A", 60, ("192.0.2.1", "192.0.2.2"))
SHOP = RecordSet("shop.example.com.", "CNAME", 60, ("shop.example.org",))
NLB = AliasTarget("ZNLB", "web.elb.eu-central-1.amazonaws.com.", False)


def batch(*changes: tuple[str, RecordSet]) -> Batch:
    """These changes, applied to a zone with an A record at www and a CNAME at shop."""
    records = {(r.name, r.type, r.set_identifier): r for r in (*APEX, WWW, SHOP)}
    applied = Batch(ZONE, "ZZONE", records, lambda target: None if target == NLB else "but that target was not found")
    applied.apply(changes)
    return applied


def record(name: str, record_type: str, *values: str) -> RecordSet:
    """A plain record set."""
    return RecordSet(name, record_type, 60, values)


@pytest.mark.parametrize(
    "changes",
    [
        [("CREATE", record("new.example.com.", "A", "192.0.2.9"))],
        [("CREATE", record("www.example.com.", "TXT", '"beside the A"'))],
        [("UPSERT", record("www.example.com.", "A", "192.0.2.9"))],
        [("DELETE", RecordSet("www.example.com.", "A", 60, ("192.0.2.2", "192.0.2.1")))],  # order does not count
        [("DELETE", SHOP), ("CREATE", record("shop.example.com.", "A", "192.0.2.9"))],  # a change of type
        [("CREATE", RecordSet("app.example.com.", "A", alias=NLB))],
        [("CREATE", RecordSet(ZONE, "A", alias=NLB))],
        [("CREATE", RecordSet("app.example.com.", "A", alias=AliasTarget("ZZONE", "www.example.com.", False)))],
        [("CREATE", record("app.example.com.", "TXT", '"a" "b"', '"with \\" quote"'))],
        [("CREATE", record("\\052.example.com.", "CNAME", "shop.example.org"))],
    ],
)
def test_allowed(changes: list[tuple[str, RecordSet]]) -> None:
    """No message, and the change is there."""
    applied = batch(*changes)
    assert applied.messages == []
    for action, changed in changes:
        key = (changed.name, changed.type, None)
        assert (applied.records.get(key) == changed) == (action != "DELETE")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [("CREATE", WWW)],
            "Tried to create resource record set [name='www.example.com.', type='A'] but it already exists",
        ),
        (
            [("DELETE", record("x.example.com.", "A", "192.0.2.1"))],
            "Tried to delete resource record set [name='x.example.com.', type='A'] but it was not found",
        ),
        (
            [("DELETE", record("www.example.com.", "A", "192.0.2.1"))],
            "Tried to delete resource record set [name='www.example.com.', type='A'] "
            "but the values provided do not match the current values",
        ),
        (
            [("DELETE", RecordSet(WWW.name, "A", 61, WWW.values))],
            "Tried to delete resource record set [name='www.example.com.', type='A'] "
            "but the values provided do not match the current values",
        ),
        (
            [("CREATE", record("www.example.com.", "CNAME", "x.example.org"))],
            "RRSet of type CNAME with DNS name www.example.com. is not permitted as it conflicts with other records "
            "with the same DNS name in zone example.com.",
        ),
        (
            [("UPSERT", record("shop.example.com.", "TXT", '"x"'))],
            "RRSet of type TXT with DNS name shop.example.com. is not permitted because a conflicting RRSet "
            "of type CNAME with the same DNS name already exists in zone example.com.",
        ),
        (
            [("CREATE", record("shop.example.com.", "A", "192.0.2.9")), ("DELETE", SHOP)],  # the order counts
            "RRSet of type A with DNS name shop.example.com. is not permitted because a conflicting RRSet "
            "of type CNAME with the same DNS name already exists in zone example.com.",
        ),
        (
            [("CREATE", record(ZONE, "CNAME", "x.example.org"))],
            "RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com.",
        ),
        (
            [("CREATE", record("badexample.com.", "A", "192.0.2.1"))],
            "RRSet with DNS name badexample.com. is not permitted in zone example.com.",
        ),
        (
            [("CREATE", record("a.example.com.", "A", "web"))],
            "Invalid Resource Record: FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) "
            "encountered with 'web'",
        ),
        (
            [("CREATE", record("a.example.com.", "AAAA", "192.0.2.1"))],
            "Invalid Resource Record: FATAL problem: AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address) "
            "encountered with '192.0.2.1'",
        ),
        (
            [("CREATE", record("a.example.com.", "TXT", "bare"))],
            "Invalid Resource Record: FATAL problem: InvalidCharacterString (Value should be enclosed in quotation "
            "marks) encountered with 'bare'",
        ),
        (
            [("CREATE", record("a.example.com.", "A", "192.0.2.1", "192.0.2.1"))],
            "Duplicate Resource Record: '192.0.2.1'",
        ),
        (
            [("CREATE", RecordSet("a.example.com.", "A", alias=AliasTarget("ZX", "gone.example.net.", False)))],
            "Tried to create an alias that targets gone.example.net., type A in zone ZX, but that target was not found",
        ),
        (
            [("CREATE", RecordSet("a.example.com.", "A", alias=AliasTarget("ZZONE", "x.example.com.", False)))],
            "Tried to create an alias that targets x.example.com., type A in zone ZZONE, but that target was not found",
        ),
        (
            [("CREATE", record("t.example.com.", "A", value)) for value in ("192.0.2.1", "192.0.2.2")],
            "The request contains an invalid set of changes for a resource record set 'A t.example.com.'",
        ),
        ([("DELETE", APEX[0])], "A HostedZone must contain exactly one SOA record."),
        ([("DELETE", APEX[1])], "A HostedZone must contain at least one NS record for the zone itself."),
    ],
)  # fmt: skip
def test_refused(changes: list[tuple[str, RecordSet]], message: str) -> None:
    """In Route 53's words."""
    assert batch(*changes).messages == [message]


def test_every_fault_has_its_message() -> None:
    """One poisoned change does not hide another."""
    faults = batch(("CREATE", WWW), ("CREATE", record("c.example.com.", "A", "192.0.2.1")), ("CREATE", SHOP)).messages
    assert [fault.split("name='")[1].split("'")[0] for fault in faults] == ["www.example.com.", "shop.example.com."]


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ("WWW.Example.com", "www.example.com."),
        ("*.example.com.", "\\052.example.com."),
        ("\\052.example.com.", "\\052.example.com."),
        ("_x.example.com", "_x.example.com."),
        ("a@example.com", "a\\100example.com."),
    ],
)
def test_names_as_route53_lists_them(given: str, listed: str) -> None:
    """Lower-case, with a trailing dot, unusual characters escaped in octal."""
    assert canonical(given) == listed


def test_order_is_by_reversed_labels() -> None:
    """A zone sorts before its children, and a wildcard before letters."""
    names = ["z.example.com.", "example.com.", "a.z.example.com.", "\\052.example.com.", "b.example.com."]
    ordered = sorted((record(name, "A", "192.0.2.1") for name in names), key=sort_key)
    assert [r.name for r in ordered] == [
        "example.com.", "\\052.example.com.", "b.example.com.", "z.example.com.", "a.z.example.com.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wire",
    [
        {"Name": "a.example.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]},
        {
            "Name": "a.example.com",
            "Type": "A",
            "AliasTarget": {"HostedZoneId": "Z", "DNSName": "x.", "EvaluateTargetHealth": True},
        },
    ],
)
def test_wire_form_survives(wire: dict[str, object]) -> None:
    """What was sent is what is listed, but for the name's trailing dot."""
    assert unparse(parse(wire)) == {**wire, "Name": "a.example.com."}


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"TTL": 60},
        {"ResourceRecords": [{"Value": "192.0.2.1"}]},
        {"TTL": 60, "AliasTarget": {"HostedZoneId": "Z", "DNSName": "x.", "EvaluateTargetHealth": False}},
    ],
)
def test_values_or_alias_but_not_both(extra: dict[str, object]) -> None:
    """Otherwise it is no valid input."""
    with pytest.raises(InvalidInputError, match="Expected exactly one of"):
        parse({"Name": "a.example.com", "Type": "A", **extra})
