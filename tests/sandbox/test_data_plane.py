"""Listeners serve what AWS says, over real sockets and real TLS; targets are judged in AWS's words."""

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cryptography import x509

from sandbox.aws.model import Certificate, Target
from sandbox.backend import Backend
from sandbox.data_plane.fronts import eligible_targets, plan_fronts
from sandbox.data_plane.health import is_success
from sandbox.data_plane.ports import connect_to_form, mapped_port
from sandbox.data_plane.tls import WRONG_NAME, choose_certificate, without_root
from tests.sandbox.data_plane_world import (
    APP,
    MODERN,
    OLD,
    ONLY_13,
    OTHER,
    WILD,
    Account,
    Running,
    account_before,
    data_planes,
    open_backend,
)

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    """The pods."""
    running = open_backend()
    yield running
    running.stop()


@pytest.fixture
def account(backend: Backend) -> Account:
    """AWS, as far as the data plane sees it."""
    return account_before(backend)


@pytest.fixture
def start(account: Account) -> Iterator[Callable[..., Running]]:
    """Starts the data plane."""
    with data_planes(account) as run:
        yield run


# -- decisions


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.example.com", APP),
        ("APP.example.com.", APP),
        ("www.example.com", WILD),
        ("a.b.example.com", OTHER),
        ("example.com", OTHER),
        ("nlb-0123.elb.eu-central-1.amazonaws.com", OTHER),
        (None, OTHER),
    ],
)
def test_sni_prefers_the_exact_name_then_a_wildcard_then_the_default(name: str | None, expected: Certificate) -> None:
    """A wildcard covers one label; whoever matches nothing gets the first certificate, silently."""
    assert choose_certificate([OTHER, WILD, APP], name) is expected


@pytest.mark.parametrize(
    ("port", "privileged", "expected"), [(443, True, 443), (443, False, 10443), (8443, False, 8443), (80, False, 10080)]
)
def test_only_privileged_ports_are_mapped(port: int, privileged: bool, expected: int) -> None:
    """Whoever may bind 443 serves it; others serve 10443, and ports from 1024 on stay."""
    assert mapped_port(port, privileged) == expected


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [({443: 443}, ""), ({443: 10443}, ":443::10443"), ({443: 10443, 80: 10080, 8443: 8443}, ":80::10080,:443::10443")],
)
def test_connect_to_is_in_curls_form(mapping: dict[int, int], expected: str) -> None:
    """Empty host parts mean "any host", ports that are not mapped are left out."""
    assert connect_to_form(mapping) == expected


@pytest.mark.parametrize(
    ("balancer", "listener", "addresses"),
    [
        ({}, {}, ["127.0.0.1", "127.0.0.2"]),
        ({"state": "provisioning"}, {}, []),
        ({"state": "failed"}, {}, []),
        ({}, {"certificate_arns": ("arn:pending",)}, []),
        ({}, {"certificate_arns": ("arn:unknown",)}, []),
        ({}, {"certificate_arns": (APP.arn, "arn:unknown")}, ["127.0.0.1", "127.0.0.2"]),
        ({}, {"protocol": "TCP", "certificate_arns": ()}, ["127.0.0.1", "127.0.0.2"]),
        ({}, {"protocol": "UDP", "certificate_arns": ()}, []),
    ],
)
def test_only_active_load_balancers_with_an_issued_certificate_listen(
    account: Account, balancer: dict[str, str], listener: dict[str, object], addresses: list[str]
) -> None:
    """What is not active, or has nothing to show, does not listen at all."""
    account.listen(**listener)
    account.balancers["nlb"] = replace(account.balancers["nlb"], **balancer)  # type: ignore[arg-type]

    fronts = plan_fronts(account.load_balancers(), account.target_group, account.certificate, lambda port: port)

    assert sorted(host for host, _ in fronts) == addresses


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        (["healthy", "unhealthy"], [0]),
        (["healthy", "healthy"], [0, 1]),
        (["unhealthy", "initial"], [0, 1]),
        (["unhealthy", "draining"], [0]),
        ([], []),
    ],
)
def test_without_a_healthy_target_all_get_traffic(account: Account, states: list[str], chosen: list[int]) -> None:
    """Fail open: only when none is healthy do unhealthy targets serve."""
    targets = tuple(Target("127.0.0.1", port, state) for port, state in enumerate(states))
    account.change(targets=targets)

    assert [target.port for target in eligible_targets(account.groups["tg"])] == chosen


@pytest.mark.parametrize(
    ("code", "codes", "expected"),
    [
        (200, "200", True),
        (404, "200-399", False),
        (399, "200-399", True),
        (202, "200,202", True),
        (201, "200,202", False),
    ],
)
def test_success_codes(code: int, codes: str, expected: bool) -> None:
    """Ranges and lists of a matcher."""
    assert is_success(code, codes) is expected


def test_the_root_is_not_sent() -> None:
    """ACM's chain ends in the root; a listener sends intermediates only."""
    sent = x509.load_pem_x509_certificates(without_root(APP.chain_pem).encode())

    assert len(sent) == len(x509.load_pem_x509_certificates(APP.chain_pem.encode())) - 1
    assert all(item.subject != item.issuer for item in sent)


# -- traffic


def test_each_address_serves_the_certificate_and_reaches_the_pod(start: Callable[..., Running]) -> None:
    """A client that trusts only the root verifies the name on every address and gets the pod's answer."""
    running = start()

    for host in ("127.0.0.1", "127.0.0.2"):
        answer = running.get(host)
        assert answer.is_from(APP)
        assert answer.version == "TLSv1.3"
        # without client-IP preservation the pod sees the load balancer's address
        assert answer.json() == {"pod": "one", "path": "/x", "client": host}


def test_sni_chooses_among_the_listeners_certificates(account: Account, start: Callable[..., Running]) -> None:
    """Further certificates answer for their names; an unknown name gets the default and fails verification."""
    account.listen(certificate_arns=(OTHER.arn, APP.arn, WILD.arn))
    running = start()

    assert running.get(name="app.example.com").is_from(APP)
    assert running.get(name="www.example.com").is_from(WILD)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        running.get(name="nobody.test")
    assert running.get(name="nobody.test", check_hostname=False).is_from(OTHER)


@pytest.mark.parametrize(
    ("policy", "client", "version"),
    [
        (OLD, {}, "TLSv1.2"),
        (MODERN, {}, "TLSv1.3"),
        (MODERN, {"maximum_version": ssl.TLSVersion.TLSv1_2}, "TLSv1.2"),
        (ONLY_13, {}, "TLSv1.3"),
        (ONLY_13, {"maximum_version": ssl.TLSVersion.TLSv1_2}, None),
    ],
)
def test_the_security_policy_decides_the_tls_version(
    account: Account, start: Callable[..., Running], policy: str, client: dict[str, object], version: str | None
) -> None:
    """The old default policy knows no TLS 1.3, the newest one nothing else."""
    account.listen(ssl_policy=policy)
    running = start()

    if version is None:
        with pytest.raises(ssl.SSLError):
            running.get(**client)  # type: ignore[arg-type]
    else:
        assert running.get(**client).version == version  # type: ignore[arg-type]


def test_follows_changes_of_certificate_policy_and_listener(account: Account, start: Callable[..., Running]) -> None:
    """A new certificate, policy or protocol is served after the next look, and a removed listener refuses."""
    running = start()
    account.listen(certificate_arns=(WILD.arn,))
    running.plane.settle()
    assert running.get().is_from(WILD)

    account.listen(ssl_policy=OLD)
    running.plane.settle()
    assert running.get().version == "TLSv1.2"

    account.listen(protocol="TCP", certificate_arns=(), ssl_policy=None)
    running.plane.settle()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert plain.recv(4096).startswith(b"HTTP/1.1 200 OK")

    port = running.port
    account.balancers.clear()
    running.plane.settle()
    assert running.plane.addresses() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_proxy_protocol_tells_the_pod_the_client(
    account: Account, backend: Backend, start: Callable[..., Running]
) -> None:
    """With the attribute on, the connection begins with a PROXY v2 header that carries the client's address."""
    account.change(targets=(Target(*backend.addresses["proxied"]),), attributes={"proxy_protocol_v2.enabled": "true"})
    answer = start().get("127.0.0.2")

    assert answer.json()["client"] == "127.0.0.1"


def test_preserved_client_address(account: Account, start: Callable[..., Running]) -> None:
    """With client-IP preservation the pod sees the client, not the load balancer."""
    account.change(attributes={"preserve_client_ip.enabled": "true"})

    assert start().get("127.0.0.2").json()["client"] == "127.0.0.1"


def test_traffic_goes_to_healthy_targets_in_turn(
    account: Account, backend: Backend, start: Callable[..., Running]
) -> None:
    """Both healthy pods answer; one that refuses its health check gets nothing."""
    dead = Target("127.0.0.3", 1)
    account.change(targets=(*(Target(*backend.addresses[name]) for name in ("one", "two")), dead))
    running = start()

    assert account.health() == [("healthy", None), ("healthy", None), ("unhealthy", "Target.FailedHealthChecks")]
    running.plane.settle()  # what was reported is seen at the next look
    assert {running.get().json()["pod"] for _ in range(4)} == {"one", "two"}


def test_a_target_that_cannot_be_reached_ends_the_connection(account: Account, start: Callable[..., Running]) -> None:
    """Fail open to a dead target: the handshake succeeds and then nothing comes."""
    account.change(targets=(Target("127.0.0.3", 1),))

    assert start().get().http == b""


# -- faults


def test_f22_makes_targets_unhealthy_while_traffic_still_flows(account: Account, start: Callable[..., Running]) -> None:
    """Every target is unhealthy, and the load balancer fails open; switched off, all is well again."""
    running = start()
    running.faults.switch("F22", True)
    running.plane.settle()
    assert account.health() == [("unhealthy", "Target.FailedHealthChecks")]
    assert running.get().json()["pod"] == "one"

    running.faults.switch("F22", False)
    running.plane.settle()
    assert account.health() == [("healthy", None)]


def test_f27_serves_somebody_elses_certificate(start: Callable[..., Running]) -> None:
    """The served leaf is neither ACM's nor signed by it; switched off, ACM's is back."""
    running = start()
    running.faults.switch("F27", True)
    running.plane.settle()
    with pytest.raises(ssl.SSLCertVerificationError):
        running.get()
    answer = running.get(check_hostname=False, verify_mode=ssl.CERT_NONE)
    names = x509.load_der_x509_certificate(answer.leaf).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == [WRONG_NAME]

    running.faults.switch("F27", False)
    running.plane.settle()
    assert running.get().is_from(APP)


def test_one_dead_address_leaves_the_others(start: Callable[..., Running]) -> None:
    """One address refuses, which only a probe of every address can notice."""
    running = start()
    running.faults.switch("nlb-one-address-dead", True)
    running.plane.settle()

    assert running.get("127.0.0.1").is_from(APP)
    with pytest.raises(ConnectionRefusedError):
        running.get("127.0.0.2")
