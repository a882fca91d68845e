"""Who may ask for which host name on which target, and who may agree. Pure; default deny.

Rules come from the configuration file (bot/settings.py). The first rule in file order that allows everything asked
for is the rule that counts. Group membership is looked up by the caller and passed in as a value.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

from services.hostnames import matches
from services.model import Request, Scheme, Spec, Target

Members = Mapping[str, frozenset[str]]  #: group handle without "@" -> ids of its people

EVERYBODY = "*"


@dataclass(frozen=True)
class Rule:
    """One [[policy]] table of the configuration. Lists of patterns: any may match; an empty list allows nothing."""

    hostnames: tuple[str, ...]
    requesters: tuple[str, ...]  #: "*", "@group-handle" or a person's id
    approvers: tuple[str, ...]  #: "@group-handle" or a person's id; never "*"
    clusters: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ()
    services: tuple[str, ...] = ("*",)
    schemes: tuple[str, ...] = (Scheme.INTERNET_FACING.value,)
    source_ranges: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    channels: tuple[str, ...] = ("*",)
    approvals: int = 1
    four_eyes: bool = True
    expires_after: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class TargetRule:
    """One [[targets]] table: host names of this pattern belong to this Service."""

    hostnames: tuple[str, ...]
    cluster: str
    namespace: str
    service: str


@dataclass(frozen=True)
class Policy:
    """All rules, in file order."""

    rules: tuple[Rule, ...]
    targets: tuple[TargetRule, ...] = ()

    def rules_for(self, hostname: str) -> tuple[Rule, ...]:
        """Rules that speak of the host name at all."""
        return tuple(r for r in self.rules if any(matches(p, hostname) for p in r.hostnames))

    def admitting(self, hostname: str, person: str, channel: str, members: Members) -> tuple[Rule, ...]:
        """Rules that let this person ask for the host name in this channel."""
        return tuple(
            r
            for r in self.rules_for(hostname)
            if named(person, r.requesters, members) and any(fnmatchcase(channel, c) for c in r.channels)
        )

    def rule_for(self, spec: Spec, person: str, channel: str, members: Members) -> Rule | None:
        """The rule that allows the whole spec, or None."""
        return next((r for r in self.admitting(spec.hostname, person, channel, members) if allows(r, spec)), None)


def groups_named(names: Iterable[str]) -> frozenset[str]:
    """The group handles (without "@") among names of people and groups."""
    return frozenset(n[1:] for n in names if n.startswith("@"))


def named(person: str, names: Iterable[str], members: Members) -> bool:
    """Whether the person is named, alone or through a group. A group that is not in `members` names nobody."""
    return any(
        n in (EVERYBODY, person) or (n.startswith("@") and person in members.get(n[1:], frozenset())) for n in names
    )


def allows_namespace(rule: Rule, namespace: str) -> bool:
    """Whether the rule speaks of the namespace at all."""
    return any(fnmatchcase(namespace, p) for p in rule.namespaces)


def allows_target(rule: Rule, target: Target) -> bool:
    """Whether the rule lets its host names be given to this Service."""
    return (
        any(fnmatchcase(target.cluster, p) for p in rule.clusters)
        and allows_namespace(rule, target.namespace)
        and any(fnmatchcase(target.service, p) for p in rule.services)
    )


def allows(rule: Rule, spec: Spec) -> bool:
    """Whether the rule allows target, scheme and source ranges of the spec."""
    return (
        allows_target(rule, Target(spec.cluster, spec.namespace, spec.source, ""))
        and spec.scheme.value in rule.schemes
        and all(any(_inside(wanted, allowed) for allowed in rule.source_ranges) for wanted in effective_ranges(spec))
    )


def effective_ranges(spec: Spec) -> tuple[str, ...]:
    """Who can connect: without ranges the controller opens the load balancer to everybody (domain.md §1.2)."""
    return spec.source_ranges or ("0.0.0.0/0",)


def _inside(wanted: str, allowed: str) -> bool:
    inner, outer = ipaddress.ip_network(wanted), ipaddress.ip_network(allowed)
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def refusal(rules: Sequence[Rule], spec: Spec) -> str:
    """Why none of the rules that admit the person allows the spec, in one sentence."""
    target = Target(spec.cluster, spec.namespace, spec.source, "")
    fitting = [r for r in rules if allows_target(r, target)]
    if not fitting:
        return f"Policy does not let {spec.hostname} be given to the Service {target.ref}."
    fitting = [r for r in fitting if spec.scheme.value in r.schemes]
    if not fitting:
        return f"Policy does not allow the scheme {spec.scheme} for {spec.hostname}."
    ranges = ", ".join(effective_ranges(spec))
    allowed = ", ".join(sorted({n for r in fitting for n in r.source_ranges}))
    return f"Policy does not allow the source ranges {ranges} for {spec.hostname}. Allowed: {allowed}."


def may_approve(request: Request, rule: Rule, person: str, members: Members) -> str:
    """Empty if the person may approve the request now; else the reason, as one sentence to them."""
    if rule.four_eyes and person == request.requester:
        return "You asked for this yourself; somebody else has to approve it."
    if not named(person, rule.approvers, members):
        return f"You are not one of its approvers ({', '.join(rule.approvers)})."
    if person in request.approved_by:
        return "You approved it already; one person counts once."
    return ""


def may_reject(request: Request, rule: Rule | None, person: str, members: Members) -> str:
    """Empty if the person may end the request; else the reason. Whoever asked may always take it back."""
    if person == request.requester:
        return ""
    if rule is None:
        return "Policy names nobody any more who could decide this."
    if not named(person, rule.approvers, members):
        return f"You are not one of its approvers ({', '.join(rule.approvers)})."
    return ""


def possible_approvers(request: Request, rule: Rule, members: Members) -> frozenset[str]:
    """Everybody who could approve, so that a request which nobody can approve is refused at once."""
    people = {n for n in rule.approvers if not n.startswith("@")}
    for handle in groups_named(rule.approvers):
        people |= members.get(handle, frozenset())
    return frozenset(people - {request.requester} if rule.four_eyes else people)
