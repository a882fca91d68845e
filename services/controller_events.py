"""What the load balancer controller says in events, in plain words. Pure: one table, the raw text as fallback."""

import re
from collections.abc import Sequence

from services.ports import ControllerEvent

#: Part of the controller's message (domain.md §1.5) -> what it means and what to do. First match counts.
MEANINGS: tuple[tuple[str, str], ...] = (
    (
        r"unable to resolve at least one subnet|couldn't find all subnets",
        "The controller finds no usable subnet. Tag public subnets kubernetes.io/role/elb=1 "
        "(internal: kubernetes.io/role/internal-elb=1); each needs 8 free addresses.",
    ),
    (
        r"multiple subnets in same Availability Zone",
        "Two subnets lie in one Availability Zone; the NLB takes one for each zone.",
    ),
    (
        r"UnsupportedCertificate",
        "AWS does not take the certificate yet: not issued, or a key that an NLB cannot use.",
    ),
    (r"CertificateNotFound", "AWS does not find the certificate in this region and account."),
    (r"SSLPolicyNotFound", "AWS does not know the TLS security policy in this region."),
    (
        r"AccessDenied|WebIdentityErr|NoCredentialProviders|UnauthorizedOperation|not authorized",
        "The controller has no AWS permission for this: its IAM role needs it.",
    ),
    (r"TooManyLoadBalancers", "The quota of load balancers in this region is used up; ask AWS for more."),
    (r"TooManyCertificates", "The NLB has as many certificates as its quota allows."),
    (r"TooManyListeners|TooManyTargets|TargetGroupAssociationLimit", "A quota of the load balancer is used up."),
    (r"DuplicateLoadBalancerName", "Another load balancer has the same name with other settings."),
    (r"[Uu]nused port in ssl-ports", "The annotation ssl-ports names a port that the Service does not have."),
    (r"InvalidSubnet", "A subnet cannot take this load balancer (free addresses, internet gateway?)."),
    (r"AllocationIdNotFound|EIP allocation", "The elastic addresses do not fit the load balancer's subnets."),
    (r"expected exactly one securityGroup", "A node's network interface has several security groups of the cluster."),
    (r"Throttling|Rate exceeded|RequestLimitExceeded", "AWS is slowing the controller down; it tries again by itself."),
)


def explain(events: Sequence[ControllerEvent]) -> str:
    """The trouble as one or two sentences with the raw text; empty if the newest word of the controller is good."""
    for event in reversed(events):
        if event.reason == "SuccessfullyReconciled":
            return ""
        if event.type == "Warning":
            raw = _brief(_stable(event.message))
            meaning = next((text for pattern, text in MEANINGS if re.search(pattern, event.message)), "")
            said = f"The controller says {event.reason}: “{raw}”"
            return f"{meaning} {said}" if meaning else said
    return ""


def _stable(text: str) -> str:
    """Without what differs at each retry of the same trouble, so that it is told once."""
    text = text.removeprefix("(combined from similar events): ")
    return re.sub(r"\b[Rr]equest ?ID: [\w-]+,? ?", "", text)


def _brief(text: str, limit: int = 300) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= limit else one_line[: limit - 1] + "…"
