"""A data plane over an account of plain values, and a client that looks at what it serves."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox import data_plane
from sandbox.aws.model import Certificate, HealthCheck, Listener, LoadBalancer, Target, TargetGroup
from sandbox.backend import Backend, BackendPod
from sandbox.data_plane import DataPlane
from sandbox.delays import Delays
from sandbox.faults import Faults

ROOT = trustme.CA(organization_name="Test Root")
INTERMEDIATE = ROOT.create_child_ca()
MODERN, OLD, ONLY_13 = (
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-2016-08",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
)
TCP_CHECK = HealthCheck(True, "TCP", "traffic-port", None, 10, 10, 3, 3, None)
HTTP_CHECK = HealthCheck(True, "HTTP", "traffic-port", "/healthz", 10, 1, 3, 3, "200-399")


def issue(*names: str) -> Certificate:
    """A certificate as ACM holds it: leaf, then intermediate and root, and the key."""
    made = INTERMEDIATE.issue_cert(*names, common_name=names[0])
    chain = [pem.bytes().decode() for pem in made.cert_chain_pems]
    return Certificate(
        arn=f"arn:{names[0]}:{time.monotonic_ns()}",
        status="ISSUED",
        names=names,
        leaf_pem=chain[0],
        chain_pem="".join([*chain[1:], ROOT.cert_pem.bytes().decode()]),
        private_key_pem=made.private_key_pem.bytes().decode(),
    )


APP, WILD, OTHER = issue("app.example.com"), issue("*.example.com"), issue("other.test")
PENDING = replace(APP, arn="arn:pending", status="PENDING_VALIDATION", leaf_pem="", chain_pem="", private_key_pem="")


@dataclass
class Account:
    """AWS as the data plane sees it; a test changes the values and lets the data plane look again."""

    balancers: dict[str, LoadBalancer] = field(default_factory=dict)
    groups: dict[str, TargetGroup] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    reports: list[tuple[str, str | None]] = field(default_factory=list)

    def load_balancers(self) -> list[LoadBalancer]:
        return list(self.balancers.values())

    def target_group(self, arn: str, /) -> TargetGroup | None:
        return self.groups.get(arn)

    def certificate(self, arn: str, /) -> Certificate | None:
        return self.certificates.get(arn)

    def set_target_health(
        self, arn: str, ip: str, port: int, state: str, reason: str | None, description: str | None, /
    ) -> None:
        self.reports.append((state, reason))
        group = self.groups[arn]
        targets = tuple(
            replace(target, state=state, reason=reason, description=description)
            if (target.ip, target.port) == (ip, port)
            else target
            for target in group.targets
        )
        self.groups[arn] = replace(group, targets=targets)

    def change(self, **changes: object) -> None:
        """Change the one target group."""
        self.groups["tg"] = replace(self.groups["tg"], **changes)  # type: ignore[arg-type]

    def listen(self, **changes: object) -> None:
        """Change the one listener."""
        balancer = self.balancers["nlb"]
        listener = replace(balancer.listeners[0], **changes)  # type: ignore[arg-type]
        self.balancers["nlb"] = replace(balancer, listeners=(listener,))

    def health(self) -> list[tuple[str, str | None]]:
        """(state, reason) of each target."""
        return [(target.state, target.reason) for target in self.groups["tg"].targets]


@dataclass
class Running:
    """A data plane over an account."""

    account: Account
    faults: Faults
    plane: DataPlane

    @property
    def port(self) -> int:
        return self.account.balancers["nlb"].listeners[0].port

    def get(self, host: str = "127.0.0.1", name: str = "app.example.com", **client: object) -> "Answer":
        """One HTTPS request with SNI, trusting the root alone."""
        context = ssl.create_default_context(cadata=ROOT.cert_pem.bytes().decode())
        for setting, value in client.items():
            setattr(context, setting, value)
        with (
            socket.create_connection((host, self.port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=name) as connection,
        ):
            leaf = connection.getpeercert(binary_form=True) or b""
            connection.sendall(b"GET /x HTTP/1.1\r\nHost: app\r\n\r\n")
            received = b""
            while data := connection.recv(4096):
                received += data
            return Answer(connection.version() or "", leaf, received)


@dataclass
class Answer:
    """What a client saw."""

    version: str
    leaf: bytes
    http: bytes

    def is_from(self, certificate: Certificate) -> bool:
        return x509.load_pem_x509_certificate(certificate.leaf_pem.encode()).public_bytes(Encoding.DER) == self.leaf

    def json(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.http.partition(b"\r\n\r\n")[2])
        return found


def open_backend() -> Backend:
    """Two plain pods and one that reads PROXY v2, listening."""
    backend = Backend(
        [
            BackendPod("one", "127.0.0.1", 0),
            BackendPod("two", "127.0.0.1", 0),
            BackendPod("proxied", "127.0.0.1", 0, proxy_protocol=True),
        ]
    )
    backend.start()
    return backend


def account_before(backend: Backend) -> Account:
    """One active load balancer with two addresses and a TLS listener on a free port, one plain target behind it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listener = Listener("l", port, "TLS", (APP.arn,), MODERN, "tg")
    balancer = LoadBalancer(
        "nlb", "nlb", "nlb.test", "Z", "active", "internet-facing", "ipv4", ("127.0.0.1", "127.0.0.2"), (listener,)
    )
    target = Target(*backend.addresses["one"])
    group = TargetGroup("tg", "tg", "TCP", 1, "ip", TCP_CHECK, (target,), {})
    certificates = {item.arn: item for item in (APP, WILD, OTHER, PENDING)}
    return Account({"nlb": balancer}, {"tg": group}, certificates)


@contextmanager
def data_planes(account: Account) -> Iterator[Callable[..., Running]]:
    """Gives what starts a data plane over the account. It looks only when told to; ports are the listeners' own."""
    started: list[DataPlane] = []

    def run(delays: Delays | None = None) -> Running:
        faults = Faults([data_plane.FAULTS])
        plane = DataPlane(
            account,
            faults=faults,
            delays=delays or Delays().scaled(0),
            port_map=lambda port: port,
            poll=60,
            check_every=0,
        )
        plane.start()
        started.append(plane)
        plane.settle()
        return Running(account, faults, plane)

    try:
        yield run
    finally:
        for plane in started:
            plane.stop()
