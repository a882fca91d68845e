"""An AWS account on loopback for tests: boto3 clients, a clock that stands still, and a DNS that is a dictionary."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.server import FAULTS, AwsStandIn
from sandbox.delays import Delays
from sandbox.faults import Faults

if TYPE_CHECKING:
    from types_boto3_acm.client import ACMClient
    from types_boto3_elbv2.client import ElasticLoadBalancingv2Client
    from types_boto3_route53.client import Route53Client

REGION = "eu-central-1"


@dataclass
class Account:
    """The running stand-in and what a test turns: the time, the faults, the CNAMEs that the world sees."""

    now: float = 1_800_000_000.0
    names: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=lambda: Faults([FAULTS]))
    stand_in: AwsStandIn = field(init=False)
    url: str = field(init=False, default="")
    _clients: dict[tuple[str, str, int], Any] = field(init=False, default_factory=dict)

    def resolve(self, name: str) -> str | None:
        """The CNAME of a name in the test's DNS."""
        self.asked.append(name)
        return self.names.get(name)

    def client(self, service: Any, region: str = REGION, attempts: int = 1) -> Any:
        """A boto3 client as the bot makes it; without retries unless asked for."""
        made = self._clients.get((service, region, attempts))
        if made is None:
            made = self._clients[(service, region, attempts)] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
            )
        return made

    @property
    def acm(self) -> "ACMClient":
        """ACM of the account's region."""
        client: ACMClient = self.client("acm")
        return client

    @property
    def route53(self) -> "Route53Client":
        """Route 53."""
        client: Route53Client = self.client("route53")
        return client

    @property
    def elbv2(self) -> "ElasticLoadBalancingv2Client":
        """ELBv2 of the account's region."""
        client: ElasticLoadBalancingv2Client = self.client("elbv2")
        return client

    def prove(self, *names: str) -> None:
        """Publish the validation CNAMEs of these names."""
        arn = self.acm.request_certificate(
            DomainName=names[0], SubjectAlternativeNames=list(names), ValidationMethod="DNS"
        )
        options = self.acm.describe_certificate(**arn_of(arn))["Certificate"]["DomainValidationOptions"]
        self.names |= {o["ResourceRecord"]["Name"]: o["ResourceRecord"]["Value"] for o in options}
        self.acm.delete_certificate(**arn_of(arn))

    def issued(self, *names: str, **kwargs: Any) -> str:
        """The ARN of a certificate that is issued (with no delays)."""
        self.prove(*names)
        wanted: dict[str, Any] = {
            "DomainName": names[0],
            "SubjectAlternativeNames": list(names),
            "ValidationMethod": "DNS",
        }
        arn = self.acm.request_certificate(**wanted, **kwargs)["CertificateArn"]
        assert self.acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED"
        return arn


def arn_of(response: Any) -> dict[str, str]:
    """The ARN in a response, as the argument of the next call."""
    return {"CertificateArn": response["CertificateArn"]}


def code(error: ClientError) -> str:
    """The error code, by which the bot decides."""
    return error.response["Error"]["Code"]


@contextmanager
def account(delays: Delays | None = None, call_log: Path | None = None) -> Iterator[Account]:
    """A running account; without delays unless some are given."""
    opened = Account()
    opened.stand_in = AwsStandIn(
        delays or Delays().scaled(0), opened.faults, opened.resolve, lambda: opened.now, (REGION,), call_log=call_log
    )
    opened.url = opened.stand_in.start()
    try:
        yield opened
    finally:
        opened.stand_in.stop()
