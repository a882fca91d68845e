"""Which subnets a load balancer goes into: the annotated ones, or discovery by role tag. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.controller.model import BuildFailure, Model

_ROLE = {"internet-facing": "kubernetes.io/role/elb", "internal": "kubernetes.io/role/internal-elb"}
_CLUSTER = "kubernetes.io/cluster/"
_FEWEST_FREE = 8  #: free addresses that a subnet must have


def choose_subnets(
    model: Model, subnets: Iterable[Mapping[str, Any]], cluster: str, *, exhausted: bool = False
) -> list[tuple[str, str]] | BuildFailure:
    """(subnet id, VPC id), one per zone, from DescribeSubnets' answer.

    `exhausted` stages F14: as if no subnet had a free address.
    """
    everything = [(subnet, _tags(subnet)) for subnet in subnets]
    if model.subnets:
        named = [subnet for subnet, tags in everything if {subnet["SubnetId"], tags.get("Name")} & set(model.subnets)]
        if len(named) != len(model.subnets):
            wanted = " ".join(model.subnets)
            return BuildFailure(f"couldn't find all subnets, nameOrIDs: [{wanted}], found: {len(named)}")
        return [(subnet["SubnetId"], subnet["VpcId"]) for subnet in named]
    tagged = [(subnet, tags) for subnet, tags in everything if tags.get(_ROLE[model.scheme]) in ("", "1")]
    evaluated = tagged or everything  # untagged subnets count since 2.12.1, by their route tables
    own = [subnet for subnet, tags in evaluated if not _is_of_another_cluster(tags, cluster)]
    roomy = [subnet for subnet in own if not exhausted and subnet["AvailableIpAddressCount"] >= _FEWEST_FREE]
    if not roomy:
        return BuildFailure(
            f"unable to resolve at least one subnet. Evaluated {len(evaluated)} subnets: "
            f"{len(evaluated) - len(own)} are tagged for other clusters, and "
            f"{len(own)} have insufficient available IP addresses"
        )
    by_zone: dict[str, Mapping[str, Any]] = {}
    for subnet in sorted(roomy, key=lambda item: str(item["SubnetId"])):
        by_zone.setdefault(subnet["AvailabilityZone"], subnet)
    return [(subnet["SubnetId"], subnet["VpcId"]) for subnet in by_zone.values()]


def _tags(subnet: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in subnet.get("Tags") or ()}


def _is_of_another_cluster(tags: Mapping[str, str], cluster: str) -> bool:
    clusters = {key.removeprefix(_CLUSTER) for key in tags if key.startswith(_CLUSTER)}
    return bool(clusters) and cluster not in clusters
