"""DNS held elsewhere: what people are told to enter, and what is said of the things that providers make of it."""

import pytest

from services.external_dns import (
    ExternalLook,
    application_instructions,
    describe_finding,
    questions,
    validation_instructions,
)
from services.model import Instructions
from services.ports import DnsAnswer, Found

HOST, ZONE = "app.example.org", "example.org"
NS, NS2 = "ns1.elsewhere.test", "ns2.elsewhere.test"
NAME, VALUE = "_x.app.example.org", "_y.acm-validations.aws"
NLB, NLB_ADDRESSES = "k8s-demo.elb.eu-central-1.amazonaws.com", ("203.0.113.7", "203.0.113.8")

VALIDATION = validation_instructions(HOST, NAME, VALUE, ZONE)
APPLICATION = application_instructions(HOST, NLB, ZONE, dual_stack=False)
APEX = application_instructions(ZONE, NLB, ZONE, dual_stack=True)

NO_NAME = DnsAnswer(Found.NO_NAME, asked=NS)
NO_DATA = DnsAnswer(Found.NO_DATA, asked=NS)

Answers = dict[tuple[str, str], DnsAnswer]


def records(*values: str, asked: str = NS) -> DnsAnswer:
    return DnsAnswer(Found.RECORDS, values, asked)


def look(instructions: Instructions, found: Answers, *, addresses: tuple[str, ...] = ()) -> ExternalLook:
    """A look in which everything that is not `found` does not exist."""
    answers: Answers = dict.fromkeys(questions(instructions), NO_NAME) | found
    return ExternalLook(answers, addresses, NLB_ADDRESSES)


# ---- instructions


def test_validation_instructions_hold_everything_to_type() -> None:
    """Name absolute and relative, value, type, zone, and the traps of F5."""
    assert (VALIDATION.purpose, VALIDATION.type, VALIDATION.zone) == ("validation", "CNAME", ZONE)
    assert (VALIDATION.name, VALIDATION.relative_name, VALIDATION.value) == (NAME, "_x.app", VALUE)
    traps = " ".join(VALIDATION.traps)
    for words in ("enter only _x.app", "leading underscore", "dot", "quotes", "Cloudflare", "not TXT", "renewal"):
        assert words in traps


def test_application_instructions_are_a_cname_below_the_apex() -> None:
    """To the load balancer's own name; other records there must go first."""
    assert (APPLICATION.purpose, APPLICATION.type, APPLICATION.relative_name) == ("application", "CNAME", "app")
    assert APPLICATION.value == NLB
    assert "cannot stand beside" in " ".join(APPLICATION.traps)


def test_at_the_apex_an_alias_is_asked_for() -> None:
    """F8: a CNAME is illegal there; dual-stack is said, as an alias has a type in some providers."""
    assert (APEX.type, APEX.relative_name) == ("ALIAS/ANAME", "@")
    traps = " ".join(APEX.traps)
    assert "CNAME is illegal there" in traps
    assert "A and AAAA" in traps
    assert "not TXT" not in traps


@pytest.mark.parametrize(
    ("zone", "relative"),
    [("example.org", "_x.app"), ("app.example.org", "_x"), ("", "_x.app"), ("org", "_x.app"), ("else.test", "_x.app")],
)
def test_a_zone_that_cannot_be_the_owners_is_replaced(zone: str, relative: str) -> None:
    """Unknown, the public suffix (for an unregistered name) or a foreign one: the registrable domain is the guess."""
    assert validation_instructions(HOST, NAME, VALUE, zone).relative_name == relative


# ---- questions


def test_the_questions_cover_the_usual_mistakes() -> None:
    """The name with other types, the zone doubled, and for validation the name without its underscore."""
    doubled = ("_x.app.example.org.example.org", "CNAME")
    bare = ("x.app.example.org", "CNAME")
    assert questions(VALIDATION) == [*((NAME, t) for t in ("CNAME", "A", "AAAA", "TXT")), doubled, bare]
    assert ("app.example.org.example.org", "CNAME") in questions(APPLICATION)
    assert len(questions(APPLICATION)) == 5


def test_a_name_that_cannot_exist_is_not_asked_for() -> None:
    """Doubling the zone may make it too long for DNS."""
    zone = ".".join(["a" * 50] * 3) + ".example.org"
    instructions = validation_instructions(f"app.{zone}", f"_x.app.{zone}", VALUE, zone)
    assert all(len(name) <= 253 for name, _ in questions(instructions))
    assert len(questions(instructions)) == 5


# ---- findings

DOUBLED = (f"{NAME}.{ZONE}", "CNAME")
BARE = ("x.app.example.org", "CNAME")


@pytest.mark.parametrize(
    ("found", "ok", "sentence"),
    [
        ({(NAME, "CNAME"): records(VALUE)}, True, f"Right record found at {NS}."),
        ({(NAME, "CNAME"): records("y.acm-validations.aws")}, True, f"Right record found at {NS}."),
        ({}, False, f"{NS} knows no such name yet."),
        ({(NAME, "CNAME"): NO_DATA}, False, f"{NS} knows the name {NAME}, but no CNAME record there yet."),
        (
            {(NAME, "CNAME"): records(f"{VALUE}.{ZONE}")},
            False,
            "Found, but the value ends with .example.org: your provider appended the zone; end the value with a dot.",
        ),
        (
            {(NAME, "CNAME"): records(f'"{VALUE}."')},
            False,
            "Found, but the value has quotes in it; enter it without.",
        ),
        (
            {(NAME, "CNAME"): records("other.test")},
            False,
            f"Found at {NS}, but it points to other.test instead of {VALUE}.",
        ),
        (
            {(NAME, "CNAME"): records(VALUE, "old.test", asked=f"{NS} and {NS2}")},
            False,
            f"{NS} and {NS2} do not agree yet: some still answer old.test.",
        ),
        (
            {DOUBLED: records(VALUE)},
            False,
            "Found at _x.app.example.org.example.org: your provider appended the zone; enter only _x.app as the name.",
        ),
        (
            {DOUBLED: records(f"{VALUE}.{ZONE}")},
            False,
            "Found at _x.app.example.org.example.org: your provider appended the zone; enter only _x.app as the name.",
        ),
        ({DOUBLED: records("wildcard.test")}, False, f"{NS} knows no such name yet."),
        (
            {BARE: records(VALUE)},
            False,
            "Found at x.app.example.org: the leading underscore is missing; the name is _x.app.",
        ),
        (
            {(NAME, "CNAME"): NO_DATA, (NAME, "A"): records("198.51.100.1")},
            False,
            "There is an A record instead of a CNAME (198.51.100.1): turn the proxy off, or replace the record.",
        ),
        (
            {(NAME, "CNAME"): NO_DATA, (NAME, "AAAA"): records("2001:db8::1")},
            False,
            "There is an AAAA record instead of a CNAME (2001:db8::1): turn the proxy off, or replace the record.",
        ),
        (
            {(NAME, "CNAME"): NO_DATA, (NAME, "TXT"): records(VALUE)},
            False,
            f"Found as TXT at {NS}; the type must be CNAME.",
        ),
        (
            {(NAME, "CNAME"): records("wildcard.test"), DOUBLED: records(VALUE)},
            False,
            "Found at _x.app.example.org.example.org: your provider appended the zone; enter only _x.app as the name.",
        ),
        (
            {(NAME, "CNAME"): records(VALUE, asked="resolver 10.0.0.2")},
            True,
            "Right record found at resolver 10.0.0.2.",
        ),
    ],
)
def test_what_is_said_of_a_validation_record(found: Answers, ok: bool, sentence: str) -> None:
    """F5: each mistake that providers make of it has its own sentence, and wildcard records are no evidence."""
    assert describe_finding(VALIDATION, look(VALIDATION, found)) == (ok, sentence)


def test_silence_says_nothing_about_the_record() -> None:
    """Unknown is not "missing"."""
    for instructions in (VALIDATION, APPLICATION, APEX):
        assert describe_finding(instructions, ExternalLook()) == (
            False,
            "No name server answered; this says nothing about the record.",
        )


@pytest.mark.parametrize(
    ("found", "addresses", "ok", "sentence"),
    [
        ({(HOST, "CNAME"): records(NLB)}, NLB_ADDRESSES, True, f"Right record found at {NS}."),
        (
            {(HOST, "CNAME"): records(NLB)},
            ("198.51.100.1",),
            True,
            f"Right record found at {NS}. Resolvers may go on with what they had cached for some minutes.",
        ),
        (
            {(HOST, "CNAME"): records("edge.example.org")},
            NLB_ADDRESSES[:1],
            True,
            f"{NS} answers edge.example.org, which leads to the load balancer's addresses.",
        ),
        (
            {(HOST, "CNAME"): records("edge.example.org")},
            ("198.51.100.1",),
            False,
            f"Found at {NS}, but it points to edge.example.org instead of {NLB}.",
        ),
        (
            {(HOST, "CNAME"): NO_DATA, (HOST, "A"): records(*NLB_ADDRESSES)},
            NLB_ADDRESSES,
            True,
            f"Right: {NS} answers with the load balancer's addresses.",
        ),
        (
            {(HOST, "CNAME"): NO_DATA, (HOST, "A"): records("198.51.100.1")},
            ("198.51.100.1",),
            False,
            "There is an A record instead of a CNAME (198.51.100.1): turn the proxy off, or replace the record.",
        ),
        (
            {(HOST, "CNAME"): NO_DATA, (HOST, "TXT"): records("v=spf1 -all")},
            (),
            False,
            f"There is a TXT record at {HOST}, and no CNAME; a CNAME cannot stand beside it.",
        ),
        (
            {(f"{HOST}.{ZONE}", "CNAME"): records(NLB)},
            (),
            False,
            f"Found at {HOST}.{ZONE}: your provider appended the zone; enter only app as the name.",
        ),
        ({}, (), False, f"{NS} knows no such name yet."),
    ],
)
def test_what_is_said_of_an_application_record(
    found: Answers, addresses: tuple[str, ...], ok: bool, sentence: str
) -> None:
    """What leads to the load balancer is right however it is made; a proxy or an old record is not."""
    assert describe_finding(APPLICATION, look(APPLICATION, found, addresses=addresses)) == (ok, sentence)


@pytest.mark.parametrize(
    ("found", "ok", "sentence"),
    [
        ({(ZONE, "A"): records(*NLB_ADDRESSES)}, True, f"Right: {NS} answers with the load balancer's addresses."),
        (
            {(ZONE, "A"): records("203.0.113.7", "198.51.100.1")},
            False,
            f"{NS} also answers 198.51.100.1: not an address of the load balancer.",
        ),
        (
            {(ZONE, "A"): records("198.51.100.1")},
            False,
            f"{NS} answers 198.51.100.1: not the load balancer's addresses. Point the ALIAS/ANAME to {NLB} and turn "
            "any proxy off.",
        ),
        (
            {(ZONE, "A"): NO_DATA, (ZONE, "TXT"): records("v=spf1 -all")},
            False,
            f"{NS} knows the name {ZONE}, but no ALIAS/ANAME record there yet.",
        ),
    ],
)
def test_what_is_said_at_an_apex(found: Answers, ok: bool, sentence: str) -> None:
    """An alias shows itself as addresses only; TXT records beside it are nobody's fault."""
    assert describe_finding(APEX, look(APEX, found)) == (ok, sentence)


def test_addresses_cannot_be_judged_before_the_load_balancer_has_some() -> None:
    """A new NLB's name does not resolve for minutes."""
    seen = ExternalLook({(ZONE, "A"): records("198.51.100.1")})
    ok, sentence = describe_finding(APEX, seen)
    assert not ok
    assert "does not resolve yet" in sentence
