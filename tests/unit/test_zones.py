"""Which hosted zone a record belongs into: the longest public one that the public is really sent to."""

from collections.abc import Mapping

import pytest

from services.ports import DnsAnswer, Found, HostedZone
from services.zones import candidate_zones, choose_zone, delegations_to_ask

HOST = "app.dev.example.com"
OURS = ("ns-1.awsdns.test", "ns-2.awsdns.test")
DEV = ("ns-3.awsdns.test", "ns-4.awsdns.test")
COPY = ("ns-5.awsdns.test", "ns-6.awsdns.test")

EXAMPLE = HostedZone("Z1", "example.com", private=False)
SUB = HostedZone("Z2", "dev.example.com", private=False)
TWIN = HostedZone("Z3", "example.com", private=False)
PRIVATE = HostedZone("Z4", "example.com", private=True)
FOREIGN = HostedZone("Z5", "badexample.com", private=False)
NAME_SERVERS = {"Z1": OURS, "Z2": DEV, "Z3": COPY, "Z5": OURS}


def sent_to(*servers: str) -> DnsAnswer:
    return DnsAnswer(Found.RECORDS, servers, "a.gtld.test")


NOBODY = DnsAnswer(Found.NO_DATA, asked="a.gtld.test")
NO_NAME = DnsAnswer(Found.NO_NAME, asked="a.gtld.test")
SILENCE = DnsAnswer(Found.UNKNOWN)


@pytest.mark.parametrize(
    ("zones", "delegations", "zone_id", "words"),
    [
        ([EXAMPLE], {"example.com": sent_to(*OURS)}, "Z1", "the longest public hosted zone"),
        ([EXAMPLE, SUB], {"example.com": sent_to(*OURS), "dev.example.com": sent_to(*DEV)}, "Z2", "2 public hosted"),
        ([EXAMPLE, SUB], {"example.com": sent_to(*OURS), "dev.example.com": NOBODY}, "Z1", "Z1) is the delegated one"),
        ([EXAMPLE, SUB], {"example.com": sent_to(*OURS), "dev.example.com": NO_NAME}, "Z1", "Z1) is the delegated one"),
        ([EXAMPLE, TWIN], {"example.com": sent_to(*COPY)}, "Z3", "Z3) is the delegated one"),
        ([TWIN, EXAMPLE], {"example.com": sent_to(*OURS, COPY[0])}, "Z1", "Z1) is the delegated one"),
        ([EXAMPLE], {"example.com": sent_to(OURS[0])}, "Z1", "the public is sent to"),
        ([PRIVATE, EXAMPLE], {"example.com": sent_to(*OURS)}, "Z1", "the longest public hosted zone"),
        ([], {}, "", "no public hosted zone holds it"),
        ([PRIVATE], {}, "", "no public hosted zone holds it"),
        ([FOREIGN], {"badexample.com": sent_to(*OURS)}, "", "no public hosted zone holds it"),
        ([EXAMPLE], {"example.com": NOBODY}, "", "none of the hosted zones that match is delegated"),
        ([EXAMPLE], {"example.com": sent_to("ns.gone.test")}, "", "example.com is delegated to ns.gone.test"),
        (
            [EXAMPLE, SUB],
            {"example.com": sent_to(*OURS), "dev.example.com": sent_to("ns.gone.test")},
            "",
            "dev.example.com is delegated to ns.gone.test",
        ),
        (
            [EXAMPLE],
            {"example.com": sent_to(*OURS), "dev.example.com": sent_to("ns.team.test")},
            "",
            "dev.example.com is delegated to ns.team.test",
        ),
        ([EXAMPLE], {"example.com": sent_to(*OURS), "dev.example.com": SILENCE}, "Z1", "the public is sent to"),
    ],
)
def test_the_choice(zones: list[HostedZone], delegations: Mapping[str, DnsAnswer], zone_id: str, words: str) -> None:
    """By delegation, not by existence: undelegated zones give way, a name sent elsewhere is held elsewhere."""
    choice = choose_zone(HOST, zones, NAME_SERVERS, delegations)
    assert (choice.zone.id if choice.zone else "") == zone_id
    assert words in choice.sentence
    assert choice.zone is not None or "is held elsewhere" in choice.sentence
    assert not choice.unknown


@pytest.mark.parametrize("delegations", [{"example.com": SILENCE}, {}])
def test_an_unseen_delegation_concludes_nothing(delegations: Mapping[str, DnsAnswer]) -> None:
    """Neither our zone nor "held elsewhere": both would be guesses."""
    choice = choose_zone(HOST, [EXAMPLE], NAME_SERVERS, delegations)
    assert (choice.zone, choice.unknown) == (None, True)
    assert "no name server answered" in choice.sentence


def test_an_unseen_delegation_of_the_longer_zone_does_not_choose_the_shorter_one() -> None:
    """The record would be invisible if the longer zone is delegated after all."""
    choice = choose_zone(
        HOST, [EXAMPLE, SUB], NAME_SERVERS, {"example.com": sent_to(*OURS), "dev.example.com": SILENCE}
    )
    assert (choice.zone, choice.unknown) == (None, True)


@pytest.mark.parametrize(
    ("zones", "answer", "findings"),
    [
        ([EXAMPLE], sent_to(*reversed(OURS)), []),
        ([PRIVATE, EXAMPLE], sent_to(*OURS), ["Hosted zone example.com (Z4) is private"]),
        ([EXAMPLE], sent_to(*OURS, "ns.gone.test"), ["The name servers of example.com (Z1) differ: the parent lists"]),
        ([EXAMPLE], sent_to(OURS[0]), ["The name servers of example.com (Z1) differ: the parent lists ns-1.awsdns"]),
        ([EXAMPLE, TWIN], sent_to(*OURS), ["Nobody asks hosted zone example.com (Z3): the public is sent to Z1"]),
        (
            [EXAMPLE],
            sent_to("ns.gone.test"),
            ["Nobody asks hosted zone example.com (Z1): the parent lists ns.gone.test. If it is meant to be used, set"],
        ),
        ([EXAMPLE], NOBODY, ["Nobody asks hosted zone example.com (Z1): the parent lists no name servers for it."]),
    ],
)
def test_what_is_worth_knowing_about_zones(zones: list[HostedZone], answer: DnsAnswer, findings: list[str]) -> None:
    """F1 and F2: differing, idle and private zones are named with what to do; an equal set in any order is silent."""
    choice = choose_zone(HOST, zones, NAME_SERVERS, {"example.com": answer})
    assert len(choice.findings) == len(findings)
    for finding, start in zip(choice.findings, findings, strict=True):
        assert finding.startswith(start)


def test_candidates_are_public_and_longest_first_by_labels() -> None:
    """By labels, not by characters of the name alone; private and foreign zones are none."""
    assert candidate_zones(HOST, [EXAMPLE, PRIVATE, FOREIGN, SUB, TWIN]) == [SUB, EXAMPLE, TWIN]


def test_names_between_host_and_zone_are_asked_too() -> None:
    """A part of our zone may be delegated away; without a zone nothing needs to be asked."""
    assert delegations_to_ask(HOST, [EXAMPLE]) == ["app.dev.example.com", "dev.example.com", "example.com"]
    assert delegations_to_ask("example.com", [EXAMPLE]) == ["example.com"]
    assert delegations_to_ask(HOST, [PRIVATE, FOREIGN]) == []
