"""ACM of the stand-in, through boto3."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.x509.oid import NameOID

from sandbox.delays import Delays
from tests.sandbox.account import Account, account, arn_of, code

pytestmark = pytest.mark.sandbox

SLOW = replace(Delays().scaled(0), certificate_record=5.0, certificate_issue=10.0)
DAY = 86_400


@pytest.fixture
def aws() -> Iterator[Account]:
    """An account without delays."""
    with account() as opened:
        yield opened


@pytest.fixture
def slow() -> Iterator[Account]:
    """An account where records appear after 5 s and certificates are issued 10 s after their proof."""
    with account(SLOW) as opened:
        yield opened


def request(aws: Account, *names: str, **kwargs: Any) -> str:
    """Ask for a certificate with DNS validation."""
    kwargs = {"ValidationMethod": "DNS", **kwargs}
    return aws.acm.request_certificate(DomainName=names[0], SubjectAlternativeNames=list(names), **kwargs)[
        "CertificateArn"
    ]


def describe(aws: Account, arn: str) -> Any:
    """The certificate as ACM describes it."""
    return aws.acm.describe_certificate(CertificateArn=arn)["Certificate"]


def test_certificate_is_issued_when_dns_proves_every_name(slow: Account) -> None:
    """The record appears late; half of the names is not enough; the issue comes a while after the last proof."""
    arn = request(slow, "app.example.com", "www.example.com")
    assert all("ResourceRecord" not in option for option in describe(slow, arn)["DomainValidationOptions"])
    slow.now += 5
    records = [option["ResourceRecord"] for option in describe(slow, arn)["DomainValidationOptions"]]
    slow.names[records[0]["Name"]] = records[0]["Value"].upper().rstrip(".")  # case and the last dot do not count
    slow.now += 100
    options = describe(slow, arn)["DomainValidationOptions"]
    assert [option["ValidationStatus"] for option in options] == ["SUCCESS", "PENDING_VALIDATION"]
    slow.names[records[1]["Name"]] = records[1]["Value"]
    assert describe(slow, arn)["Status"] == "PENDING_VALIDATION"
    slow.now += 9
    pending = describe(slow, arn)
    assert pending["Status"] == "PENDING_VALIDATION"
    assert not {"NotBefore", "NotAfter", "Serial", "Issuer", "IssuedAt"} & set(pending)
    with pytest.raises(ClientError) as refused:
        slow.acm.get_certificate(CertificateArn=arn)
    assert code(refused.value) == "RequestInProgressException"
    slow.now += 1
    assert describe(slow, arn)["Status"] == "ISSUED"


def test_a_wrong_cname_proves_nothing(aws: Account) -> None:
    """The value counts, not that there is some CNAME."""
    arn = request(aws, "app.example.com")
    record = describe(aws, arn)["DomainValidationOptions"][0]["ResourceRecord"]
    aws.names[record["Name"]] = "_other." + record["Value"]
    assert describe(aws, arn)["Status"] == "PENDING_VALIDATION"


def test_acm_looks_at_dns_by_itself(slow: Account) -> None:
    """The issue counts from the record's appearance, not from the next call."""
    arn = request(slow, "app.example.com")
    slow.now += 5
    record = describe(slow, arn)["DomainValidationOptions"][0]["ResourceRecord"]
    slow.names[record["Name"]] = record["Value"]
    slow.asked.clear()
    deadline = time.monotonic() + 5
    while len(slow.asked) < 2 and time.monotonic() < deadline:  # the second look began after the first had ended
        time.sleep(0.02)
    slow.now += 10
    assert describe(slow, arn)["Status"] == "ISSUED"


def test_leaf_is_signed_by_the_sandbox_chain(aws: Account) -> None:
    """Leaf, intermediate and root belong together; names, serial and 198 days are those that Describe says."""
    arn = aws.issued("app.example.com", "*.example.com")
    answer = aws.acm.get_certificate(CertificateArn=arn)
    leaf = x509.load_pem_x509_certificate(answer["Certificate"].encode())
    intermediate, root = x509.load_pem_x509_certificates(answer["CertificateChain"].encode())
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    assert x509.load_pem_x509_certificate(aws.stand_in.root_ca_pem().encode()) == root
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["app.example.com", "*.example.com"]
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "app.example.com"
    described = describe(aws, arn)
    assert int(described["Serial"].replace(":", ""), 16) == leaf.serial_number
    assert described["NotAfter"] == leaf.not_valid_after_utc
    assert described["NotAfter"] - described["IssuedAt"] == timedelta(days=198)
    view = aws.stand_in.certificate(arn)
    assert view is not None
    assert (view.leaf_pem, view.chain_pem) == (answer["Certificate"], answer["CertificateChain"])
    assert "PRIVATE KEY" in view.private_key_pem


def test_validation_record_is_one_per_name_and_account(aws: Account) -> None:
    """The same in every certificate and region and for the wildcard, another for another name."""
    options = describe(aws, request(aws, "example.com", "*.example.com", "app.example.com"))["DomainValidationOptions"]
    records = {o["DomainName"]: (o["ResourceRecord"]["Name"], o["ResourceRecord"]["Value"]) for o in options}
    assert records["example.com"] == records["*.example.com"] != records["app.example.com"]
    elsewhere = aws.client("acm", region="us-east-1")
    arn = elsewhere.request_certificate(DomainName="*.example.com", ValidationMethod="DNS")["CertificateArn"]
    record = elsewhere.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0][
        "ResourceRecord"
    ]
    assert (record["Name"], record["Value"]) == records["example.com"]


def test_idempotency_token_lasts_an_hour(aws: Account) -> None:
    """Token and names together give the same certificate; other names, and the next hour, give another."""
    first = request(aws, "app.example.com", IdempotencyToken="t1")
    aws.now += 3599
    assert request(aws, "app.example.com", IdempotencyToken="t1") == first
    assert request(aws, "www.example.com", IdempotencyToken="t1") != first
    aws.now += 1
    assert request(aws, "app.example.com", IdempotencyToken="t1") != first


def test_token_of_a_deleted_certificate_gives_a_new_one(aws: Account) -> None:
    """moto raises KeyError here."""
    first = request(aws, "app.example.com", IdempotencyToken="t1")
    aws.acm.delete_certificate(CertificateArn=first)
    assert request(aws, "app.example.com", IdempotencyToken="t1") != first


def test_validation_times_out_after_three_days(aws: Account) -> None:
    """And then a late CNAME changes nothing."""
    arn = request(aws, "app.example.com")
    aws.now += 3 * DAY - 1
    assert describe(aws, arn)["Status"] == "PENDING_VALIDATION"
    aws.now += 1
    assert describe(aws, arn)["Status"] == "VALIDATION_TIMED_OUT"
    aws.prove("app.example.com")
    assert describe(aws, arn)["Status"] == "VALIDATION_TIMED_OUT"


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"DomainName": "app_1.example.com"}, "ValidationException"),
        ({"DomainName": "example"}, "ValidationException"),
        ({"DomainName": "app.example.com."}, "ValidationException"),
        ({"DomainName": "a.*.example.com"}, "ValidationException"),
        ({"DomainName": f"{'a' * 60}.example.com"}, "InvalidParameterException"),
        ({"SubjectAlternativeNames": [f"a{n}.example.com" for n in range(10)]}, "LimitExceededException"),
        ({"IdempotencyToken": "not-a-word"}, "ValidationException"),
        ({"ValidationMethod": "PIGEON"}, "ValidationException"),
        ({"KeyAlgorithm": "RSA_4096"}, "InvalidParameterException"),
    ],
)
def test_malformed_requests_are_refused(aws: Account, kwargs: dict[str, Any], expected: str) -> None:
    """With the code that AWS gives, and without making a certificate."""
    with pytest.raises(ClientError) as refused:
        aws.client("acm").request_certificate(**{"DomainName": "app.example.com", "ValidationMethod": "DNS", **kwargs})
    assert code(refused.value) == expected
    assert aws.acm.list_certificates()["CertificateSummaryList"] == []


def test_list_shows_rsa_only_unless_asked(aws: Account) -> None:
    """F10: an ECDSA certificate is invisible without keyTypes. The summary suffices to match a certificate."""
    rsa = aws.issued("app.example.com")
    curve = aws.issued("app.example.com", KeyAlgorithm="EC_prime256v1")
    listed = aws.acm.list_certificates()["CertificateSummaryList"]
    assert [summary["CertificateArn"] for summary in listed] == [rsa]
    everything = aws.acm.list_certificates(Includes={"keyTypes": ["RSA_2048", "EC_prime256v1"]})[
        "CertificateSummaryList"
    ]
    assert [summary["CertificateArn"] for summary in everything] == [rsa, curve]
    assert str(everything[1]["KeyAlgorithm"]) == "EC-prime256v1"  # with a hyphen, as AWS answers
    assert everything[0]["SubjectAlternativeNameSummaries"] == ["app.example.com"]
    assert (everything[0]["Status"], everything[0]["InUse"]) == ("ISSUED", False)
    assert everything[0]["NotAfter"] == describe(aws, rsa)["NotAfter"]


def test_list_has_pages_and_filters(aws: Account) -> None:
    """A page token outlives the certificate that it was made after, and a change of status in between."""
    arns = [request(aws, f"app{n}.example.com") for n in range(5)]
    first = aws.acm.list_certificates(MaxItems=2)
    assert [s["CertificateArn"] for s in first["CertificateSummaryList"]] == arns[:2]
    aws.acm.delete_certificate(CertificateArn=arns[1])
    second = aws.acm.list_certificates(MaxItems=2, NextToken=first["NextToken"])
    assert [s["CertificateArn"] for s in second["CertificateSummaryList"]] == arns[2:4]
    third = aws.acm.list_certificates(MaxItems=2, NextToken=second["NextToken"])
    assert [s["CertificateArn"] for s in third["CertificateSummaryList"]] == arns[4:]
    assert "NextToken" not in third
    assert aws.acm.list_certificates(CertificateStatuses=["ISSUED"])["CertificateSummaryList"] == []
    with pytest.raises(ClientError) as refused:
        aws.acm.list_certificates(NextToken="nonsense")
    assert code(refused.value) == "InvalidArgsException"


def test_tags_are_kept(aws: Account) -> None:
    """Tags given with the request are listed and can be added to."""
    arn = request(aws, "app.example.com", Tags=[{"Key": "nlbtls:endpoint", "Value": "e1"}])
    aws.acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "more", "Value": "2"}])
    tags = aws.acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
    assert {tag["Key"]: tag.get("Value") for tag in tags} == {"nlbtls:endpoint": "e1", "more": "2"}


def test_unknown_and_deleted_certificates_are_not_found(aws: Account) -> None:
    """Also for the ARN of a certificate in another region."""
    arn = request(aws, "app.example.com")
    elsewhere = aws.client("acm", region="us-east-1")
    aws.acm.delete_certificate(CertificateArn=arn)
    for client in (aws.acm, elsewhere):
        with pytest.raises(ClientError) as refused:
            client.describe_certificate(CertificateArn=arn)
        assert code(refused.value) == "ResourceNotFoundException"


@pytest.mark.parametrize(("fault", "status"), [("acm-never-issues", "PENDING_VALIDATION"), ("acm-caa-error", "FAILED")])
def test_faults_of_the_authority(aws: Account, fault: str, status: str) -> None:
    """Proven, and still not issued."""
    aws.prove("app.example.com")
    aws.faults.switch(fault, on=True)
    described = describe(aws, request(aws, "app.example.com"))
    assert described["Status"] == status
    assert described.get("FailureReason") == ("CAA_ERROR" if status == "FAILED" else None)


def test_an_issued_certificate_expires(aws: Account) -> None:
    """198 days later, as nothing renews it here."""
    arn = aws.issued("app.example.com")
    aws.now += 198 * DAY + 1
    assert describe(aws, arn)["Status"] == "EXPIRED"


def test_email_validation_shows_no_record(aws: Account) -> None:
    """The default method of the API is of no use to a machine."""
    arn = aws.acm.request_certificate(DomainName="app.example.com")
    option = describe(aws, arn_of(arn)["CertificateArn"])["DomainValidationOptions"][0]
    assert option["ValidationMethod"] == "EMAIL"
    assert "ResourceRecord" not in option
