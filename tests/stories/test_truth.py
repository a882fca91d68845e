"""The card tells the truth: what it says is what AWS, Kubernetes, DNS and a TLS client say."""

import json
import re
import socket
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import pytest
from cryptography import x509

from sandbox.slack.person import SeenMessage
from sandbox.world import REGION
from services.adapters.connect_to import ConnectTo
from tests.programs import program
from tests.stories.bot_process import ROOT
from tests.stories.conftest import Stage
from tests.stories.play import ELSEWHERE, OURS

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Told:
    """Both stories at their end."""

    stage: Stage
    cards: dict[str, SeenMessage]

    @property
    def environment(self) -> dict[str, str]:
        """For aws, kubectl, dig and curl."""
        return self.stage.world.bot_environment()

    def balancer(self, hostname: str) -> str:
        """The NLB's name, as Kubernetes says it."""
        (service,) = self.stage.looking.services(hostname)
        return str(service["status"]["loadBalancer"]["ingress"][0]["hostname"])

    def resolve(self, name: str, type_: str = "A") -> list[str]:
        """What the public resolver answers, the last record set of the chain."""
        port = int(self.environment["NLBTLS_DNS_PORT"])
        answer = dns.query.udp(dns.message.make_query(name, type_), "127.0.0.1", timeout=10, port=port)
        wanted = dns.rdatatype.from_text(type_)
        return sorted(str(item) for rrset in answer.answer if rrset.rdtype == wanted for item in rrset)


@pytest.fixture(scope="module")
def told(shared: Stage) -> Told:
    """Both stories, played at the same time."""
    plays = [shared.play(hostname) for hostname in (OURS, ELSEWHERE)]
    for play in plays:
        play.create()
    for play in plays:
        play.approve()
    return Told(shared, {play.hostname: play.ended() for play in plays})


both = pytest.mark.parametrize("hostname", [OURS, ELSEWHERE])


@both
def test_the_certificate_is_the_one_in_acm(told: Told, hostname: str) -> None:
    """Issued, for this name alone, with our three tags; the card has its serial number and its last day."""
    acm = told.stage.looking.aws("acm")
    (certificate,) = told.stage.looking.certificates(hostname)
    assert certificate["Status"] == "ISSUED"
    assert certificate["SubjectAlternativeNames"] == [hostname]
    listed = acm.list_tags_for_certificate(CertificateArn=certificate["CertificateArn"])["Tags"]
    tags = {tag["Key"]: tag["Value"] for tag in listed}
    (service,) = told.stage.looking.services(hostname)
    assert tags == {
        "nlbtls:installation": "sandbox",
        "nlbtls:endpoint": service["metadata"]["labels"]["nlbtls/endpoint"],
        "nlbtls:generation": "1",
    }
    text = told.cards[hostname].text
    assert certificate["Serial"].replace(":", "").lstrip("0") in text
    assert f"valid until {certificate['NotAfter']:%Y-%m-%d}" in text


@both
def test_the_load_balancer_is_the_one_of_the_service(told: Told, hostname: str) -> None:
    """The card names the NLB that Kubernetes shows; it has the certificate on the listener."""
    name = told.balancer(hostname)
    assert name in told.cards[hostname].text
    elbv2 = told.stage.looking.aws("elbv2")
    (balancer,) = [b for b in elbv2.describe_load_balancers()["LoadBalancers"] if b["DNSName"] == name]
    assert balancer["State"]["Code"] == "active"
    (listener,) = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    (certificate,) = told.stage.looking.certificates(hostname)
    assert (listener["Port"], listener["Protocol"]) == (443, "TLS")
    assert listener["Certificates"] == [{"CertificateArn": certificate["CertificateArn"]}]


def test_the_records_in_our_zone(told: Told) -> None:
    """An alias with the NLB's own zone id, an ownership mark that external-dns reads, the validation record."""
    by_type = {record["Type"]: record for record in told.stage.looking.records_of(OURS)}
    assert sorted(by_type) == ["A", "CNAME", "TXT"]
    (balancer,) = [
        b
        for b in told.stage.looking.aws("elbv2").describe_load_balancers()["LoadBalancers"]
        if b["DNSName"] == told.balancer(OURS)
    ]
    alias = by_type["A"]["AliasTarget"]
    assert alias["DNSName"].rstrip(".") == balancer["DNSName"]
    assert alias["HostedZoneId"] == balancer["CanonicalHostedZoneId"]
    (mark,) = by_type["TXT"]["ResourceRecords"]
    assert mark["Value"].startswith('"heritage=external-dns,external-dns/owner=nlbtls-sandbox,')


def test_nothing_is_written_for_a_name_held_elsewhere(told: Told) -> None:
    """Route 53 has no trace of it; its own provider has just what its owner was asked for."""
    assert told.stage.looking.records_of(ELSEWHERE) == []
    records = {(r.name, r.type): r.values for r in told.stage.world.dns.external_records()}
    assert records[(f"{ELSEWHERE}.", "CNAME")][0].rstrip(".") == told.balancer(ELSEWHERE)
    assert len(records) == 2


@both
def test_the_name_resolves_to_the_load_balancer(told: Told, hostname: str) -> None:
    """The same two addresses by either name."""
    addresses = told.resolve(hostname)
    assert len(addresses) == 2
    assert addresses == told.resolve(told.balancer(hostname))
    assert "on all 2 addresses" in told.cards[hostname].text


@both
def test_a_client_that_trusts_the_bundle_gets_an_answer(told: Told, hostname: str) -> None:
    """TLS with SNI and verification at each address: the leaf that ACM holds, and the demo application behind it."""
    context = ssl.create_default_context(cafile=told.environment["NLBTLS_CA_BUNDLE"])
    rules = ConnectTo.parse(told.environment["NLBTLS_CONNECT_TO"])
    (certificate,) = told.stage.looking.certificates(hostname)
    for address in told.resolve(hostname):
        with (
            socket.create_connection(rules.target(address, 443), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=hostname) as wrapped,
        ):
            leaf = x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True) or b"")
            assert str(wrapped.version()) in told.cards[hostname].text
            wrapped.sendall(f"GET /hello HTTP/1.1\r\nHost: {hostname}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: wrapped.recv(4096), b""))
        assert f"{leaf.serial_number:x}" == certificate["Serial"].replace(":", "").lstrip("0")
        assert answer.startswith(b"HTTP/1.1 200")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["pod"].startswith("demo-")
    assert "HTTP answered 200" in told.cards[hostname].text


# ---- with the tools that people use


def test_aws(told: Told) -> None:
    """`aws acm list-certificates` and its tags."""
    aws = str(ROOT / ".venv/bin/aws")
    listed = _json(told, [aws, "acm", "list-certificates", "--output", "json"])["CertificateSummaryList"]
    found = {c["DomainName"]: c for c in listed}
    assert found.keys() == {OURS, ELSEWHERE}
    for hostname, certificate in found.items():
        assert certificate["Status"] == "ISSUED"
        arn = certificate["CertificateArn"]
        tags = _json(told, [aws, "acm", "list-tags-for-certificate", "--certificate-arn", arn, "--output", "json"])
        assert {"Key": "nlbtls:installation", "Value": "sandbox"} in tags["Tags"]
        assert arn.split(":")[3] == REGION
        (service,) = told.stage.looking.services(hostname)
        assert arn in json.dumps(service["metadata"]["annotations"])


def test_kubectl(told: Told) -> None:
    """`kubectl get svc`: two Services of ours with the five annotations of the how-to, and their NLBs."""
    kubectl = program("kubectl")
    got = _json(
        told,
        [kubectl, "--context", "nlbtls", "-n", "demo", "get", "svc", "-l", "nlbtls/installation=sandbox", "-o", "json"],
    )
    assert len(got["items"]) == 2
    prefix = "service.beta.kubernetes.io/aws-load-balancer-"
    for service in got["items"]:
        annotations = service["metadata"]["annotations"]
        assert annotations[f"{prefix}type"] == "external"
        assert annotations[f"{prefix}nlb-target-type"] == "ip"
        assert annotations[f"{prefix}scheme"] == "internet-facing"
        assert annotations[f"{prefix}ssl-ports"] == "443"
        assert annotations[f"{prefix}ssl-cert"].startswith("arn:aws:acm:")
        shown = [
            card
            for card in told.cards.values()
            if service["status"]["loadBalancer"]["ingress"][0]["hostname"] in card.text
        ]
        assert len(shown) == 1


@both
def test_dig(told: Told, hostname: str) -> None:
    """`dig` at the sandbox's resolver."""
    port = told.environment["NLBTLS_DNS_PORT"]
    out = _run(told, [program("dig"), "+short", "-p", port, "@127.0.0.1", hostname, "A"])
    addresses = [line for line in out.splitlines() if re.fullmatch(r"[\d.]+", line)]
    assert sorted(addresses) == told.resolve(hostname)


@both
def test_curl(told: Told, hostname: str) -> None:
    """`curl --cacert --connect-to`: a verified answer of the demo application from each address."""
    curl, rules = program("curl"), ConnectTo.parse(told.environment["NLBTLS_CONNECT_TO"])
    for address in told.resolve(hostname):
        where, port = rules.target(address, 443)
        out = _run(told, [
            curl, "--silent", "--show-error", "--fail", "--cacert", told.environment["NLBTLS_CA_BUNDLE"],
            "--connect-to", f"{hostname}:443:{where}:{port}", f"https://{hostname}/from-curl",
        ])  # fmt: skip
        assert json.loads(out)["path"] == "/from-curl"


def _run(told: Told, command: Sequence[str]) -> str:
    done = subprocess.run(command, env=told.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _json(told: Told, command: Sequence[str]) -> Any:
    return json.loads(_run(told, command))
