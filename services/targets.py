"""Which Service a bare `/nlbtls create app.example.com` means. Pure.

A candidate is named by configuration, by an annotation of ours on the Service, or by having the first label of the
host name as its name; and only if policy allows it for this host name and requester. One is planned with; several or
none are shown, and nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.hostnames import matches
from services.model import Target
from services.ownership import HOSTNAME_ANNOTATION, INSTALLATION
from services.policy import Policy, Rule, allows_target
from services.ports import Service
from services.wish import Wish

ServicesByCluster = Mapping[str, Sequence[Service]]


def named_targets(
    hostname: str, wish: Wish, policy: Policy, rules: Sequence[Rule], services: ServicesByCluster
) -> list[Target]:
    """Candidates that something names, each once with all its reasons, in a stable order."""
    found: dict[str, Target] = {}
    for target in (*_configured(hostname, policy, services), *_by_service(hostname, services)):
        if not _wanted(target, wish) or not any(allows_target(r, target) for r in rules):
            continue
        known = found.get(target.ref)
        found[target.ref] = replace(known, reason=f"{known.reason}; {target.reason}") if known else target
    return list(found.values())


def allowed_targets(wish: Wish, rules: Sequence[Rule], services: ServicesByCluster) -> list[Target]:
    """Every Service that policy allows and that could be a source, for the person to choose from."""
    targets = [
        Target(cluster, s.namespace, s.name, "allowed by policy; nothing names it for this host")
        for cluster, found in services.items()
        for s in found
        if _could_be_source(s)
    ]
    allowed = [t for t in targets if _wanted(t, wish) and any(allows_target(r, t) for r in rules)]
    return sorted(allowed, key=lambda t: t.ref)


def _configured(hostname: str, policy: Policy, services: ServicesByCluster) -> list[Target]:
    rules = [t for t in policy.targets if any(matches(p, hostname) for p in t.hostnames)]
    existing = {(c, s.namespace, s.name) for c, found in services.items() for s in found}
    return [
        Target(t.cluster, t.namespace, t.service, f"configured for {', '.join(t.hostnames)}")
        for t in rules
        if (t.cluster, t.namespace, t.service) in existing
    ]


def _by_service(hostname: str, services: ServicesByCluster) -> list[Target]:
    label = hostname.partition(".")[0]
    found = []
    for cluster, listed in services.items():
        for service in filter(_could_be_source, listed):
            if hostname in service.annotations.get(HOSTNAME_ANNOTATION, "").replace(",", " ").split():
                reason = f"its annotation {HOSTNAME_ANNOTATION} says so"
                found.append(Target(cluster, service.namespace, service.name, reason))
            if service.name == label:
                found.append(Target(cluster, service.namespace, service.name, "named like the host's first label"))
    return found


def _could_be_source(service: Service) -> bool:
    return INSTALLATION not in service.labels and bool(service.selector) and not service.deleting


def _wanted(target: Target, wish: Wish) -> bool:
    return (
        wish.cluster in ("", target.cluster)
        and wish.namespace in ("", target.namespace)
        and wish.service in ("", target.service)
    )
