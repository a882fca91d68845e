"""ACM: certificates of one account and region."""

import hashlib
import ssl
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from services.adapters.aws_errors import calling, code_of
from services.ports import Certificate, CertificateSummary, DomainValidation, Leaf, normal_serial

if TYPE_CHECKING:
    from types_boto3_acm import ACMClient
    from types_boto3_acm.literals import KeyAlgorithmType

#: All of them: unfiltered, ListCertificates shows RSA 1024 and 2048 only, so ECDSA looks missing (domain.md F10).
_KEY_TYPES: tuple["KeyAlgorithmType", ...] = (
    "RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1",
)  # fmt: skip
_GONE = "ResourceNotFoundException"
_NOT_YET = "RequestInProgressException"


class Acm:
    """Implements services.ports.Certificates."""

    def __init__(self, client: "ACMClient") -> None:
        self._client = client

    def list(self) -> Sequence[CertificateSummary]:
        """All certificates of all key types. Names are the first hundred of a certificate; ACM lists no more."""
        with calling("acm:ListCertificates"):
            pages = self._client.get_paginator("list_certificates").paginate(
                Includes={"keyTypes": list(_KEY_TYPES)}, PaginationConfig={"PageSize": 1000}
            )
            return [_summary(row) for page in pages for row in page["CertificateSummaryList"]]

    def describe(self, arn: str) -> Certificate | None:
        """One certificate; None if ACM does not know it (any more, or yet: a new one takes seconds to appear)."""
        with calling("acm:DescribeCertificate"):
            try:
                return _certificate(self._client.describe_certificate(CertificateArn=arn)["Certificate"])
            except ClientError as error:
                if code_of(error) == _GONE:
                    return None
                raise

    def tags(self, arn: str) -> Mapping[str, str]:
        """Its tags; empty if it is gone."""
        with calling("acm:ListTagsForCertificate"):
            try:
                answer = self._client.list_tags_for_certificate(CertificateArn=arn)
            except ClientError as error:
                if code_of(error) == _GONE:
                    return {}
                raise
        return {tag["Key"]: tag.get("Value", "") for tag in answer.get("Tags", ())}

    def request(self, hostname: str, *, token: str, tags: Mapping[str, str], key_algorithm: str) -> str:
        """Request a public certificate with DNS validation; its ARN. Needs acm:AddTagsToCertificate as well."""
        call: Any = self._client.request_certificate
        with calling("acm:RequestCertificate"):
            answer = call(
                DomainName=hostname,
                ValidationMethod="DNS",
                IdempotencyToken=token,
                KeyAlgorithm=key_algorithm,
                Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            )
        return str(answer["CertificateArn"])

    def leaf(self, arn: str) -> Leaf | None:
        """The issued leaf: its fingerprint is computed, serial and end are what ACM says of it."""
        with calling("acm:GetCertificate"):
            try:
                pem = self._client.get_certificate(CertificateArn=arn).get("Certificate", "")
            except ClientError as error:
                if code_of(error) in (_GONE, _NOT_YET):
                    return None
                raise
        certificate = self.describe(arn)
        if not pem or certificate is None or certificate.not_after is None:
            return None
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        return Leaf(sha256=digest, serial=certificate.serial, not_after=certificate.not_after)


def _summary(row: Any) -> CertificateSummary:
    domain = _name(row["DomainName"])
    return CertificateSummary(
        arn=row["CertificateArn"],
        domain=domain,
        names=_names(domain, row.get("SubjectAlternativeNameSummaries", ())),
        status=row.get("Status", ""),
        type=row.get("Type", ""),
        key_algorithm=_key(row),
        not_after=_utc(row.get("NotAfter")),
        created_at=_utc(row.get("CreatedAt") or row.get("ImportedAt")),
        in_use=bool(row.get("InUse", False)),
    )


def _certificate(row: Any) -> Certificate:
    domain = _name(row["DomainName"])
    return Certificate(
        arn=row["CertificateArn"],
        domain=domain,
        names=_names(domain, row.get("SubjectAlternativeNames", ())),
        status=row.get("Status", ""),
        failure_reason=row.get("FailureReason", ""),
        key_algorithm=_key(row),
        created_at=_utc(row.get("CreatedAt") or row.get("ImportedAt")),
        not_after=_utc(row.get("NotAfter")),
        serial=normal_serial(row.get("Serial", "")),
        validations=tuple(_validation(option) for option in row.get("DomainValidationOptions", ())),
    )


def _validation(option: Any) -> DomainValidation:
    record = option.get("ResourceRecord") or {}  # ACM makes it up some seconds after the request
    return DomainValidation(
        domain=_name(option["DomainName"]),
        status=option.get("ValidationStatus", ""),
        record_name=_name(record.get("Name", "")),
        record_value=_name(record.get("Value", "")),
    )


def _name(name: str) -> str:
    return name.rstrip(".").lower()


def _names(domain: str, others: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((domain, *(_name(other) for other in others))))


def _key(row: Mapping[str, Any]) -> str:
    """With underscores: ACM writes "RSA-2048" in its answers and wants "RSA_2048" in questions."""
    return str(row.get("KeyAlgorithm", "")).replace("-", "_")


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
