"""The ACM adapter against the AWS stand-in, and against written answers for what the stand-in does not do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from services.adapters.acm import Acm
from services.adapters.aws import Aws
from services.errors import Permanent

pytestmark = pytest.mark.sandbox

MISSING = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
TAGS = {"nlbtls:installation": "test", "nlbtls:endpoint": "e1"}


def _acm() -> Acm:
    return Aws("eu-central-1").certificates()


def _requested(acm: Acm, name: str = "app.example.com", key: str = "RSA_2048") -> str:
    return acm.request(name, token=key, tags=TAGS, key_algorithm=key)


def test_a_certificate_from_request_to_leaf(aws_world: Any) -> None:
    """Requested, pending with its record, issued once public DNS has the record; then the leaf can be had."""
    acm = _acm()
    arn = _requested(acm)
    pending = acm.describe(arn)
    assert pending is not None
    assert (pending.status, pending.names, pending.not_after) == (
        "PENDING_VALIDATION",
        ("app.example.com",),
        None,
    )
    assert acm.leaf(arn) is None
    (validation,) = pending.validations
    assert validation.record_name.endswith(".app.example.com")
    assert validation.record_value.endswith(".acm-validations.aws")

    aws_world.public[validation.record_name + "."] = aws_world.public[validation.record_name] = validation.record_value
    issued = _until_issued(acm, arn)
    leaf = acm.leaf(arn)
    assert leaf is not None
    assert (leaf.serial, leaf.not_after) == (issued.serial, issued.not_after)
    assert len(leaf.sha256) == 64
    assert ":" not in leaf.serial


def _until_issued(acm: Acm, arn: str) -> Any:
    for _ in range(20):
        found = acm.describe(arn)
        if found and found.status == "ISSUED":
            return found
    raise AssertionError(found)


def test_tags_are_the_lasting_key(aws_world: Any) -> None:
    """What was requested carries our tags; the same token finds the same certificate."""
    acm = _acm()
    arn = _requested(acm)
    assert acm.tags(arn) == TAGS
    assert _requested(acm) == arn


def test_list_shows_every_key_type(aws_world: Any) -> None:
    """An ECDSA certificate is not hidden (F10), and key types are spelt in one way."""
    acm = _acm()
    rsa, ec = _requested(acm), _requested(acm, "ec.example.com", "EC_prime256v1")
    assert {row.arn: row.key_algorithm for row in acm.list()} == {rsa: "RSA_2048", ec: "EC_prime256v1"}


def test_what_is_not_there(aws_world: Any) -> None:
    """An unknown ARN is None or empty, never an error: a new certificate takes seconds to appear."""
    acm = _acm()
    assert acm.describe(MISSING) is None
    assert acm.leaf(MISSING) is None
    assert acm.tags(MISSING) == {}


def test_denied_request(aws_world: Any) -> None:
    """A role without the right is told which right."""
    aws_world.faults.switch("aws-deny-request-certificate", True)
    with pytest.raises(Permanent, match="acm:RequestCertificate"):
        _requested(_acm())


def test_list_takes_every_page(player: Any, aws_environment: Callable[[str], None]) -> None:
    """Pages are followed, names come in lower case with the first one first, times in UTC."""
    aws_environment(player.url)
    row = {
        "CertificateArn": "arn:1",
        "DomainName": "App.example.com",
        "SubjectAlternativeNameSummaries": ["b.example.com", "app.example.com"],
        "Status": "ISSUED",
        "Type": "IMPORTED",
        "KeyAlgorithm": "RSA-2048",
        "NotAfter": 1795395600.0,
        "InUse": True,
    }
    player.plays({"CertificateSummaryList": [row], "NextToken": "2"}).plays(
        {"CertificateSummaryList": [{"CertificateArn": "arn:2", "DomainName": "c.example.com"}]}
    )
    first, second = _acm().list()
    assert first.names == ("app.example.com", "b.example.com")
    assert (first.key_algorithm, first.in_use, first.type) == ("RSA_2048", True, "IMPORTED")
    assert first.not_after == datetime.fromtimestamp(1795395600, UTC)
    assert second.names == ("c.example.com",)
    assert player.asked[1].json["NextToken"] == "2"
    assert "EC_prime256v1" in player.asked[0].json["Includes"]["keyTypes"]


def test_record_may_be_late_and_serial_is_plain(player: Any, aws_environment: Callable[[str], None]) -> None:
    """For some seconds there is no ResourceRecord; a serial is in the one form that serials are compared in."""
    aws_environment(player.url)
    player.plays(
        {
            "Certificate": {
                "CertificateArn": "arn:1",
                "DomainName": "app.example.com",
                "Serial": "0A:1b:2C",
                "Status": "FAILED",
                "FailureReason": "CAA_ERROR",
                "DomainValidationOptions": [{"DomainName": "app.example.com", "ValidationStatus": "FAILED"}],
            }
        }
    )
    found = _acm().describe("arn:aws:acm:eu-central-1:123456789012:certificate/1")
    assert found is not None
    assert (found.serial, found.failure_reason) == ("a1b2c", "CAA_ERROR")
    assert found.validations[0].record_name == ""
