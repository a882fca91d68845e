"""The ELBv2 adapter against the AWS stand-in, and against written answers for what the stand-in does not do."""

from collections.abc import Callable
from typing import Any

import pytest

from services.adapters.aws import Aws
from services.adapters.elbv2 import Elbv2
from services.errors import Transient

pytestmark = pytest.mark.sandbox

MISSING = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/gone/0123456789abcdef"
Make = Callable[[str], str]

GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/gone/0123456789abcdef"


def _elb() -> Elbv2:
    return Aws("eu-central-1").load_balancers()


def test_by_arn_and_by_hostname(aws_world: Any, make_nlb: Make) -> None:
    """Both ways lead to the same load balancer; names are compared in lower case."""
    elb, arn = _elb(), make_nlb("k8s-demo")
    nlb = elb.by_arn([arn])[arn]
    assert (nlb.state, nlb.scheme, nlb.dual_stack) == ("active", "internet-facing", False)
    assert nlb.zone_id
    assert elb.by_hostname([nlb.hostname.upper()]) == {nlb.hostname: nlb}
    assert elb.by_hostname(["other.elb.eu-central-1.amazonaws.com"]) == {}
    assert elb.by_hostname([]) == {}


def test_a_missing_arn_does_not_lose_the_others(aws_world: Any, make_nlb: Make) -> None:
    """ELB answers for all ARNs of a call or for none; more than twenty take more than one call."""
    elb, arns = _elb(), [make_nlb(f"nlb-{number}") for number in range(2)]
    missing = [MISSING.replace("gone", f"gone{number}") for number in range(20)]
    assert set(elb.by_arn([arns[0], *missing, arns[1]])) == set(arns)
    assert elb.by_arn([MISSING]) == {}


def test_listeners_put_the_default_certificate_first(aws_world: Any, make_nlb: Make, controller: Any) -> None:
    """A TLS listener shows its default certificate, its policy and its target group; targets show their health."""
    elb, arn, client = _elb(), make_nlb("k8s-demo"), controller.client("elbv2")
    vpc = client.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["VpcId"]
    group = client.create_target_group(Name="tg", Protocol="TCP", Port=80, VpcId=vpc, TargetType="ip")
    group_arn = group["TargetGroups"][0]["TargetGroupArn"]
    client.register_targets(TargetGroupArn=group_arn, Targets=[{"Id": "10.20.1.7", "Port": 8080}])
    forward = [{"Type": "forward", "TargetGroupArn": group_arn}]
    certificates = [_issued(aws_world, f"{name}.example.com") for name in ("a", "b")]
    listener = client.create_listener(
        LoadBalancerArn=arn,
        Protocol="TLS",
        Port=443,
        Certificates=[{"CertificateArn": certificates[0]}],
        SslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
        DefaultActions=forward,
    )["Listeners"][0]["ListenerArn"]
    client.add_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": certificates[1]}])
    client.create_listener(LoadBalancerArn=arn, Protocol="TCP", Port=80, DefaultActions=forward)

    plain, tls = sorted(elb.listeners(arn), key=lambda found: found.port)
    assert (tls.port, tls.protocol, tls.certificate_arns) == (443, "TLS", tuple(certificates))
    assert (tls.ssl_policy, tls.target_group_arns) == ("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", (group_arn,))
    assert (plain.protocol, plain.certificate_arns, plain.target_group_arns) == ("TCP", (), (group_arn,))
    (target,) = elb.targets(group_arn)
    assert (target.address, target.port) == ("10.20.1.7", 8080)
    assert target.state


def _issued(aws_world: Any, name: str) -> str:
    acm = Aws("eu-central-1").certificates()
    arn = acm.request(name, token=name[0], tags={"k": "v"}, key_algorithm="RSA_2048")
    certificate = acm.describe(arn)
    assert certificate
    for record in certificate.validations:
        aws_world.public[record.record_name] = aws_world.public[record.record_name + "."] = record.record_value
    for _ in range(20):
        found = acm.describe(arn)
        if found and found.status == "ISSUED":
            break
    return arn


def test_what_is_not_there(aws_world: Any) -> None:
    """Removed load balancers and target groups are empty, never an error."""
    assert _elb().listeners(MISSING) == ()
    assert _elb().targets(GROUP) == ()


def test_throttling_is_told_as_such(player: Any, aws_environment: Callable[[str], None]) -> None:
    """ELB's code for it, on the wire, twice."""
    aws_environment(player.url)
    error = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
    player.plays(error, status=400).plays(error, status=400)
    with pytest.raises(Transient, match="fewer calls of elasticloadbalancing:DescribeTargetHealth"):
        _elb().targets(GROUP)


def _page(*names: str, kind: str = "network", marker: str = "") -> str:
    rows = "".join(
        f"<member><LoadBalancerArn>arn:{name}</LoadBalancerArn><DNSName>{name}.ELB.eu-central-1.amazonaws.com</DNSName>"
        f"<Type>{kind}</Type><IpAddressType>dualstack</IpAddressType><State><Code>failed</Code><Reason>no room</Reason>"
        "</State></member>"
        for name in names
    )
    more = f"<NextMarker>{marker}</NextMarker>" if marker else ""
    return (
        "<DescribeLoadBalancersResponse xmlns='http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/'>"
        f"<DescribeLoadBalancersResult><LoadBalancers>{rows}</LoadBalancers>{more}</DescribeLoadBalancersResult>"
        "</DescribeLoadBalancersResponse>"
    )


def test_by_hostname_pages_and_keeps_the_answer_for_seconds(
    player: Any, aws_environment: Callable[[str], None], clock: Any
) -> None:
    """One walk through the pages serves all who ask within five seconds, unless they ask for one that was not seen."""
    aws_environment(player.url)
    elb = Aws("eu-central-1", clock=clock).load_balancers()
    a, b, c = (f"{name}.elb.eu-central-1.amazonaws.com" for name in "abc")
    player.plays(_page("a", marker="2")).plays(_page("b"))
    assert set(elb.by_hostname([a])) == {a}
    assert set(elb.by_hostname([a, b])) == {a, b}
    assert [asked.form.get("Marker") for asked in player.asked] == [None, "2"]
    player.plays(_page("a", "b", "c"))
    assert set(elb.by_hostname([c])) == {c}
    clock.pass_(seconds=5)
    player.plays(_page("a"))
    assert set(elb.by_hostname([b])) == set()
    assert len(player.asked) == 4


def test_state_reason_and_dual_stack(player: Any, aws_environment: Callable[[str], None]) -> None:
    """A failed load balancer keeps its reason; application load balancers are none of ours."""
    aws_environment(player.url)
    player.plays(_page("a")).plays(_page("a", kind="application"))
    nlb = _elb().by_arn(["arn:a"])["arn:a"]
    assert (nlb.state, nlb.reason, nlb.dual_stack) == ("failed", "no room", True)
    assert _elb().by_arn(["arn:a"]) == {}


def _answer(action: str, body: str) -> str:
    space = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
    return f"<{action}Response xmlns='{space}'><{action}Result>{body}</{action}Result></{action}Response>"


def _arns(*arns: str) -> str:
    return (
        "<Certificates>"
        + "".join(f"<member><CertificateArn>{a}</CertificateArn></member>" for a in arns)
        + ("</Certificates>")
    )


def test_default_certificate_comes_first_however_they_are_listed(
    player: Any, aws_environment: Callable[[str], None]
) -> None:
    """DescribeListenerCertificates lists the default somewhere; a listener removed meanwhile keeps what was seen."""
    aws_environment(player.url)
    row = "<ListenerArn>arn:l{0}</ListenerArn><Port>{0}</Port><Protocol>TLS</Protocol>" + _arns("arn:default")
    rows = "".join(f"<member>{row.format(port)}</member>" for port in (443, 8443))
    gone = "<ErrorResponse><Error><Code>ListenerNotFound</Code><Message>gone</Message></Error></ErrorResponse>"
    player.plays(_answer("DescribeListeners", f"<Listeners>{rows}</Listeners>"))
    player.plays(_answer("DescribeListenerCertificates", _arns("arn:sni", "arn:default")))
    player.plays(gone, status=400)
    first, second = _elb().listeners(MISSING)
    assert first.certificate_arns == ("arn:default", "arn:sni")
    assert second.certificate_arns == ("arn:default",)
