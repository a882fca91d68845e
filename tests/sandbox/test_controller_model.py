"""What the controller stand-in would make of a Service: the annotation rules, as tables."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.controller.model import BuildFailure, HealthCheck, Model, build_model, is_deletion_protected, is_served
from sandbox.controller.subnets import choose_subnets
from sandbox.controller.targets import ready_targets

CERT, SECOND = (
    "arn:aws:acm:eu-central-1:123456789012:certificate/1",
    "arn:aws:acm:eu-central-1:123456789012:certificate/2",
)
HTTPS = {"name": "https", "port": 443, "targetPort": "http", "protocol": "TCP", "nodePort": 30443}
HTTP = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP", "nodePort": 30080}
IP = {"type": "external", "nlb-target-type": "ip"}


def service(
    annotations: dict[str, str] | None = None, *ports: dict[str, Any], deleted: bool = False, **spec: Any
) -> dict[str, Any]:
    """A LoadBalancer Service; annotations are given by their suffix."""
    prefix = "service.beta.kubernetes.io/"
    metadata: dict[str, Any] = {
        "name": "my-app",
        "namespace": "development",
        "uid": "202b4692-b893-4884-8ad6-808a78de5edd",
        "annotations": {
            prefix + (key if key == "load-balancer-source-ranges" else f"aws-load-balancer-{key}"): value
            for key, value in (annotations or {}).items()
        },
    }
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "spec": {"type": "LoadBalancer", "ports": list(ports or (HTTPS,)), **spec}}


def model(annotations: dict[str, str] | None = None, *ports: dict[str, Any], **spec: Any) -> Model:
    """The model of a Service with ip targets; fails the test if there is none."""
    built = build_model(service(IP | (annotations or {}), *ports, **spec))
    assert isinstance(built, Model), built
    return built


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (service({"type": "external", "nlb-target-type": "ip"}), True),
        (service({"type": "external", "nlb-target-type": "instance"}), True),
        (service({"type": "external"}), False),
        (service({"type": "external", "nlb-target-type": "pod"}), False),
        (service({"type": "nlb-ip"}), True),
        (service({"type": "nlb"}), False),
        (service({}), False),
        (service({}, loadBalancerClass="service.k8s.aws/nlb"), True),
        (service(IP, loadBalancerClass="eks.amazonaws.com/nlb"), False),
        (service(IP, type="ClusterIP"), True),
        (service(IP, deleted=True), False),
    ],
)
def test_who_reconciles(asked: dict[str, Any], expected: bool) -> None:
    """A class decides alone; without one the two annotations must agree; the legacy type is somebody else's."""
    assert is_served(asked) is expected


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, "internal"),
        ({"scheme": "internet-facing"}, "internet-facing"),
        ({"internal": "false"}, "internet-facing"),
        ({"internal": "true"}, "internal"),
        ({"internal": "true", "scheme": "internet-facing"}, "internet-facing"),
    ],
)
def test_scheme(annotations: dict[str, str], expected: str) -> None:
    """Internal by default; the deprecated annotation counts only without the new one."""
    assert model(annotations).scheme == expected


def test_names_are_as_the_controller_makes_them() -> None:
    """Eight characters of each name and ten hex digits; the scheme is part of the load balancer's name alone."""
    internal, public = model(), model({"scheme": "internet-facing"})

    assert internal.name.startswith("k8s-developm-myapp-")
    assert len(internal.name.rpartition("-")[2]) == 10
    assert internal.name != public.name
    assert [group.name for group in internal.target_groups] == [group.name for group in public.target_groups]
    assert model({"name": "a-name-of-my-own"}).name == "a-name-of-my-own"
    assert build_model(service(IP), "other-cluster") != build_model(service(IP), "sandbox")


@pytest.mark.parametrize(
    ("annotations", "protocols"),
    [
        ({}, {443: "TCP", 80: "TCP"}),
        ({"ssl-cert": CERT}, {443: "TLS", 80: "TLS"}),
        ({"ssl-cert": CERT, "ssl-ports": "443"}, {443: "TLS", 80: "TCP"}),
        ({"ssl-cert": CERT, "ssl-ports": "https"}, {443: "TLS", 80: "TCP"}),
        ({"ssl-cert": CERT, "ssl-ports": " 443 , http "}, {443: "TLS", 80: "TLS"}),
        ({"ssl-ports": "443"}, {443: "TCP", 80: "TCP"}),
    ],
)
def test_which_ports_become_tls(annotations: dict[str, str], protocols: dict[int, str]) -> None:
    """By number or name; without ssl-ports every TCP port does, without a certificate none."""
    built = model(annotations, HTTPS, HTTP)

    assert {listener.port: listener.protocol for listener in built.listeners} == protocols
    assert all(bool(listener.certificates) == (listener.protocol == "TLS") for listener in built.listeners)


def test_tls_listener() -> None:
    """The first certificate is the default, the policy is the weak old one unless named, and UDP never becomes TLS."""
    tls = {"ssl-cert": f"{CERT}, {SECOND}"}
    udp = {"name": "quic", "port": 8443, "protocol": "UDP", "targetPort": 8443}
    first, second = model(tls, HTTPS, udp).listeners

    assert (first.certificates, first.ssl_policy, first.alpn_policy) == (
        (CERT, SECOND),
        "ELBSecurityPolicy-2016-08",
        None,
    )
    assert (second.protocol, second.certificates, second.ssl_policy) == ("UDP", (), None)
    named = model(tls | {"ssl-negotiation-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06", "alpn-policy": "HTTP1Only"})
    assert named.listeners[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert named.listeners[0].alpn_policy == "HTTP1Only"


@pytest.mark.parametrize(
    ("annotations", "port", "expected"),
    [
        ({}, HTTPS, ("TCP", 1, "ip")),
        ({}, HTTP, ("TCP", 8080, "ip")),
        ({"ssl-cert": CERT, "backend-protocol": "ssl"}, HTTPS, ("TLS", 1, "ip")),
        ({"backend-protocol": "ssl"}, HTTPS, ("TCP", 1, "ip")),
        ({"nlb-target-type": "instance"}, HTTPS, ("TCP", 30443, "instance")),
        ({"type": "nlb-ip", "nlb-target-type": "instance"}, HTTP, ("TCP", 8080, "ip")),
    ],
)
def test_target_group(annotations: dict[str, str], port: dict[str, Any], expected: tuple[str, int, str]) -> None:
    """Protocol, port and kind of the target group."""
    group = model(annotations, port).target_groups[0]

    assert (group.protocol, group.port, group.target_type) == expected
    assert group.resource == f"development/my-app:{port['port']}"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, {"proxy_protocol_v2.enabled": "false"}),
        ({"proxy-protocol": "*"}, {"proxy_protocol_v2.enabled": "true"}),
        ({"proxy-protocol-per-target-group": "80, 443"}, {"proxy_protocol_v2.enabled": "true"}),
        ({"proxy-protocol-per-target-group": "80"}, {"proxy_protocol_v2.enabled": "false"}),
        (
            {"target-group-attributes": "preserve_client_ip.enabled=true,proxy_protocol_v2.enabled=true"},
            {"preserve_client_ip.enabled": "true", "proxy_protocol_v2.enabled": "true"},
        ),
        (
            {
                "target-group-attributes": "a=1",
                "target-group-attributes.443": "a=2",
                "target-group-attributes.80": "a=3",
            },
            {"a": "2", "proxy_protocol_v2.enabled": "false"},
        ),
    ],
)
def test_target_group_attributes(annotations: dict[str, str], expected: dict[str, str]) -> None:
    """Proxy protocol has three sources, of which "*" wins; a port's own attributes come after the general ones."""
    assert dict(model(annotations).target_groups[0].attributes) == expected


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, HealthCheck("TCP", "traffic-port", None, None, 10, 10, 3, 3)),
        ({"healthcheck-path": "/ignored"}, HealthCheck()),
        ({"healthcheck-protocol": "http"}, HealthCheck("HTTP", "traffic-port", "/", "200-399", 10, 10, 3, 3)),
        (
            {
                "healthcheck-protocol": "HTTP",
                "healthcheck-path": "/healthz",
                "healthcheck-port": "8081",
                "healthcheck-success-codes": "200",
                "healthcheck-interval": "5",
                "healthcheck-timeout": "2",
                "healthcheck-healthy-threshold": "2",
                "healthcheck-unhealthy-threshold": "4",
            },
            HealthCheck("HTTP", "8081", "/healthz", "200", 5, 2, 2, 4),
        ),
        ({"healthcheck-port": "http"}, HealthCheck(port="8080")),
    ],
)
def test_health_check(annotations: dict[str, str], expected: HealthCheck) -> None:
    """Defaults, all settings, and a port by the name of a Service port."""
    assert model(annotations, HTTPS, HTTP).target_groups[0].health_check == expected


@pytest.mark.parametrize(
    ("annotations", "spec", "expected"),
    [
        ({}, {}, ("0.0.0.0/0",)),
        ({"ip-address-type": "dualstack"}, {}, ("0.0.0.0/0", "::/0")),
        ({"load-balancer-source-ranges": "10.0.0.0/8, 192.0.2.0/24"}, {}, ("10.0.0.0/8", "192.0.2.0/24")),
        (
            {"load-balancer-source-ranges": "10.0.0.0/8"},
            {"loadBalancerSourceRanges": ["192.0.2.0/24"]},
            ("192.0.2.0/24",),
        ),
    ],
)
def test_source_ranges(annotations: dict[str, str], spec: dict[str, Any], expected: tuple[str, ...]) -> None:
    """The field of the spec goes before the annotation; nothing means everybody."""
    assert model(annotations, HTTPS, **spec).source_ranges == expected


@pytest.mark.parametrize(
    ("annotations", "spec", "message"),
    [
        ({"ssl-cert": CERT, "ssl-ports": "443,8443,web"}, {}, "Unused port in ssl-ports annotation [8443 web]"),
        ({"ssl-cert": CERT, "ssl-ports": "*"}, {}, "Unused port in ssl-ports annotation [*]"),
        ({"name": "n" * 33}, {}, "load balancer name cannot be longer than 32 characters"),
        ({"scheme": "public"}, {}, "unknown scheme: public"),
        ({"ip-address-type": "ipv6"}, {}, "unknown IPAddressType: ipv6"),
        (
            {"ssl-cert": CERT, "alpn-policy": "HTTP3"},
            {},
            "invalid ALPN policy HTTP3, "
            "policy must be one of [None, HTTP1Only, HTTP2Only, HTTP2Optional, HTTP2Preferred]",
        ),
        (
            {"proxy-protocol": "true"},
            {},
            "invalid value true for Load Balancer proxy protocol v2 annotation, only value currently supported is *",
        ),
        (
            {"healthcheck-protocol": "grpc"},
            {},
            "unsupported health check protocol grpc, supported protocols are TCP, HTTP and HTTPS",
        ),
        (
            {"healthcheck-interval": "soon"},
            {},
            "failed to parse int32 annotation, service.beta.kubernetes.io/aws-load-balancer-healthcheck-interval: "
            'soon: strconv.ParseInt: parsing "soon": invalid syntax',
        ),
        (
            {"healthcheck-port": "https"},
            {},
            "cannot use named healthCheckPort for IP TargetType when service's targetPort is a named port",
        ),
        (
            {"healthcheck-port": "admin"},
            {},
            "failed to resolve healthCheckPort: unable to find port admin on service development/my-app",
        ),
        (
            {"internal": "yes"},
            {},
            "failed to parse bool annotation, service.beta.kubernetes.io/aws-load-balancer-internal: yes: "
            'strconv.ParseBool: parsing "yes": invalid syntax',
        ),
        (
            {"additional-resource-tags": "owner"},
            {},
            "failed to parse stringMap annotation, "
            "service.beta.kubernetes.io/aws-load-balancer-additional-resource-tags: owner",
        ),
        (
            {},
            {"loadBalancerSourceRanges": ["2001:db8::/32"]},
            "unsupported v6 cidr 2001:db8::/32 when lb is not dualstack",
        ),
        (
            {"nlb-target-type": "instance"},
            {"type": "ClusterIP"},
            'unsupported service type "ClusterIP" for load balancer target type "instance"',
        ),
        (
            {"nlb-target-type": "instance"},
            {"ports": [{"port": 443}]},
            "unable to support instance target type with an unallocated NodePort",
        ),
    ],
)
def test_what_the_controller_refuses(annotations: dict[str, str], spec: dict[str, Any], message: str) -> None:
    """Each refusal is the controller's own sentence, which the bot translates."""
    assert build_model(service(IP | annotations, HTTPS, **spec)) == BuildFailure(message)


def test_deletion_protection_counts_only_in_the_annotation() -> None:
    """Only the Service's own attribute keeps its load balancer."""
    assert is_deletion_protected(service({"attributes": "deletion_protection.enabled=true"}))
    assert not is_deletion_protected(service({"attributes": "load_balancing.cross_zone.enabled=true"}))


# -- subnets


def subnet(name: str, zone: str = "a", free: int = 200, **tags: str) -> dict[str, Any]:
    """A subnet as DescribeSubnets gives it. `role` and `cluster` stand for the long tag names."""
    long = {"role": "kubernetes.io/role/elb", "internal": "kubernetes.io/role/internal-elb"}
    named = {
        long.get(key, f"kubernetes.io/cluster/{value}" if key == "cluster" else key): value
        for key, value in tags.items()
    }
    return {
        "SubnetId": name,
        "VpcId": "vpc-1",
        "AvailabilityZone": zone,
        "AvailableIpAddressCount": free,
        "Tags": [{"Key": key, "Value": value} for key, value in named.items()],
    }


PUBLIC = model({"scheme": "internet-facing"})
NO_SUBNET = (
    "unable to resolve at least one subnet. Evaluated {} subnets: "
    "{} are tagged for other clusters, and {} have insufficient available IP addresses"
)


@pytest.mark.parametrize(
    ("wanted", "subnets", "expected"),
    [
        (PUBLIC, [subnet("s1", role="1"), subnet("s2", "b", role="1")], ["s1", "s2"]),
        (PUBLIC, [subnet("s1", role="1"), subnet("s2", "b", internal="1")], ["s1"]),
        (model(), [subnet("s1", role="1"), subnet("s2", "b", internal="1")], ["s2"]),
        (PUBLIC, [subnet("s2", role="1"), subnet("s1", role="")], ["s1"]),
        (PUBLIC, [subnet("s1"), subnet("s2", "b")], ["s1", "s2"]),
        (PUBLIC, [subnet("s1", role="1", cluster="sandbox"), subnet("s2", "b", role="1", cluster="other")], ["s1"]),
        (PUBLIC, [subnet("s1", free=7, role="1")], NO_SUBNET.format(1, 0, 1)),
        (PUBLIC, [subnet("s1", role="1", cluster="other")], NO_SUBNET.format(1, 1, 0)),
        (PUBLIC, [], NO_SUBNET.format(0, 0, 0)),
        (replace(PUBLIC, subnets=("s2", "left")), [subnet("s1", Name="left"), subnet("s2", "b")], ["s1", "s2"]),
        (
            replace(PUBLIC, subnets=("s2", "right")),
            [subnet("s1", Name="left"), subnet("s2", "b")],
            "couldn't find all subnets, nameOrIDs: [s2 right], found: 1",
        ),
    ],
)
def test_subnets(wanted: Model, subnets: list[dict[str, Any]], expected: list[str] | str) -> None:
    """The role tag of the scheme, one per zone, room for eight addresses; named ones must all exist."""
    found = choose_subnets(wanted, subnets, "sandbox")

    if isinstance(expected, str):
        assert found == BuildFailure(expected)
    else:
        assert found == [(name, "vpc-1") for name in expected]


# -- targets


def test_targets_are_the_ready_addresses_at_the_port_of_that_name() -> None:
    """Unready endpoints and other ports are left out; a missing condition means ready."""
    slices: list[dict[str, Any]] = [
        {
            "ports": [{"name": "https", "port": 8080}, {"name": "admin", "port": 9000}],
            "endpoints": [
                {"addresses": ["127.1.0.1"], "conditions": {"ready": True}},
                {"addresses": ["127.1.0.2"], "conditions": {"ready": False}},
                {"addresses": ["127.1.0.3"], "conditions": {}},
            ],
        },
        {"ports": None, "endpoints": None},
    ]

    assert ready_targets(slices, "https") == {("127.1.0.1", 8080), ("127.1.0.3", 8080)}
    assert ready_targets(slices, "") == set()
