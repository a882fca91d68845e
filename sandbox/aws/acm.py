"""ACM over moto: certificates are issued when DNS proves them, lists have pages, and what is in use stays."""

import base64
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from moto.acm import urls
from moto.acm.models import AWSCertificateManagerBackend, acm_backends
from moto.acm.responses import AWSCertificateManagerResponse
from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.elbv2.models import elbv2_backends

from sandbox.aws.certificates import PENDING, RequestedCertificate
from sandbox.aws.world import World

FAULTS = {
    "acm-never-issues": "ACM leaves every certificate in PENDING_VALIDATION, whatever DNS says.",
    "acm-caa-error": "ACM finds that a CAA record forbids it to issue: certificates end as FAILED with CAA_ERROR.",
}

TOKEN_SECONDS = 3600
NAMES_PER_CERTIFICATE = 10
COMMON_NAME_LENGTH = 64
REQUESTABLE = ("RSA_2048", "EC_prime256v1", "EC_secp384r1")
LISTED_BY_DEFAULT = ("RSA_1024", "RSA_2048")
PAGE = 1000

_DOMAIN_PATTERN = r"(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])"
_ARN_PATTERN = r"arn:[\w+=/,.@-]+:acm:[\w+=/,.@-]*:[0-9]+:[\w+=,.@-]+(/[\w+=,.@-]+)*"


def _refuse(code: str, message: str) -> NoReturn:
    raise AWSError(message, exception_type=code)


def _constraint(value: str, where: str, constraint: str) -> NoReturn:
    message = f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: {constraint}"
    _refuse("ValidationException", message)


class AcmBackend(AWSCertificateManagerBackend):  # type: ignore[misc]
    """Certificates of one region."""

    world: World

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}
        self._ordinals: dict[str, int] = {}

    @property
    def url_paths(self) -> dict[str, Callable[..., Any]]:
        return {path.format(""): AcmResponse.dispatch for path in urls.url_paths}

    def request(self, names: Sequence[str], *, token: str | None, tags: list[dict[str, str]], **spec: Any) -> str:
        """The ARN of a new certificate, or within the hour of the one that this token and these names gave before."""
        now = self.world.clock()
        key = (token or "", *names)
        with self.world.lock:
            arn, until = self._tokens.get(key, ("", 0.0))
            if token and now < until and arn in self._certificates:
                return arn
            certificate = RequestedCertificate(self.world, self.region_name, names, **spec)
            certificate.tags.add(tags)
            self._certificates[certificate.arn] = certificate
            if token:
                self._tokens[key] = (certificate.arn, now + TOKEN_SECONDS)
            return certificate.arn

    def get_certificate(self, arn: str) -> Any:
        """The certificate, looked at anew. Raises ResourceNotFoundException, also for an ARN of another region."""
        if not re.fullmatch(_ARN_PATTERN, arn):
            _constraint(arn, "certificateArn", f"Member must satisfy regular expression pattern: {_ARN_PATTERN}")
        if arn not in self._certificates:
            _refuse("ResourceNotFoundException", f"Could not find certificate {arn} in account {self.account_id}.")
        certificate = self._certificates[arn]
        certificate.check()
        return certificate

    def delete_certificate(self, arn: str) -> None:
        self.get_certificate(arn)
        with self.world.lock:
            if self.users().get(arn):
                _refuse("ResourceInUseException", f"Certificate {arn} in account {self.account_id} is in use.")
            self._certificates.pop(arn, None)

    def set_certificate_in_use_by(self, arn: str, load_balancer_name: str) -> None:
        """Nothing to note: who uses a certificate is read from the listeners."""

    def users(self) -> dict[str, list[str]]:
        """The ARNs of the load balancers of this region, by the certificate that a listener of theirs holds."""
        users: dict[str, list[str]] = defaultdict(list)
        for balancer in list(elbv2_backends[self.account_id][self.region_name].load_balancers.values()):
            for arn in {arn for listener in list(balancer.listeners.values()) for arn in listener.certificates}:
                users[arn].append(balancer.arn)
        return users

    def certificates(self) -> list[Any]:
        """All certificates, oldest first, each looked at anew."""
        found = list(self._certificates.values())
        for certificate in found:
            self.ordinal(certificate.arn)
            certificate.check()
        return found

    def ordinal(self, arn: str) -> int:
        """A number that grows from certificate to certificate, so that a page token outlives what it points at."""
        return self._ordinals.setdefault(arn, len(self._ordinals))

    def pending(self) -> list[Any]:
        """The certificates that wait for their validation."""
        return [c for c in list(self._certificates.values()) if c.status == PENDING]


class AcmResponse(AWSCertificateManagerResponse):  # type: ignore[misc]
    """The operations whose requests or answers moto gets wrong."""

    @property
    def backend(self) -> Any:
        return acm_backends[self.current_account][self.region]

    def request_certificate(self) -> ActionResult:
        domain = self._get_param("DomainName") or ""
        names = list(dict.fromkeys(n.lower() for n in (domain, *(self._get_param("SubjectAlternativeNames") or ()))))
        token = self._get_param("IdempotencyToken")
        method = self._get_param("ValidationMethod") or "EMAIL"
        algorithm = self._get_param("KeyAlgorithm") or "RSA_2048"
        _check_names(names)
        _check_request(token, method, algorithm)
        arn = self.backend.request(
            names,
            token=token,
            tags=self._get_param("Tags") or [],
            method=method,
            algorithm=algorithm,
            options=self._get_param("Options") or {},
        )
        return ActionResult({"CertificateArn": arn})

    def describe_certificate(self) -> ActionResult:
        certificate = self.backend.get_certificate(self._get_param("CertificateArn"))
        described = certificate.describe()
        described["Certificate"]["InUseBy"] = self.backend.users().get(certificate.arn, [])
        return ActionResult(described)

    def get_certificate(self) -> ActionResult:
        certificate = self.backend.get_certificate(self._get_param("CertificateArn"))
        if certificate.status == PENDING:
            message = f"The certificate request for {certificate.arn} is in progress. Try again later."
            _refuse("RequestInProgressException", message)
        if not certificate.cert:
            _refuse("ResourceNotFoundException", f"Certificate {certificate.arn} was not issued: {certificate.status}.")
        result = {"Certificate": certificate.cert.decode(), "CertificateChain": certificate.chain.decode()}
        return ActionResult(result)

    def list_certificates(self) -> ActionResult:
        size = int(self._get_param("MaxItems") or PAGE)
        if not 1 <= size <= PAGE:
            _constraint(str(size), "maxItems", f"Member must have value between 1 and {PAGE}")
        statuses = self._get_param("CertificateStatuses") or ()
        includes = self._get_param("Includes") or {}
        users = self.backend.users()
        found = (c.describe()["Certificate"] | {"InUseBy": users.get(c.arn)} for c in self.backend.certificates())
        selected = [d for d in found if _selected(d, statuses, includes)]
        if self._get_param("SortOrder") == "DESCENDING":
            selected.reverse()
        page, token = self._page(selected, size)
        return ActionResult({"CertificateSummaryList": [_summary(d) for d in page], "NextToken": token})

    def _page(self, details: Sequence[dict[str, Any]], size: int) -> tuple[Sequence[dict[str, Any]], str | None]:
        """The page that NextToken asks for, and the token of the one after it."""
        start = 0
        if (token := self._get_param("NextToken")) is not None:
            last = _decode_token(token)
            passed = [i for i, d in enumerate(details) if self.backend.ordinal(d["CertificateArn"]) == last]
            later = [i for i, d in enumerate(details) if self.backend.ordinal(d["CertificateArn"]) > last]
            start = passed[0] + 1 if passed else min(later, default=len(details))
        page = details[start : start + size]
        if start + size >= len(details):
            return page, None
        return page, base64.b64encode(str(self.backend.ordinal(page[-1]["CertificateArn"])).encode()).decode()


def _check_names(names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        where = "domainName" if index == 0 else f"subjectAlternativeNames.{index}.member"
        if not name:
            _constraint("", where, "Member must have length greater than or equal to 1")
        if len(name) > 253:
            _constraint(name, where, "Member must have length less than or equal to 253")
        if not re.fullmatch(_DOMAIN_PATTERN, name):
            _constraint(name, where, f"Member must satisfy regular expression pattern: {_DOMAIN_PATTERN}")
    if len(names[0]) > COMMON_NAME_LENGTH:
        _refuse("InvalidParameterException", f"The first domain name {names[0]} is longer than 64 characters.")
    if len(names) > NAMES_PER_CERTIFICATE:
        message = f"Certificate request exceeds the limit of {NAMES_PER_CERTIFICATE} domain names per certificate."
        _refuse("LimitExceededException", message)


def _check_request(token: str | None, method: str, algorithm: str) -> None:
    if token is not None and not re.fullmatch(r"\w{1,32}", token):
        pattern = r"Member must satisfy regular expression pattern: \w+, and have length less than or equal to 32"
        _constraint(token, "idempotencyToken", pattern)
    if method not in ("EMAIL", "DNS", "HTTP"):
        _constraint(method, "validationMethod", "Member must satisfy enum value set: [EMAIL, DNS, HTTP]")
    if algorithm not in REQUESTABLE:
        _refuse("InvalidParameterException", f"The key algorithm {algorithm} is not supported for public certificates.")


def _selected(detail: Mapping[str, Any], statuses: Iterable[str], includes: Mapping[str, Any]) -> bool:
    if statuses and detail["Status"] not in statuses:
        return False
    if detail["KeyAlgorithm"].replace("-", "_", 1) not in (includes.get("keyTypes") or LISTED_BY_DEFAULT):
        return False
    return includes.get("exportOption") in (None, detail["Options"].get("Export"))


def _summary(detail: dict[str, Any]) -> dict[str, Any]:
    names = detail["SubjectAlternativeNames"]
    summary = {
        **detail,
        "SubjectAlternativeNameSummaries": names[:100],
        "HasAdditionalSubjectAlternativeNames": len(names) > 100,
        "InUse": bool(detail["InUseBy"]),
        "Exported": False,
        "ExportOption": detail["Options"].get("Export"),
    }
    for usage in ("KeyUsages", "ExtendedKeyUsages"):  # the list has bare names where the detail has structures
        summary[usage] = [item["Name"] for item in detail.get(usage, [])]
    return summary


def _decode_token(token: str) -> int:
    try:
        return int(base64.b64decode(token, validate=True))
    except ValueError:
        _refuse("InvalidArgsException", "The next token is not valid.")
