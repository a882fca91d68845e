"""What the load balancers should serve right now: from AWS's values to listeners on loopback. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sandbox.aws.model import Certificate, Listener, LoadBalancer, Target, TargetGroup

Address = tuple[str, int]  #: loopback address and port

_ATTACHED = ("TCP", "TLS")  #: what a socket can stand for; UDP is not modelled


@dataclass(frozen=True)
class Front:
    """One listener on one address of a load balancer."""

    protocol: str
    certificates: tuple[Certificate, ...]  #: the default first
    ssl_policy: str | None
    target_group: TargetGroup | None


def plan_fronts(
    load_balancers: Iterable[LoadBalancer],
    target_group: Callable[[str], TargetGroup | None],
    certificate: Callable[[str], Certificate | None],
    listen_port: Callable[[int], int],
    *,
    one_address_dead: bool = False,
) -> dict[Address, Front]:
    """Where to listen, and as what. A load balancer that is not active serves nothing; nor does a TLS listener
    without an issued default certificate. `one_address_dead` leaves out the last address of each."""
    fronts: dict[Address, Front] = {}
    for balancer in load_balancers:
        if balancer.state != "active":
            continue
        addresses = balancer.addresses[:-1] if one_address_dead else balancer.addresses
        for listener in balancer.listeners:
            front = _front(listener, target_group, certificate)
            if front is not None:
                fronts |= {(address, listen_port(listener.port)): front for address in addresses}
    return fronts


def _front(
    listener: Listener,
    target_group: Callable[[str], TargetGroup | None],
    certificate: Callable[[str], Certificate | None],
) -> Front | None:
    if listener.protocol not in _ATTACHED:
        return None
    group = target_group(listener.target_group_arn) if listener.target_group_arn else None
    found = [certificate(arn) for arn in dict.fromkeys(listener.certificate_arns)]
    if listener.protocol == "TLS" and (not found or found[0] is None or not found[0].leaf_pem):
        return None
    issued = tuple(item for item in found if item and item.leaf_pem) if listener.protocol == "TLS" else ()
    return Front(listener.protocol, issued, listener.ssl_policy, group)


def serving_groups(load_balancers: Iterable[LoadBalancer]) -> set[str]:
    """ARNs of the target groups that some listener forwards to: only those carry traffic and are health checked."""
    return {
        listener.target_group_arn
        for balancer in load_balancers
        for listener in balancer.listeners
        if listener.target_group_arn
    }


def eligible_targets(group: TargetGroup) -> list[Target]:
    """The targets that traffic goes to: the healthy ones, or all when none is (fail open)."""
    candidates = [target for target in group.targets if target.state != "draining"]
    return [target for target in candidates if target.state == "healthy"] or candidates


def is_on(attributes: Mapping[str, str], name: str) -> bool:
    """A boolean attribute of a target group."""
    return attributes.get(name) == "true"
