"""The probe's client against real TLS servers on loopback."""

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from services.adapters.connect_to import ConnectTo
from services.adapters.tls import SocketTlsProber
from services.ports import Handshake, normal_serial

pytestmark = pytest.mark.sandbox

HOST = "app.example.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behave = Callable[[socket.socket], None]


@dataclass
class Peer:
    """One listener; each connection is given to `behave`, bytes that it asked for are kept."""

    behave: Behave
    address: str = "127.0.0.1"
    heard: list[bytes] = field(default_factory=list)
    port: int = 0

    def start(self) -> "Peer":
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.bind((self.address, 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.behave(connection)
                except OSError:  # the prober hangs up on what it does not like
                    continue


@dataclass
class Town:
    """A certificate authority, the bundle with its root, and the peers that a test started."""

    ca: trustme.CA
    bundle: str
    peers: list[Peer] = field(default_factory=list)

    def peer(self, behave: Behave, address: str = "127.0.0.1") -> Peer:
        """A peer that behaves so."""
        peer = Peer(behave, address).start()
        self.peers.append(peer)
        return peer

    def https(
        self,
        leaf: trustme.LeafCert,
        answer: bytes | None = OK,
        *,
        address: str = "127.0.0.1",
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        linger: threading.Event | None = None,
    ) -> Peer:
        """A TLS server that answers every request with `answer` (None: hangs up), or holds on until `linger`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = newest
        leaf.configure_cert(context)
        peer: Peer

        def behave(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as tls:
                peer.heard.append(tls.recv(4096))
                if linger is not None:
                    linger.wait(5)
                elif answer is not None:
                    tls.sendall(answer)

        peer = self.peer(behave, address)
        return peer

    def shake(self, peer: Peer, *, path: str = "/healthz", timeout: float = 5.0) -> Handshake:
        """Probe the peer as if it were the load balancer's port 443."""
        moved = ConnectTo.parse(f":443::{peer.port}")
        prober = SocketTlsProber(self.bundle, moved, timeout)
        return prober.shake(peer.address, 443, server_name=HOST, path=path)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One town for all tests; keys take time."""
    ca = trustme.CA(organization_name="Town Trust")
    bundle = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    town = Town(ca, str(bundle))
    yield town
    for peer in town.peers:
        peer.listener.close()


@pytest.fixture(scope="module")
def good(town: Town) -> trustme.LeafCert:
    """The right certificate."""
    return town.ca.issue_cert(HOST, "10.1.2.3")


def parsed(leaf: trustme.LeafCert) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())


def test_a_good_server_is_described_whole(town: Town, good: trustme.LeafCert) -> None:
    """Trust, version, cipher, the leaf as ACM knows it, issuer and HTTP status."""
    seen = town.shake(town.https(good))
    leaf = parsed(good)
    der = ssl.PEM_cert_to_DER_cert(good.cert_chain_pems[0].bytes().decode())
    assert (seen.connected, seen.trusted, seen.error, seen.distrust) == (True, True, "", "")
    assert (seen.tls_version, seen.http_status) == ("TLSv1.3", 200)
    assert seen.cipher.startswith("TLS_")
    assert seen.leaf_sha256 == hashlib.sha256(der).hexdigest()
    assert seen.leaf_serial == normal_serial(f"{leaf.serial_number:040X}")
    assert seen.leaf_names == (HOST, "10.1.2.3")
    assert seen.leaf_not_after == leaf.not_valid_after_utc
    assert seen.issuer.startswith("Town Trust")
    assert seen.address == "127.0.0.1"
    assert 0 < seen.seconds < 5


def test_the_request_is_the_one_of_a_plain_client(town: Town, good: trustme.LeafCert) -> None:
    """Path, Host and agent; the path cannot smuggle a header in, and a port other than 443 is in Host."""
    peer = town.https(good)
    town.shake(peer, path="/health z?a=b\r\nX-Evil: 1")
    request = peer.heard[0].decode()
    assert request.startswith("GET /health%20z?a=b%0D%0AX-Evil:%201 HTTP/1.1\r\n")
    assert f"\r\nHost: {HOST}\r\n" in request
    assert "\r\nUser-Agent: nlbtls-probe\r\n" in request
    assert "\r\nConnection: close\r\n" in request
    SocketTlsProber(town.bundle, ConnectTo()).shake("127.0.0.1", peer.port, server_name=HOST, path="/")
    assert f"\r\nHost: {HOST}:{peer.port}\r\n" in peer.heard[1].decode()


def test_a_wrong_name_is_seen_all_the_same(town: Town) -> None:
    """The default certificate of another host (F27): not trusted, but named."""
    seen = town.shake(town.https(town.ca.issue_cert("other.example.com")))
    assert (seen.connected, seen.trusted) == (True, False)
    assert "mismatch" in seen.distrust.lower()
    assert not seen.distrust.endswith(".")
    assert (seen.leaf_names, seen.http_status) == (("other.example.com",), 200)


def test_an_expired_certificate_is_seen_all_the_same(town: Town) -> None:
    """With its end, so that the message can say since when."""
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    seen = town.shake(town.https(town.ca.issue_cert(HOST, not_before=end - timedelta(days=9), not_after=end)))
    assert (seen.connected, seen.trusted, seen.leaf_not_after) == (True, False, end)
    assert "expired" in seen.distrust


def test_an_unknown_authority_is_not_trusted(town: Town) -> None:
    """Only the bundle counts where one is configured."""
    stranger = trustme.CA(organization_name="Nobody")
    seen = town.shake(town.https(stranger.issue_cert(HOST)))
    assert (seen.connected, seen.trusted) == (True, False)
    assert seen.distrust
    assert seen.issuer.startswith("Nobody")


def test_without_a_bundle_the_system_decides(town: Town, good: trustme.LeafCert) -> None:
    """And it does not know the town's authority."""
    peer = town.https(good)
    seen = SocketTlsProber(None, ConnectTo()).shake("127.0.0.1", peer.port, server_name=HOST, path="/")
    assert (seen.connected, seen.trusted) == (True, False)


def test_an_unreadable_bundle_is_said_at_once(tmp_path: Path) -> None:
    """A wrong setting must not look like an untrusted certificate later."""
    with pytest.raises(FileNotFoundError):
        SocketTlsProber(str(tmp_path / "none.pem"), ConnectTo())


def test_tls_1_2_is_named(town: Town, good: trustme.LeafCert) -> None:
    """The version that was really spoken."""
    seen = town.shake(town.https(good, newest=ssl.TLSVersion.TLSv1_2))
    assert (seen.trusted, seen.tls_version) == (True, "TLSv1.2")


def test_ipv6_addresses_are_connected_to(town: Town, good: trustme.LeafCert) -> None:
    """An NLB may be dual-stack."""
    seen = town.shake(town.https(good, address="::1"))
    assert (seen.address, seen.trusted, seen.http_status) == ("::1", True, 200)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://127.0.0.1:1/\r\n\r\n", 301),
        (b"HTTP/1.1 404 Not Found\r\n\r\n" + b"x" * 100_000, 404),
        (b"HTTP/1.0 503\r\n\r\n", 503),
        (b"HTTP/1.1 OK\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH_9.6\r\n", None),
        (b"\x00" * 100_000, None),
        (b"HTTP/1.1 20", None),
        (None, None),
    ],
)
def test_only_the_status_line_counts(
    town: Town, good: trustme.LeafCert, answer: bytes | None, status: int | None
) -> None:
    """No redirect is followed, no body is needed; what is not HTTP has no status, and TLS is proven all the same."""
    peer = town.https(good, answer)
    seen = town.shake(peer)
    assert (seen.trusted, seen.http_status, seen.error) == (True, status, "")
    assert len(peer.heard) == 1


def test_silence_after_the_handshake_ends(town: Town, good: trustme.LeafCert) -> None:
    """An application that never answers costs the timeout and no more."""
    done = threading.Event()
    seen = town.shake(town.https(good, linger=done), timeout=0.3)
    done.set()
    assert (seen.trusted, seen.http_status) == (True, None)
    assert seen.seconds < 2


def plain_http(connection: socket.socket) -> None:
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)  # everything: closing with bytes unread would be a reset


def reset(connection: socket.socket) -> None:
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def alert(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(bytes([21, 3, 3, 0, 2, 2, 40]))  # fatal, handshake_failure
    connection.recv(100)


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (plain_http, "does not speak TLS there"),
        (hang_up, "ended the connection during the TLS handshake"),
        (reset, "broke the connection off"),
        (alert, "refused the TLS handshake (alert: handshake failure)"),
    ],
)
def test_what_fails_is_said_in_plain_words(town: Town, behave: Behave, error: str) -> None:
    """A predicate for the address; nothing was proven, so nothing else is filled in."""
    seen = town.shake(town.peer(behave))
    assert seen.error == error
    assert (seen.connected, seen.trusted, seen.leaf_sha256, seen.http_status) == (False, False, "", None)


def test_a_peer_that_never_answers_ends(town: Town) -> None:
    """A target group without targets looks like this."""
    done = threading.Event()

    def never(_: socket.socket) -> None:
        done.wait(5)

    seen = town.shake(town.peer(never), timeout=0.3)
    done.set()
    assert (seen.connected, seen.error) == (False, "did not answer within 0.3 s")
    assert seen.seconds < 2


def test_a_dead_port_is_refused(town: Town) -> None:
    """Nothing listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    seen = SocketTlsProber(town.bundle, ConnectTo()).shake("127.0.0.1", port, server_name=HOST, path="/")
    assert (seen.connected, seen.error) == (False, "refused the connection (nothing listens there)")


def test_old_tls_versions_are_said_to_be_old(town: Town, good: trustme.LeafCert) -> None:
    """A listener with a policy of TLS 1.1 at most."""

    def old(connection: socket.socket) -> None:
        connection.recv(4096)
        hello = bytes([2, 0, 0, 38, 3, 2]) + b"\x11" * 32 + bytes([0, 0xC0, 0x13, 0])  # ServerHello of TLS 1.1
        connection.sendall(bytes([22, 3, 2, 0, len(hello)]) + hello)
        connection.recv(100)

    assert town.shake(town.peer(old)).error == "offers only TLS versions that are too old (below 1.2)"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("0A:1b:2C", "a1b2c"),
        ("0a1b2c", "a1b2c"),
        ("00:0A", "a"),
        ("0x0A1B", "a1b"),
        ("0a 1b", "a1b"),
        ("00", "0"),
        ("", ""),
    ],
)
def test_serial_numbers_are_compared_in_one_form(text: str, normal: str) -> None:
    """ACM, openssl and the certificate itself print the same number differently."""
    assert normal_serial(text) == normal
