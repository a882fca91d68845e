"""What is known about ACM certificates apart from any step: which one serves a name, and why ACM gives up. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from services.model import Spec, Stop
from services.ports import Certificate, CertificateSummary

#: Key types that an NLB listener takes (domain.md §5: no RSA 4096).
NEW_KEY = "RSA_2048"  #: of a certificate that nobody wanted otherwise: every client takes it
LISTENER_KEYS = frozenset(
    {"RSA_1024", "RSA_2048", "RSA_3072", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"},
)
#: Not worth starting with: ACM should have renewed it long ago.
MINIMUM_LIFE = timedelta(days=7)

FAILURES: Mapping[str, tuple[str, str]] = {  # FailureReason -> what happened, what to do (domain.md F3, F4, F12)
    "CAA_ERROR": (
        "a CAA record does not let Amazon issue certificates for this name",
        'Add `0 issue "amazon.com"` to the CAA records, then create the endpoint again.',
    ),
    "DOMAIN_NOT_ALLOWED": ("Amazon does not issue certificates for this name", "Ask AWS Support about the name."),
    "INVALID_PUBLIC_DOMAIN": ("the name is not a public domain", "Check the spelling of the host name."),
    "ADDITIONAL_VERIFICATION_REQUIRED": (
        "Amazon wants to verify the owner of this domain first",
        "Open a case with AWS Support; ACM will not issue before that.",
    ),
}


def covers(name: str, hostname: str) -> bool:
    """Whether a name on a certificate stands for the host name; a wildcard is worth exactly one label."""
    return name == hostname or (name.startswith("*.") and hostname.partition(".")[2] == name[2:])


def usable(
    listed: Sequence[CertificateSummary], spec: Spec, now: datetime, *, preferred: str = ""
) -> CertificateSummary | None:
    """The best issued certificate for the name: the preferred one, then managed before imported, then longest valid."""
    fitting = [
        c
        for c in listed
        if c.status == "ISSUED"
        and c.type in ("AMAZON_ISSUED", "IMPORTED")  # a private CA's would not be trusted by the public
        and c.key_algorithm in ({spec.key_algorithm} if spec.key_algorithm else LISTENER_KEYS)
        and any(covers(name, spec.hostname) for name in (c.domain, *c.names))
        and c.not_after is not None
        and c.not_after > now + MINIMUM_LIFE
    ]
    return max(fitting, key=lambda c: (c.arn == preferred, c.type == "AMAZON_ISSUED", c.not_after, c.arn), default=None)


def gone(arn: str) -> Stop:
    """ACM knew it and does not know it any more."""
    return Stop(
        f"The certificate {arn} is gone from ACM.",
        "Somebody deleted it. Create the endpoint again; that asks for a new one.",
    )


def gave_up(certificate: Certificate) -> Stop:
    """A failed request can never be continued; ACM wants a new one (domain.md §5)."""
    if certificate.status == "VALIDATION_TIMED_OUT":
        return Stop(
            "ACM waited 72 hours for the validation record and gave up.",
            "The same record stays valid for a new request: publish it, then create the endpoint again.",
        )
    what, todo = FAILURES.get(certificate.failure_reason, ("", "Mend the cause, then create the endpoint again."))
    why = what or f"status {certificate.status}, reason {certificate.failure_reason or 'not given'}"
    return Stop(f"ACM did not issue the certificate: {why}.", todo)
