"""One certificate that was asked of ACM, from PENDING_VALIDATION to its end."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moto.acm.models import TagHolder

from sandbox.aws.authority import Leaf
from sandbox.aws.model import Certificate
from sandbox.aws.world import ACCOUNT, World

PENDING, ISSUED, FAILED = "PENDING_VALIDATION", "ISSUED", "FAILED"
TIMED_OUT, EXPIRED = "VALIDATION_TIMED_OUT", "EXPIRED"
VALIDATION_SECONDS = 72 * 3600


def validation_record(name: str, account: str = ACCOUNT) -> dict[str, str]:
    """The CNAME that proves control of a name: the same in every region and certificate, and for `*.x` as for `x`."""
    base = name.removeprefix("*.").lower()

    def token(salt: str, length: int = 32) -> str:
        return hashlib.sha256(f"{salt}|{account}|{base}".encode()).hexdigest()[:length]

    value = f"_{token('value')}.{token('suffix', 10)}.acm-validations.aws."
    return {"Name": f"_{token('name')}.{base}.", "Type": "CNAME", "Value": value}


class RequestedCertificate:
    """A certificate whose issue waits until every validation CNAME resolves. It has the shape of moto's CertBundle."""

    type = "AMAZON_ISSUED"
    cert_authority_arn = None

    def __init__(
        self,
        world: World,
        region: str,
        names: Sequence[str],
        *,
        method: str,
        algorithm: str,
        options: Mapping[str, str],
    ) -> None:
        self._world = world
        self.arn = f"arn:aws:acm:{region}:{ACCOUNT}:certificate/{uuid.uuid4()}"
        self.names = tuple(names)
        self.method = method
        self.algorithm = algorithm
        self.status = PENDING
        self.failure_reason: str | None = None
        self.created_at = world.clock()
        self.proven: set[str] = set()
        self.proven_at: float | None = None
        self.issued_at: float | None = None
        self.leaf: Leaf | None = None
        self.tags: Any = TagHolder()
        self.cert_options = {"CertificateTransparencyLoggingPreference": "ENABLED", "Export": "DISABLED", **options}

    @property
    def cert(self) -> bytes:
        """The leaf in PEM; empty until issued."""
        return self.leaf.pem.encode() if self.leaf else b""

    @property
    def chain(self) -> bytes:
        """The intermediate and the root in PEM."""
        return self._world.authority.chain_pem().encode()

    def check(self) -> None:
        """Look at DNS and at the clock, and move on if there is reason to. Called before every answer."""
        if self.status == PENDING:
            # Looked up without the lock: the DNS server reads zones under it, perhaps in another thread.
            proven = self._look_up() if self.method == "DNS" else set()
            with self._world.lock:
                self._advance(proven)
        elif self.status == ISSUED and self.leaf and self._world.moment() > self.leaf.certificate.not_valid_after_utc:
            self.status = EXPIRED

    def _look_up(self) -> set[str]:
        found: dict[str, bool] = {}
        for name in self.names:
            record = validation_record(name)
            if record["Name"] not in found:
                answer = self._world.resolve_cname(record["Name"])
                found[record["Name"]] = answer is not None and _same_name(answer, record["Value"])
        return {name for name in self.names if found[validation_record(name)["Name"]]}

    def _advance(self, proven: Iterable[str]) -> None:
        if self.status != PENDING:
            return
        now, faults = self._world.clock(), self._world.faults
        self.proven.update(proven)
        if self.proven_at is None and self.proven == set(self.names):
            self.proven_at = now
        ready = self.proven_at is not None and now >= self.proven_at + self._world.delays.certificate_issue
        if ready and faults.is_on("acm-caa-error"):
            self.status, self.failure_reason = FAILED, "CAA_ERROR"
        elif ready and not faults.is_on("acm-never-issues"):
            self.leaf = self._world.authority.issue(self.names, self.algorithm, self._world.moment(now))
            self.status, self.issued_at = ISSUED, now
        elif now >= self.created_at + VALIDATION_SECONDS:
            self.status = TIMED_OUT

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeCertificate, without InUseBy."""
        detail: dict[str, Any] = {
            "CertificateArn": self.arn,
            "DomainName": self.names[0],
            "SubjectAlternativeNames": list(self.names),
            "DomainValidationOptions": [self._validation(name) for name in self.names],
            "Subject": f"CN={self.names[0]}",
            "CreatedAt": self.created_at,
            "Status": self.status,
            "KeyAlgorithm": self.algorithm.replace("_", "-", 1),  # requests say RSA_2048, answers RSA-2048
            "SignatureAlgorithm": "SHA256WITHRSA",
            "InUseBy": [],
            "Type": self.type,
            "KeyUsages": [],
            "ExtendedKeyUsages": [],
            "RenewalEligibility": "INELIGIBLE",
            "Options": dict(self.cert_options),
        }
        if self.failure_reason:
            detail["FailureReason"] = self.failure_reason
        if self.leaf:
            detail |= _issued_facts(self.leaf) | {"IssuedAt": self.issued_at}
        return {"Certificate": detail}

    def _validation(self, name: str) -> dict[str, Any]:
        status = {PENDING: PENDING, ISSUED: "SUCCESS", EXPIRED: "SUCCESS"}.get(self.status, "FAILED")
        if self.status == PENDING and name in self.proven:
            status = "SUCCESS"
        validation: dict[str, Any] = {
            "DomainName": name,
            "ValidationDomain": name,
            "ValidationStatus": status,
            "ValidationMethod": self.method,
        }
        visible_at = self.created_at + self._world.delays.certificate_record
        if self.method == "DNS" and self._world.clock() >= visible_at:
            validation["ResourceRecord"] = validation_record(name)
        return validation

    def view(self) -> Certificate:
        """The certificate with its key, for the data plane."""
        pem, key = (self.leaf.pem, self.leaf.private_key_pem) if self.leaf else ("", "")
        return Certificate(self.arn, self.status, self.names, pem, self.chain.decode() if self.leaf else "", key)


def _issued_facts(leaf: Leaf) -> dict[str, Any]:
    certificate = leaf.certificate
    serial = f"{certificate.serial_number:x}"
    serial = serial.zfill(len(serial) + len(serial) % 2)
    return {
        "Serial": ":".join(serial[i : i + 2] for i in range(0, len(serial), 2)),
        "Issuer": "Amazon",
        "NotBefore": certificate.not_valid_before_utc.timestamp(),
        "NotAfter": certificate.not_valid_after_utc.timestamp(),
        "KeyUsages": [{"Name": "DIGITAL_SIGNATURE"}, {"Name": "KEY_ENCIPHERMENT"}],
        "ExtendedKeyUsages": [{"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"}],
    }


def _same_name(one: str, other: str) -> bool:
    return one.rstrip(".").lower() == other.rstrip(".").lower()
