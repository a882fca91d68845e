"""Which certificate serves a name, and why ACM gives up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.certificates import FAILURES, covers, gave_up, usable
from services.ports import Certificate, CertificateSummary
from tests.unit.values import HOST, SPEC, a_summary
from tests.unit.worlds_gate import NOON


@pytest.mark.parametrize(
    ("name", "hostname", "covered"),
    [
        pytest.param("app.example.com", "app.example.com", True, id="itself"),
        pytest.param("*.example.com", "app.example.com", True, id="a wildcard stands for one label"),
        pytest.param("*.example.com", "a.b.example.com", False, id="not for two"),
        pytest.param("*.example.com", "example.com", False, id="not for none"),
        pytest.param("*.example.com", "appexample.com", False, id="not for a part of one"),
        pytest.param("example.com", "app.example.com", False, id="a name is not what is below it"),
        pytest.param("other.example.com", "app.example.com", False, id="another name"),
    ],
)
def test_what_a_name_covers(name: str, hostname: str, covered: bool) -> None:
    """As clients check it."""
    assert covers(name, hostname) is covered


@pytest.mark.parametrize(
    ("summary", "fits"),
    [
        pytest.param(a_summary(), True, id="issued for the name"),
        pytest.param(a_summary(domain="example.com", names=("example.com", HOST)), True, id="as a further name"),
        pytest.param(a_summary(domain="*.example.com"), True, id="a wildcard"),
        pytest.param(a_summary(domain="*.com"), False, id="a wildcard a level too high"),
        pytest.param(a_summary(status="PENDING_VALIDATION"), False, id="not issued yet"),
        pytest.param(a_summary(status="EXPIRED"), False, id="expired"),
        pytest.param(a_summary(type="PRIVATE"), False, id="of a private CA"),
        pytest.param(a_summary(type="IMPORTED"), True, id="imported"),
        pytest.param(a_summary(key_algorithm="RSA_4096"), False, id="a key that no NLB takes"),
        pytest.param(a_summary(key_algorithm="EC_prime256v1"), True, id="an elliptic key"),
        pytest.param(a_summary(key_algorithm="EC_secp521r1"), True, id="a longer elliptic key"),
        pytest.param(a_summary(not_after=None), False, id="without an end"),
        pytest.param(a_summary(not_after=NOON + timedelta(days=6)), False, id="nearly expired"),
        pytest.param(a_summary(not_after=NOON + timedelta(days=8)), True, id="a week left"),
    ],
)
def test_what_can_be_reused(summary: CertificateSummary, fits: bool) -> None:
    """Issued, trusted by the public, for an NLB, for the name, for long enough."""
    assert (usable([summary], SPEC, NOON) is summary) is fits


def test_the_best_of_several() -> None:
    """The one in use, then ACM's own before imported ones, then the longest."""
    imported = a_summary("arn:imported", type="IMPORTED", not_after=NOON + timedelta(days=800))
    short, long = a_summary("arn:short", not_after=NOON + timedelta(days=30)), a_summary("arn:long")
    every = [imported, short, long]
    assert usable(every, SPEC, NOON) is long
    assert usable(every, SPEC, NOON, preferred="arn:short") is short
    assert usable([imported], SPEC, NOON) is imported


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [("", True), ("EC_prime256v1", True), ("RSA_2048", False), ("EC_secp384r1", False)],
    ids=["any key", "its key", "RSA", "a longer one"],
)
def test_a_key_that_was_asked_for_counts(wanted: str, fits: bool) -> None:
    """Whoever asks for a key type gets a certificate with it, an existing one or a new one."""
    summary = a_summary(key_algorithm="EC_prime256v1")
    assert (usable([summary], replace(SPEC, key_algorithm=wanted), NOON) is summary) is fits


def a_failed(status: str, reason: str = "") -> Certificate:
    return Certificate("arn:1", HOST, (HOST,), status, reason, "RSA_2048", NOON, None, "", ())


@pytest.mark.parametrize(
    ("status", "reason", "said", "todo"),
    [
        pytest.param("VALIDATION_TIMED_OUT", "", "72 hours", "same record stays valid", id="F4"),
        pytest.param("FAILED", "CAA_ERROR", "CAA record", 'issue "amazon.com"', id="F3"),
        pytest.param("FAILED", "", "status FAILED, reason not given", "Mend the cause", id="without a reason"),
        pytest.param("REVOKED", "OTHER", "reason OTHER", "Mend the cause", id="an unknown reason"),
    ],
)
def test_why_acm_gave_up(status: str, reason: str, said: str, todo: str) -> None:
    """What happened and what to do next."""
    stop = gave_up(a_failed(status, reason))
    assert said in stop.reason
    assert todo in stop.hint


@pytest.mark.parametrize("reason", FAILURES)
def test_every_known_reason_has_words(reason: str) -> None:
    """No code reaches people where words are known."""
    assert reason not in gave_up(a_failed("FAILED", reason)).reason
