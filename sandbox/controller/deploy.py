"""Make AWS equal to a model: target groups, load balancer, listeners, targets. Does nothing where it already is.

The order is the controller's: target groups, load balancer, listeners, and last the target groups that nobody needs.
A changed scheme deletes the old load balancer before the new one is made, as the controller does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.controller.inventory import CLUSTER_TAG, LOAD_BALANCER, RESOURCE_TAG, STACK_TAG, Inventory
from sandbox.controller.listeners import sync_listeners
from sandbox.controller.model import HealthCheck, Model, Pairs, TargetGroup

if TYPE_CHECKING:
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client

#: AWS holds more or less than the inventory says (so does a lost answer)
_SURPRISES = ("DuplicateLoadBalancerName", "DuplicateTargetGroupName", "LoadBalancerNotFound", "TargetGroupNotFound")
_PROTECTION = {"Key": "deletion_protection.enabled", "Value": "false"}


@dataclass(frozen=True)
class Deployed:
    """What now exists for a model."""

    load_balancer_arn: str
    dns_name: str
    vpc_id: str
    target_groups: dict[str, str]  #: ARN by target group name


class Deployer:
    """The controller's hands in AWS, over boto3. Errors are botocore's."""

    def __init__(self, elbv2: "ElasticLoadBalancingv2Client", cluster: str) -> None:
        self._elbv2, self._cluster = elbv2, cluster
        self._inventory = Inventory(elbv2, cluster)

    def deploy(self, model: Model, subnets: Iterable[tuple[str, str]]) -> Deployed:
        """Create or update everything in the model. `subnets` are (subnet id, VPC id)."""
        chosen = list(subnets)
        try:
            vpc_id = chosen[0][1]
            groups = {group.name: self._target_group(model, group, vpc_id) for group in model.target_groups}
            arn, dns_name = self._load_balancer(model, [subnet for subnet, _ in chosen])
            sync_listeners(self._elbv2, arn, model, groups, partial(self._tags, model))
            for name in set(self._inventory.target_groups(model.stack)) - set(groups):
                self._delete_target_group(model.stack, name)
        except (ClientError, BotoCoreError) as error:
            self._doubt(error)
            raise
        return Deployed(arn, dns_name, vpc_id, groups)

    def clean_up(self, stack: str) -> None:
        """Delete everything of a stack: load balancers with their listeners first, then target groups."""
        try:
            for arn in self._inventory.load_balancers(stack):
                self._delete_load_balancer(stack, arn)
            for name in self._inventory.target_groups(stack):
                self._delete_target_group(stack, name)
        except (ClientError, BotoCoreError) as error:
            self._doubt(error)
            raise

    def sync_targets(self, target_group_arn: str, wanted: set[tuple[str, int]]) -> None:
        """Register what is missing, then deregister what is too much (hand-registered strangers too)."""
        health = self._elbv2.describe_target_health(TargetGroupArn=target_group_arn)["TargetHealthDescriptions"]
        registered = {
            (item["Target"]["Id"], item["Target"]["Port"])
            for item in health
            if item["TargetHealth"].get("State") != "draining"
        }
        if missing := wanted - registered:
            self._elbv2.register_targets(TargetGroupArn=target_group_arn, Targets=_targets(missing))
        if surplus := registered - wanted:
            self._elbv2.deregister_targets(TargetGroupArn=target_group_arn, Targets=_targets(surplus))

    def _doubt(self, error: ClientError | BotoCoreError) -> None:
        code = error.response["Error"].get("Code", "") if isinstance(error, ClientError) else None
        if code is None or code in _SURPRISES:
            self._inventory.doubt()

    def _tags(self, model: Model, resource: str) -> list[Any]:
        tags = {**dict(model.tags), CLUSTER_TAG: self._cluster, STACK_TAG: model.stack, RESOURCE_TAG: resource}
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def _target_group(self, model: Model, group: TargetGroup, vpc_id: str) -> str:
        arn = self._inventory.target_groups(model.stack).get(group.name)
        existing = self._describe_target_group(arn) if arn else None
        if existing is None:
            answer = self._elbv2.create_target_group(
                Name=group.name,
                Protocol=_any(group.protocol),
                Port=group.port,
                VpcId=vpc_id,
                TargetType=_any(group.target_type),
                Tags=self._tags(model, group.resource),
                **_health_settings(group.health_check),
            )
            arn = answer["TargetGroups"][0]["TargetGroupArn"]
            self._inventory.has_target_group(model.stack, group.name, arn)
        elif changed := _differences(_health_settings(group.health_check), existing):
            self._elbv2.modify_target_group(TargetGroupArn=existing["TargetGroupArn"], **changed)
        assert arn is not None  # noqa: S101 -- known, or just created
        self._target_group_attributes(arn, group.attributes)
        return arn

    def _describe_target_group(self, arn: str) -> Any:
        try:
            return self._elbv2.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]
        except self._elbv2.exceptions.TargetGroupNotFoundException:
            return None

    def _target_group_attributes(self, arn: str, wanted: Pairs) -> None:
        answer = self._elbv2.describe_target_group_attributes(TargetGroupArn=arn)
        if changed := _changed_attributes(wanted, answer["Attributes"]):
            self._elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=changed)

    def _load_balancer(self, model: Model, subnets: list[str]) -> tuple[str, str]:
        """(ARN, DNS name) of the one load balancer that the model wants."""
        keep = None
        for arn in self._inventory.load_balancers(model.stack):
            existing = self._describe_load_balancer(arn)
            if existing is None:
                self._inventory.lost_load_balancer(model.stack, arn)
            elif existing["Scheme"] != model.scheme or keep is not None:
                self._delete_load_balancer(model.stack, arn)
            else:
                keep = existing
        if keep is None:
            keep = self._create_load_balancer(model, subnets)
        elif keep.get("IpAddressType", "ipv4") != model.ip_address_type:
            self._elbv2.set_ip_address_type(
                LoadBalancerArn=keep["LoadBalancerArn"], IpAddressType=_any(model.ip_address_type)
            )
        arn = keep["LoadBalancerArn"]
        if model.attributes:
            current = self._elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
            if changed := _changed_attributes(model.attributes, current):
                self._elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=changed)
        return arn, keep["DNSName"].lower()

    def _create_load_balancer(self, model: Model, subnets: list[str]) -> Any:
        created = self._elbv2.create_load_balancer(
            Name=model.name,
            Type="network",
            Scheme=_any(model.scheme),
            IpAddressType=_any(model.ip_address_type),
            Subnets=subnets,
            Tags=self._tags(model, LOAD_BALANCER),
        )["LoadBalancers"][0]
        self._inventory.has_load_balancer(model.stack, created["LoadBalancerArn"])
        return created

    def _describe_load_balancer(self, arn: str) -> Any:
        try:
            return self._elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]
        except self._elbv2.exceptions.LoadBalancerNotFoundException:
            return None

    def _delete_load_balancer(self, stack: str, arn: str) -> None:
        if self._describe_load_balancer(arn) is not None:
            attributes = self._elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
            if {"Key": _PROTECTION["Key"], "Value": "true"} in attributes:
                # The controller does so too: only the Service's annotation stops it, and that was asked before.
                self._elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[_any(_PROTECTION)])
            self._elbv2.delete_load_balancer(LoadBalancerArn=arn)
        self._inventory.lost_load_balancer(stack, arn)

    def _delete_target_group(self, stack: str, name: str) -> None:
        arn = self._inventory.target_groups(stack)[name]
        if self._describe_target_group(arn) is not None:
            self._elbv2.delete_target_group(TargetGroupArn=arn)
        self._inventory.lost_target_group(stack, name)


def _any(value: Any) -> Any:
    """A checked string for a parameter that boto3's types know only as a literal."""
    return value


def _health_settings(check: HealthCheck) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckIntervalSeconds": check.interval,
        "HealthCheckTimeoutSeconds": check.timeout,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
    }
    if check.path is not None:
        settings["HealthCheckPath"] = check.path
    if check.matcher is not None:
        settings["Matcher"] = {"HttpCode": check.matcher}
    return settings


def _differences(wanted: dict[str, Any], existing: Any) -> dict[str, Any]:
    """All settings if one differs: AWS wants protocol and path together."""
    return wanted if any(existing.get(key) != value for key, value in wanted.items()) else {}


def _changed_attributes(wanted: Pairs, current: Iterable[Any]) -> list[Any]:
    """Only what is named is managed: an attribute that is no longer named keeps its value."""
    known = {item["Key"]: item.get("Value") for item in current}
    return [{"Key": key, "Value": value} for key, value in wanted if known.get(key) != value]


def _targets(addresses: Iterable[tuple[str, int]]) -> list[Any]:
    return [{"Id": ip, "Port": port} for ip, port in sorted(addresses)]
