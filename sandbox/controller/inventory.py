"""Which load balancers and target groups belong to which Service, found by their tags."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client

CLUSTER_TAG = "elbv2.k8s.aws/cluster"
STACK_TAG = "service.k8s.aws/stack"
RESOURCE_TAG = "service.k8s.aws/resource"
LOAD_BALANCER = "LoadBalancer"  #: value of RESOURCE_TAG on a load balancer

_TAGS_AT_ONCE = 20  #: ELBv2 takes so many ARNs in one DescribeTags


class Inventory:
    """Read once from AWS and then kept by whoever creates and deletes, like the real controller's tagging cache.

    Without it every reconcile would describe every load balancer of the account.
    """

    def __init__(self, elbv2: "ElasticLoadBalancingv2Client", cluster: str) -> None:
        self._elbv2, self._cluster = elbv2, cluster
        self._load_balancers: dict[str, list[str]] = defaultdict(list)
        self._target_groups: dict[str, dict[str, str]] = defaultdict(dict)
        self._loaded = False

    def load_balancers(self, stack: str) -> list[str]:
        """ARNs of the stack's load balancers: one, or two after a crash in the middle of a replacement."""
        self._load()
        return list(self._load_balancers[stack])

    def target_groups(self, stack: str) -> dict[str, str]:
        """ARN by name."""
        self._load()
        return dict(self._target_groups[stack])

    def has_load_balancer(self, stack: str, arn: str) -> None:
        """Note a load balancer that now exists."""
        if arn not in self._load_balancers[stack]:
            self._load_balancers[stack].append(arn)

    def has_target_group(self, stack: str, name: str, arn: str) -> None:
        """Note a target group that now exists."""
        self._target_groups[stack][name] = arn

    def lost_load_balancer(self, stack: str, arn: str) -> None:
        """Note a load balancer that is gone."""
        if arn in self._load_balancers[stack]:
            self._load_balancers[stack].remove(arn)

    def lost_target_group(self, stack: str, name: str) -> None:
        """Note a target group that is gone."""
        self._target_groups[stack].pop(name, None)

    def doubt(self) -> None:
        """Read everything anew before the next answer: a call failed after which AWS may hold more than is known."""
        self._loaded = False

    def _load(self) -> None:
        if self._loaded:
            return
        self._load_balancers.clear()
        self._target_groups.clear()
        names = {
            item["LoadBalancerArn"]: item["LoadBalancerName"]
            for page in self._elbv2.get_paginator("describe_load_balancers").paginate()
            for item in page["LoadBalancers"]
        } | {
            item["TargetGroupArn"]: item["TargetGroupName"]
            for page in self._elbv2.get_paginator("describe_target_groups").paginate()
            for item in page["TargetGroups"]
        }
        for arn, tags in self._tags(names):
            if tags.get(CLUSTER_TAG) != self._cluster or STACK_TAG not in tags:
                continue
            if tags.get(RESOURCE_TAG) == LOAD_BALANCER:
                self.has_load_balancer(tags[STACK_TAG], arn)
            else:
                self.has_target_group(tags[STACK_TAG], names[arn], arn)
        self._loaded = True

    def _tags(self, arns: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
        every = list(arns)
        for start in range(0, len(every), _TAGS_AT_ONCE):
            answer = self._elbv2.describe_tags(ResourceArns=every[start : start + _TAGS_AT_ONCE])
            for item in answer["TagDescriptions"]:
                yield item["ResourceArn"], {tag["Key"]: tag.get("Value", "") for tag in item["Tags"]}
