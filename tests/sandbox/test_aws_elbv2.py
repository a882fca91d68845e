"""ELBv2 of the stand-in, through boto3."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.delays import Delays
from tests.sandbox.account import Account, account, code

pytestmark = pytest.mark.sandbox

POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"


@pytest.fixture
def aws() -> Iterator[Account]:
    """An account where a load balancer is active after 5 s."""
    with account(replace(Delays().scaled(0), load_balancer_active=5.0)) as opened:
        yield opened


def subnets(aws: Account) -> list[str]:
    """The seeded subnets, found by their role tag as the controller finds them."""
    role = [{"Name": "tag:kubernetes.io/role/elb", "Values": ["1"]}]
    found: list[str] = [s["SubnetId"] for s in aws.client("ec2").describe_subnets(Filters=role)["Subnets"]]
    return found


def create(aws: Account, name: str = "web", **kwargs: Any) -> Any:
    """A network load balancer in the seeded subnets."""
    wanted = {"Name": name, "Type": "network", "Scheme": "internet-facing", "Subnets": subnets(aws), **kwargs}
    return aws.client("elbv2").create_load_balancer(**wanted)["LoadBalancers"][0]


def group(aws: Account, name: str = "web", **kwargs: Any) -> str:
    """A target group for addresses."""
    vpc = aws.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    wanted = {"Name": name, "Protocol": "TCP", "Port": 8080, "TargetType": "ip", "VpcId": vpc, **kwargs}
    arn: str = aws.client("elbv2").create_target_group(**wanted)["TargetGroups"][0]["TargetGroupArn"]
    return arn


@dataclass
class Front:
    """A load balancer with a TLS listener."""

    balancer: str
    listener: str
    certificate: str
    group: str


def front(aws: Account) -> Front:
    """A load balancer named web with a listener on 443."""
    balancer, certificate, target_group = create(aws)["LoadBalancerArn"], aws.issued("app.example.com"), group(aws)
    made = listen(aws, balancer, target_group, Certificates=[{"CertificateArn": certificate}])
    return Front(balancer, made["ListenerArn"], certificate, target_group)


def listen(aws: Account, balancer: str, target_group: str, **kwargs: Any) -> Any:
    """A TLS listener on 443."""
    forward = [{"Type": "forward", "TargetGroupArn": target_group}]
    wanted = {"Protocol": "TLS", "Port": 443, "SslPolicy": POLICY, "DefaultActions": forward, **kwargs}
    return aws.client("elbv2").create_listener(LoadBalancerArn=balancer, **wanted)["Listeners"][0]


def state(aws: Account, name: str = "web") -> Any:
    """The state of a load balancer."""
    return aws.elbv2.describe_load_balancers(Names=[name])["LoadBalancers"][0]["State"]


def test_load_balancer_looks_like_an_nlb_and_takes_its_time(aws: Account) -> None:
    """ARN, name and hosted zone are those of a network load balancer; it is provisioning before it is active."""
    made = create(aws)
    head, tail = made["LoadBalancerArn"].rsplit("/", 1)
    assert head == "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/web"
    assert made["DNSName"] == f"web-{tail}.elb.eu-central-1.amazonaws.com"
    assert made["CanonicalHostedZoneId"] == "Z3F0SRJ5LGBH90"
    assert made["State"] == {"Code": "provisioning"}
    aws.now += 4.9
    assert state(aws)["Code"] == "provisioning"
    assert aws.stand_in.load_balancers()[0].state == "provisioning"
    aws.now += 0.1
    assert state(aws)["Code"] == "active"
    assert aws.stand_in.load_balancers()[0].state == "active"


def test_every_balancer_has_two_addresses_of_its_own(aws: Account) -> None:
    """As many as zones, and none given twice."""
    create(aws, "one")
    create(aws, "two")
    addresses = [address for balancer in aws.stand_in.load_balancers() for address in balancer.addresses]
    assert addresses == ["127.0.10.1", "127.0.10.2", "127.0.10.3", "127.0.10.4"]


@pytest.mark.parametrize(
    ("fault", "code_", "reason"), [("nlb-stays-provisioning", "provisioning", False), ("nlb-fails", "failed", True)]
)
def test_faults_of_provisioning(aws: Account, fault: str, code_: str, reason: bool) -> None:
    """Stuck until the fault is off; failed for good, with a reason."""
    create(aws)
    aws.faults.switch(fault, on=True)
    aws.now += 60
    assert state(aws)["Code"] == code_
    assert ("Reason" in state(aws)) == reason
    aws.faults.switch(fault, on=False)
    assert state(aws)["Code"] == ("failed" if fault == "nlb-fails" else "active")


def test_same_name_same_settings_is_the_same_balancer(aws: Account) -> None:
    """Creating is idempotent; another scheme or tag is a duplicate name."""
    first = create(aws, Tags=[{"Key": "a", "Value": "1"}])
    assert create(aws, Tags=[{"Key": "a", "Value": "1"}])["LoadBalancerArn"] == first["LoadBalancerArn"]
    for other in ({"Scheme": "internal", "Tags": [{"Key": "a", "Value": "1"}]}, {"Tags": [{"Key": "a", "Value": "2"}]}):
        with pytest.raises(ClientError) as refused:
            create(aws, **other)
        assert code(refused.value) == "DuplicateLoadBalancerName"
        assert "exists, but with different settings" in str(refused.value)


def test_describe_by_name_and_arn_in_pages(aws: Account) -> None:
    """What is missing is an error even beside what is there; pages follow the marker; 20 ARNs are the most."""
    arns = [create(aws, f"web{n}")["LoadBalancerArn"] for n in range(3)]
    pages = list(aws.elbv2.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 2}))
    assert [b["LoadBalancerArn"] for p in pages for b in p["LoadBalancers"]] == arns
    assert len(pages) == 2
    found = aws.elbv2.describe_load_balancers(LoadBalancerArns=arns[1:])["LoadBalancers"]
    assert [b["LoadBalancerArn"] for b in found] == arns[1:]
    for wanted in ({"Names": ["web0", "gone"]}, {"LoadBalancerArns": [arns[0], arns[0] + "0"]}):
        with pytest.raises(ClientError) as refused:
            aws.client("elbv2").describe_load_balancers(**wanted)
        assert code(refused.value) == "LoadBalancerNotFound"
    with pytest.raises(ClientError) as refused:
        aws.elbv2.describe_load_balancers(LoadBalancerArns=[f"{arns[0]}{n}" for n in range(21)])
    assert code(refused.value) == "ValidationError"


def test_listener_needs_an_issued_certificate_of_the_region(aws: Account) -> None:
    """F11: a pending one is 'unsupported', one of another region is not found; so is a policy that does not exist."""
    balancer, target_group = create(aws)["LoadBalancerArn"], group(aws)
    pending = aws.acm.request_certificate(DomainName="app.example.com", ValidationMethod="DNS")["CertificateArn"]
    foreign = aws.client("acm", region="us-east-1").request_certificate(DomainName="app.example.com")["CertificateArn"]
    for arn, expected in ((pending, "UnsupportedCertificate"), (foreign, "CertificateNotFound")):
        with pytest.raises(ClientError) as refused:
            listen(aws, balancer, target_group, Certificates=[{"CertificateArn": arn}])
        assert code(refused.value) == expected
        assert arn in str(refused.value)
    good = [{"CertificateArn": aws.issued("www.example.com")}]
    with pytest.raises(ClientError) as refused:
        listen(aws, balancer, target_group, Certificates=good, SslPolicy="ELBSecurityPolicy-1999")
    assert code(refused.value) == "SSLPolicyNotFound"
    with pytest.raises(ClientError) as refused:
        listen(aws, balancer, target_group)
    assert code(refused.value) == "ValidationError"
    assert listen(aws, balancer, target_group, Certificates=good)["SslPolicy"] == POLICY


def test_one_listener_per_port(aws: Account) -> None:
    """The same again is the same listener; anything else on its port is a duplicate."""
    made = front(aws)
    again = listen(aws, made.balancer, made.group, Certificates=[{"CertificateArn": made.certificate}])
    assert again["ListenerArn"] == made.listener
    with pytest.raises(ClientError) as refused:
        listen(aws, made.balancer, made.group, Certificates=[{"CertificateArn": aws.issued("www.example.com")}])
    assert code(refused.value) == "DuplicateListener"


def test_certificates_of_a_listener(aws: Account) -> None:
    """The default is shown by DescribeListeners, those for SNI beside it; a replaced default is gone."""
    made = front(aws)
    second, third = aws.issued("www.example.com"), aws.issued("new.example.com")
    aws.elbv2.add_listener_certificates(ListenerArn=made.listener, Certificates=[{"CertificateArn": second}])
    shown = aws.elbv2.describe_listeners(LoadBalancerArn=made.balancer)["Listeners"][0]
    assert shown["Certificates"] == [{"CertificateArn": made.certificate}]
    held = aws.elbv2.describe_listener_certificates(ListenerArn=made.listener)["Certificates"]
    assert [(c["CertificateArn"], c["IsDefault"]) for c in held] == [(made.certificate, True), (second, False)]
    aws.elbv2.modify_listener(ListenerArn=made.listener, Certificates=[{"CertificateArn": third}])
    (listener,) = aws.stand_in.load_balancers()[0].listeners
    assert (listener.port, listener.protocol, listener.ssl_policy) == (443, "TLS", POLICY)
    assert listener.certificate_arns == (third, second)
    assert listener.target_group_arn == made.group
    with pytest.raises(ClientError) as refused:
        aws.elbv2.remove_listener_certificates(ListenerArn=made.listener, Certificates=[{"CertificateArn": third}])
    assert code(refused.value) == "OperationNotPermitted"
    aws.elbv2.remove_listener_certificates(ListenerArn=made.listener, Certificates=[{"CertificateArn": second}])
    assert aws.stand_in.load_balancers()[0].listeners[0].certificate_arns == (third,)


def test_certificate_in_use_stays(aws: Account) -> None:
    """InUseBy names the load balancer; deletion is refused until the listener is gone."""
    made = front(aws)
    described = aws.acm.describe_certificate(CertificateArn=made.certificate)["Certificate"]
    assert described["InUseBy"] == [made.balancer]
    assert [s["InUse"] for s in aws.acm.list_certificates()["CertificateSummaryList"]] == [True]
    with pytest.raises(ClientError) as refused:
        aws.acm.delete_certificate(CertificateArn=made.certificate)
    assert code(refused.value) == "ResourceInUseException"
    aws.elbv2.delete_load_balancer(LoadBalancerArn=made.balancer)
    aws.acm.delete_certificate(CertificateArn=made.certificate)


def test_targets_are_told_apart_by_port(aws: Account) -> None:
    """Health is what the data plane says, per address and port; before that, registration is in progress."""
    made = front(aws)
    both = [{"Id": "10.0.0.1", "Port": 8080}, {"Id": "10.0.0.1", "Port": 8081}]
    aws.client("elbv2").register_targets(TargetGroupArn=made.group, Targets=both)
    aws.stand_in.set_target_health(made.group, "10.0.0.1", 8081, "unhealthy", "Target.Timeout", "Request timed out")
    aws.stand_in.set_target_health(made.group, "10.0.0.9", 8081, "healthy")  # no longer registered: no matter
    health = aws.elbv2.describe_target_health(TargetGroupArn=made.group)["TargetHealthDescriptions"]
    said = [(h["Target"]["Port"], h["TargetHealth"]["State"], h["TargetHealth"].get("Reason")) for h in health]
    assert said == [(8080, "initial", "Elb.RegistrationInProgress"), (8081, "unhealthy", "Target.Timeout")]
    aws.client("elbv2").register_targets(TargetGroupArn=made.group, Targets=both)  # again: health is kept
    aws.client("elbv2").deregister_targets(TargetGroupArn=made.group, Targets=both[:1])
    view = aws.stand_in.target_group(made.group)
    assert view is not None
    assert [(t.ip, t.port, t.state) for t in view.targets] == [("10.0.0.1", 8081, "unhealthy")]
    one = aws.client("elbv2").describe_target_health(TargetGroupArn=made.group, Targets=both[:1])
    assert one["TargetHealthDescriptions"][0]["TargetHealth"]["Reason"] == "Target.NotRegistered"


def test_targets_of_an_unattached_group_are_unused(aws: Account) -> None:
    """F23: nobody forwards to the group, whatever the health checks would say; also once the listener is deleted."""
    made = front(aws)
    aws.elbv2.register_targets(TargetGroupArn=made.group, Targets=[{"Id": "10.0.0.1"}])
    aws.elbv2.delete_listener(ListenerArn=made.listener)
    (health,) = aws.elbv2.describe_target_health(TargetGroupArn=made.group)["TargetHealthDescriptions"]
    assert (health["TargetHealth"]["State"], health["TargetHealth"]["Reason"]) == ("unused", "Target.NotInUse")
    assert (
        aws.elbv2.describe_target_groups(TargetGroupArns=[made.group])["TargetGroups"][0].get("LoadBalancerArns", [])
        == []
    )


def test_target_group_settings(aws: Account) -> None:
    """Idempotent by name and settings; attributes and health check are as asked; client IP is not preserved."""
    check: dict[str, Any] = {
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPath": "/healthz",
        "HealthCheckIntervalSeconds": 10,
    }
    arn = group(aws, **check)
    assert group(aws, **check) == arn
    with pytest.raises(ClientError) as refused:
        group(aws, Port=9090)
    assert code(refused.value) == "DuplicateTargetGroupName"
    proxy = [{"Key": "proxy_protocol_v2.enabled", "Value": "true"}]
    aws.client("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=proxy)
    view = aws.stand_in.target_group(arn)
    assert view is not None
    assert (view.health_check.protocol, view.health_check.path, view.health_check.interval) == ("HTTP", "/healthz", 10)
    assert view.attributes["proxy_protocol_v2.enabled"] == "true"
    assert view.attributes["preserve_client_ip.enabled"] == "false"
    assert aws.stand_in.target_group(arn + "0") is None


def test_alias_needs_the_balancer_and_its_zone_id(aws: Account) -> None:
    """Route 53 checks an alias against the load balancers that are there."""
    made = create(aws)
    zone = next(z["Id"] for z in aws.route53.list_hosted_zones()["HostedZones"] if not z["Config"]["PrivateZone"])

    def alias(zone_id: str, name: str) -> None:
        target = {"HostedZoneId": zone_id, "DNSName": name, "EvaluateTargetHealth": False}
        record = {"Name": "app.example.com", "Type": "A", "AliasTarget": target}
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        aws.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)

    wrong = [
        ("Z2IFOLAFXWLO4F", made["DNSName"], "does not lie within the target zone"),
        ("Z3F0SRJ5LGBH90", "gone-0123.elb.eu-central-1.amazonaws.com", "that target was not found"),
    ]
    for zone_id, name, words in wrong:
        with pytest.raises(ClientError, match=words) as refused:
            alias(zone_id, name)
        assert code(refused.value) == "InvalidChangeBatch"
    alias("Z3F0SRJ5LGBH90", made["DNSName"].upper())


def test_deletion_protection(aws: Account) -> None:
    """A protected load balancer stays."""
    arn = create(aws)["LoadBalancerArn"]
    protection = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    aws.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=protection)
    with pytest.raises(ClientError) as refused:
        aws.elbv2.delete_load_balancer(LoadBalancerArn=arn)
    assert code(refused.value) == "OperationNotPermitted"


def test_policies_of_today_are_known(aws: Account) -> None:
    """Those that the bot offers, and the weak default."""
    names = {p["Name"] for p in aws.elbv2.describe_ssl_policies()["SslPolicies"]}
    assert {
        POLICY, "ELBSecurityPolicy-2016-08", "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
        "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-PQ-2025-09", "ELBSecurityPolicy-TLS13-1-0-2021-06",
    } <= names  # fmt: skip
    with pytest.raises(ClientError) as refused:
        aws.elbv2.describe_ssl_policies(Names=["ELBSecurityPolicy-1999"])
    assert code(refused.value) == "SSLPolicyNotFound"
