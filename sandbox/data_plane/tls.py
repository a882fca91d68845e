"""TLS of the listeners: contexts from ACM's PEM, and the choice of a certificate by SNI."""

import ssl
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.aws.model import Certificate

WRONG_NAME = "wrong-certificate.invalid"  #: whom the certificate of fault F27 is made out to


def choose_certificate(certificates: Sequence[Certificate], server_name: str | None) -> Certificate:
    """The certificate that answers for a server name: an exact name before a wildcard, else the default (the first)."""
    wanted = (server_name or "").rstrip(".").lower()
    parent = wanted.partition(".")[2]
    for name in (wanted, f"*.{parent}"):
        for certificate in certificates:
            if name in (known.lower() for known in certificate.names):
                return certificate
    return certificates[0]


def minimum_version(ssl_policy: str | None) -> ssl.TLSVersion:
    """The oldest TLS that a security policy allows here.

    Policies that allow 1.0 and 1.1 are served from 1.2 on, as today's OpenSSL refuses the older ones anyway.
    """
    return ssl.TLSVersion.TLSv1_3 if "TLS13-1-3" in (ssl_policy or "") else ssl.TLSVersion.TLSv1_2


def maximum_version(ssl_policy: str | None) -> ssl.TLSVersion:
    """Policies from before TLS 1.3 do not offer it."""
    return ssl.TLSVersion.TLSv1_3 if "TLS13" in (ssl_policy or "") else ssl.TLSVersion.TLSv1_2


class ContextCache:
    """One ssl.SSLContext per certificate and policy; loading keys is what costs."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, str | None], ssl.SSLContext] = {}
        self._wrong: Certificate | None = None

    def context(self, certificate: Certificate, ssl_policy: str | None) -> ssl.SSLContext:
        """A server context with the leaf and its intermediates."""
        key = (certificate.leaf_pem, ssl_policy)
        if key not in self._contexts:
            self._contexts[key] = _load(certificate, ssl_policy)
        return self._contexts[key]

    def listening(self, current: Callable[[], Sequence[Certificate]], ssl_policy: str | None) -> ssl.SSLContext:
        """A context for a listening socket that asks for the certificates anew at each handshake.

        The TLS versions are those of the listening context: another policy needs another one.
        """
        base = _load(current()[0], ssl_policy)

        def choose(connection: ssl.SSLSocket | ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
            connection.context = self.context(choose_certificate(current(), server_name), ssl_policy)

        base.sni_callback = choose
        return base

    def forget_all_but(self, certificates: Sequence[Certificate]) -> None:
        """Drop contexts of certificates that are no longer served."""
        kept = {certificate.leaf_pem for certificate in certificates}
        for key in [key for key in self._contexts if key[0] not in kept]:
            del self._contexts[key]

    def wrong_certificate(self) -> Certificate:
        """A self-made certificate for another name, as if something else answered (F27)."""
        if self._wrong is None:
            authority = trustme.CA(organization_name="Some Other Authority")
            made = authority.issue_cert(WRONG_NAME, common_name=WRONG_NAME)
            self._wrong = Certificate(
                arn="",
                status="ISSUED",
                names=(WRONG_NAME,),
                leaf_pem=made.cert_chain_pems[0].bytes().decode(),
                chain_pem=authority.cert_pem.bytes().decode(),
                private_key_pem=made.private_key_pem.bytes().decode(),
            )
        return self._wrong


def without_root(chain_pem: str) -> str:
    """The intermediates of a chain: a server does not send the root."""
    chain = x509.load_pem_x509_certificates(chain_pem.encode()) if chain_pem.strip() else []
    return "".join(item.public_bytes(Encoding.PEM).decode() for item in chain if item.subject != item.issuer)


def _load(certificate: Certificate, ssl_policy: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum_version(ssl_policy)
    context.maximum_version = maximum_version(ssl_policy)
    # OpenSSL takes a key from a file only: a directory of our own (0700), gone at once.
    with tempfile.TemporaryDirectory(prefix="sandbox-tls-") as directory:
        path = Path(directory) / "listener.pem"
        parts = (certificate.private_key_pem, certificate.leaf_pem, without_root(certificate.chain_pem))
        path.write_text("\n".join(part.strip() for part in parts) + "\n")
        context.load_cert_chain(path)
    return context
