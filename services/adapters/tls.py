"""The probe's client: TCP, TLS with SNI, one GET; by the ssl module, so that it judges as other OpenSSL clients do."""

import hashlib
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from cryptography import x509
from cryptography.x509.oid import NameOID

from services.adapters.connect_to import ConnectTo
from services.ports import Handshake, normal_serial

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r?\n)")
_MOST_BYTES = 1024  #: more than any status line; what follows is left unread
_URL_SAFE = "/%?&=:;,@+!$'()*~"


class SocketTlsProber:
    """TlsProber (services/ports.py).

    `ca_bundle`: PEM file with the roots to trust instead of the system's; `connect_to`: moves the TCP connection;
    `timeout`: seconds for each of connecting, the handshake and the HTTP answer; `clock`: monotonic seconds.
    Raises OSError or ssl.SSLError at once if the bundle cannot be read.
    """

    def __init__(
        self,
        ca_bundle: str | None,
        connect_to: ConnectTo,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifying = ssl.create_default_context(cafile=ca_bundle)
        self._looking = ssl.create_default_context(cafile=ca_bundle)
        self._looking.check_hostname = False  # only to see which certificate is served where it was not accepted
        self._looking.verify_mode = ssl.CERT_NONE
        self._connect_to = connect_to
        self._timeout = timeout
        self._clock = clock

    def shake(self, address: str, port: int, *, server_name: str, path: str) -> Handshake:
        """Connect as a client would; if the certificate is not accepted, once more to see it.

        `connected`: a TLS session stood. Otherwise `error` is a predicate to follow the address ("refused the
        connection"), as is `distrust` after "is not accepted:". `seconds` counts until the HTTP answer.
        """
        began = self._clock()
        target = self._connect_to.target(address, port, server_name=server_name)
        visit = _Visit(target, server_name, self._timeout, _request(server_name, port, path), self._clock)
        result = Handshake(address=address, connected=False)
        try:
            try:
                result = visit.go(self._verifying, replace(result, trusted=True))
            except ssl.SSLCertVerificationError as error:
                result = replace(result, distrust=(error.verify_message or "certificate verify failed").rstrip("."))
                result = visit.go(self._looking, result)
        except OSError as error:  # every ssl.SSLError is one
            result = replace(result, error=_words(error, self._timeout))
        return replace(result, seconds=self._clock() - began)


@dataclass(frozen=True)
class _Visit:
    """What stays the same in a second look."""

    target: tuple[str, int]
    server_name: str
    timeout: float
    request: bytes
    clock: Callable[[], float]

    def go(self, context: ssl.SSLContext, result: Handshake) -> Handshake:
        """`result` with what was seen. Raises OSError if TCP or TLS fails."""
        with (
            socket.create_connection(self.target, timeout=self.timeout) as connection,
            context.wrap_socket(connection, server_hostname=self.server_name) as tls,
        ):
            cipher = tls.cipher()
            result = replace(
                result,
                connected=True,
                tls_version=tls.version() or "",
                cipher=cipher[0] if cipher else "",
            )
            result = _with_leaf(result, tls.getpeercert(binary_form=True) or b"")
            return replace(result, http_status=self._http_status(tls))

    def _http_status(self, tls: ssl.SSLSocket) -> int | None:
        """The status code of the first line; None for silence or anything that is not HTTP/1."""
        deadline = self.clock() + self.timeout
        line = b""
        try:
            tls.sendall(self.request)
            while b"\n" not in line and len(line) < _MOST_BYTES and (left := deadline - self.clock()) > 0:
                tls.settimeout(left)
                received = tls.recv(_MOST_BYTES - len(line))
                if not received:
                    break
                line += received
        except OSError:  # a reset, an alert, a time-out: no answer, and TLS was proven before
            return None
        status = _STATUS_LINE.match(line)
        return int(status[1]) if status else None


def _request(server_name: str, port: int, path: str) -> bytes:
    host = server_name if port == 443 else f"{server_name}:{port}"
    target = quote("/" + path.lstrip("/"), safe=_URL_SAFE)  # also keeps line breaks out of the header
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "User-Agent: nlbtls-probe", "Accept: */*", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode()


# ---- the certificate


def _with_leaf(result: Handshake, der: bytes) -> Handshake:
    result = replace(result, leaf_sha256=hashlib.sha256(der).hexdigest())
    try:
        leaf = x509.load_der_x509_certificate(der)
        return replace(
            result,
            leaf_serial=normal_serial(f"{leaf.serial_number:x}"),
            leaf_names=_names(leaf),
            leaf_not_after=leaf.not_valid_after_utc,
            issuer=_issuer(leaf),
        )
    except ValueError:  # malformed, though OpenSSL took it: its fingerprint still tells it apart
        return result


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (*(name.lower() for name in names.get_values_for_type(x509.DNSName)), *addresses)


def _issuer(leaf: x509.Certificate) -> str:
    """Organisation and common name: "Amazon, Amazon RSA 2048 M02"."""
    parts = [
        str(attribute.value)
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        for attribute in leaf.issuer.get_attributes_for_oid(oid)
    ]
    return ", ".join(parts)


# ---- errors


def _words(error: OSError, timeout: float) -> str:
    """A predicate for the address: what it did or did not do."""
    if isinstance(error, ssl.SSLError):
        return _tls_words(error)
    if isinstance(error, TimeoutError):
        return f"did not answer within {timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "refused the connection (nothing listens there)"
    if isinstance(error, ConnectionError):
        return "broke the connection off"
    if isinstance(error, socket.gaierror):
        return "cannot be looked up"
    return f"cannot be reached ({(error.strerror or str(error)).lower()})"


def _tls_words(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "UNEXPECTED_EOF" in reason:
        return "ended the connection during the TLS handshake"
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return "does not speak TLS there"
    if reason == "UNSUPPORTED_PROTOCOL":
        return "offers only TLS versions that are too old (below 1.2)"
    _, is_alert, alert = reason.partition("_ALERT_")
    words = (alert or reason).replace("_", " ").lower()
    if is_alert:
        return f"refused the TLS handshake (alert: {words})"
    return f"failed in the TLS handshake ({words or error})"
