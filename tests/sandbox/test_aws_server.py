"""The AWS stand-in as a whole: its gate, its faults, its life, and its part in public DNS."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.server import FAULTS, AwsStandIn
from sandbox.delays import Delays
from sandbox.dns import DnsStandIn
from sandbox.faults import Faults
from tests.sandbox.account import REGION, Account, account, code

pytestmark = pytest.mark.sandbox

CALLS: dict[str, Callable[[Account], Any]] = {
    "acm": lambda aws: aws.acm.list_certificates(),
    "route53": lambda aws: aws.route53.list_hosted_zones(),
    "elbv2": lambda aws: aws.elbv2.describe_load_balancers(),
}


def test_call_log_has_a_line_per_call(tmp_path: Path) -> None:
    """Also for refused calls, so that a benchmark can be counted again."""
    log = tmp_path / "calls.jsonl"
    with account(call_log=log) as aws:
        aws.client("sts").get_caller_identity()
        aws.acm.request_certificate(DomainName="app.example.com", ValidationMethod="DNS")
        aws.route53.list_hosted_zones_by_name(DNSName="example.com")
        aws.faults.switch("aws-down", on=True)
        with pytest.raises(ClientError):
            aws.elbv2.describe_load_balancers()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["service"], line["operation"], line["endpoint"]) for line in lines] == [
        ("sts", "GetCallerIdentity", "sts.eu-central-1.amazonaws.com"),
        ("acm", "RequestCertificate", "acm.eu-central-1.amazonaws.com"),
        ("route53", "ListHostedZonesByName", "route53.amazonaws.com"),
        ("elbv2", "DescribeLoadBalancers", "elasticloadbalancing.eu-central-1.amazonaws.com"),
    ]
    assert {line["time"] for line in lines} == {1_800_000_000.0}


@pytest.mark.parametrize(
    ("service", "expected"), [("acm", "ThrottlingException"), ("route53", "Throttling"), ("elbv2", "Throttling")]
)
def test_throttling_refuses_every_second_call(service: str, expected: str) -> None:
    """With the service's own code, other services untouched; boto3's retries get through."""
    with account() as aws:
        aws.faults.switch(f"aws-throttle-{service}", on=True)
        results = []
        for _ in range(4):
            try:
                CALLS[service](aws)
                results.append("ok")
            except ClientError as error:
                results.append(code(error))
        assert results == [expected, "ok", expected, "ok"]
        for other in set(CALLS) - {service}:
            CALLS[other](aws)
        if service == "acm":
            aws.client("acm", attempts=2).list_certificates()


def test_aws_down() -> None:
    """Every service answers 503, in a shape that boto3 can read."""
    with account() as aws:
        aws.faults.switch("aws-down", on=True)
        for call in CALLS.values():
            with pytest.raises(ClientError) as refused:
                call(aws)
            assert code(refused.value) in ("ServiceUnavailable", "503")
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_denied_actions() -> None:
    """Each says which action is missing; reading still works."""
    with account() as aws:
        aws.faults.switch("aws-deny-request-certificate", on=True)
        aws.faults.switch("aws-deny-change-records", on=True)
        with pytest.raises(ClientError, match="acm:RequestCertificate") as refused:
            aws.acm.request_certificate(DomainName="app.example.com")
        assert code(refused.value) == "AccessDeniedException"
        batch: Any = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": {"Name": "a.example.com", "Type": "A"}}]}
        with pytest.raises(ClientError, match="route53:ChangeResourceRecordSets") as refused:
            aws.route53.change_resource_record_sets(HostedZoneId="Z", ChangeBatch=batch)
        assert code(refused.value) == "AccessDenied"
        for call in CALLS.values():
            call(aws)


@pytest.mark.parametrize(
    ("service", "call"),
    [("acm", "search_certificates"), ("elbv2", "describe_trust_stores"), ("route53", "list_traffic_policies")],
)
def test_what_is_not_modelled_says_so(service: str, call: str) -> None:
    """A plain refusal instead of a stack trace."""
    with account() as aws:
        operation = getattr(aws.client(service), call)
        with pytest.raises(ClientError, match="does not model"):
            operation()


def test_identity_and_network_are_there() -> None:
    """STS knows the account; two tagged subnets lie in different zones of one VPC."""
    with account() as aws:
        assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"
        role = [{"Name": "tag:kubernetes.io/role/elb", "Values": ["1"]}]
        subnets = aws.client("ec2").describe_subnets(Filters=role)["Subnets"]
        assert {subnet["AvailabilityZone"] for subnet in subnets} == {"eu-central-1a", "eu-central-1b"}
        assert len({subnet["VpcId"] for subnet in subnets}) == 1


def test_one_after_another_each_begins_anew() -> None:
    """Nothing of the first account is in the second, and stop() gives moto its own classes back."""
    with account() as first:
        first.acm.request_certificate(DomainName="app.example.com", ValidationMethod="DNS")
        zones = {z["Id"] for z in first.route53.list_hosted_zones()["HostedZones"]}
    with account() as second:
        assert second.acm.list_certificates()["CertificateSummaryList"] == []
        assert not zones & {z["Id"] for z in second.route53.list_hosted_zones()["HostedZones"]}
        assert first.url != second.url


def test_certificate_and_alias_through_real_dns() -> None:
    """The whole way: ACM believes the DNS stand-in, which serves what Route 53 has in sync."""
    dns: DnsStandIn | None = None
    delays = Delays().scaled(0)
    aws = AwsStandIn(delays, Faults([FAULTS]), lambda name: dns.cname_of(name) if dns else None, regions=(REGION,))
    dns = DnsStandIn(aws.public_zones, aws.load_balancers)
    opened = Account()
    opened.url = aws.start()
    try:
        arn = opened.acm.request_certificate(DomainName="app.example.com", ValidationMethod="DNS")["CertificateArn"]
        option = opened.acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0]
        cname = option["ResourceRecord"]
        private, public, _ = (z["Id"] for z in opened.route53.list_hosted_zones()["HostedZones"])
        statuses = []
        for zone in (private, public):
            record: Any = {"Name": cname["Name"], "Type": "CNAME", "TTL": 60}
            record["ResourceRecords"] = [{"Value": cname["Value"]}]
            batch: Any = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
            opened.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
            statuses.append(opened.acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"])
        assert statuses == ["PENDING_VALIDATION", "ISSUED"]
    finally:
        aws.stop()
