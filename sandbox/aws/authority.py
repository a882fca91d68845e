"""The sandbox's certificate authority: a root, an intermediate, and leaves that live as long as ACM's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_DAYS = 198  # what ACM issues since February 2026
KEYS_PER_ALGORITHM = 4

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Leaf:
    """An issued certificate and its key."""

    certificate: x509.Certificate
    pem: str
    private_key_pem: str


class Authority:
    """Issues leaves. Not thread-safe: callers hold the world's lock."""

    def __init__(self) -> None:
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        self._root = _ca("Sandbox Root CA 1", self._root_key, "Sandbox Root CA 1", self._root_key, now)
        self._intermediate = _ca("Sandbox M01", self._key, "Sandbox Root CA 1", self._root_key, now)
        self._keys: dict[str, list[PrivateKey]] = {}
        self._turn = count()

    def root_pem(self) -> str:
        """The root, which clients are told to trust."""
        return _pem(self._root)

    def chain_pem(self) -> str:
        """What GetCertificate returns as the chain: the intermediate, then the root."""
        return _pem(self._intermediate) + _pem(self._root)

    def issue(self, names: Sequence[str], algorithm: str, at: datetime) -> Leaf:
        """A leaf for these DNS names, valid for 198 days from `at`. The first name is the common name."""
        key = self._private_key(algorithm)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(names[0], organization=None))
            .issuer_name(self._intermediate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(minutes=5))  # a peer's clock may lag
            .not_valid_after(at + timedelta(days=LEAF_DAYS))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_issuer_key_identifier(self._key), critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Leaf(certificate, _pem(certificate), private.decode())

    def _private_key(self, algorithm: str) -> PrivateKey:
        """One of a few keys of this kind. They are shared, as making RSA keys would be most of a benchmark's work."""
        keys = self._keys.setdefault(algorithm, [])
        if len(keys) < KEYS_PER_ALGORITHM:
            keys.append(_generate(algorithm))
            return keys[-1]
        return keys[next(self._turn) % KEYS_PER_ALGORITHM]


def _generate(algorithm: str) -> PrivateKey:
    if algorithm == "EC_prime256v1":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EC_secp384r1":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(algorithm.removeprefix("RSA_")))


def _name(common_name: str, organization: str | None = "Sandbox") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _ca(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: CertificateIssuerPrivateKeyTypes,
    now: datetime,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_issuer_key_identifier(issuer_key), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _issuer_key_identifier(key: CertificateIssuerPrivateKeyTypes) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
