"""Target groups and the health of their targets, per address and port."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from moto.elbv2.models import ELBv2Backend

from sandbox.aws import model
from sandbox.aws.balancers import refuse
from sandbox.aws.world import World

NLB_ATTRIBUTES = {
    "deregistration_delay.timeout_seconds": "300",
    "deregistration_delay.connection_termination.enabled": "false",
    "proxy_protocol_v2.enabled": "false",
    "stickiness.enabled": "false",
    "stickiness.type": "source_ip",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
}


class TargetBackend(ELBv2Backend):  # type: ignore[misc]
    """The target groups of one region."""

    world: World

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._group_settings: dict[str, Mapping[str, Any]] = {}
        self._targets: dict[str, dict[tuple[str, int], model.Target]] = {}

    def create_target_group(self, name: str, **kwargs: Any) -> Any:
        """A new target group, or the existing one if name and settings are the same."""
        settings = {key: value for key, value in kwargs.items() if value is not None}
        with self.world.lock:
            for group in self.target_groups.values():
                if group.name == name and self._group_settings.get(group.arn) == settings:
                    return group
                if group.name == name:
                    message = f"A target group with the same name '{name}' exists, but with different settings"
                    refuse("DuplicateTargetGroupName", message)
            group = super().create_target_group(name, **kwargs)
            if group.protocol in ("TCP", "TLS", "UDP", "TCP_UDP"):
                keep_ip = group.target_type == "instance" or group.protocol in ("UDP", "TCP_UDP")
                group.attributes = {**NLB_ATTRIBUTES, "preserve_client_ip.enabled": str(keep_ip).lower()}
            self._group_settings[group.arn] = settings
            self._targets[group.arn] = {}
            return group

    def group(self, arn: str) -> Any:
        """The target group with this ARN. Raises TargetGroupNotFound."""
        if arn not in self.target_groups:
            refuse("TargetGroupNotFound", f"Target groups '{arn}' not found")
        return self.target_groups[arn]

    def register_targets(self, target_group_arn: str, instances: list[Any]) -> None:
        group = self.group(target_group_arn)
        with self.world.lock:
            for key in (_target_key(item, group) for item in instances):
                self._targets[group.arn].setdefault(key, model.Target(*key))

    def deregister_targets(self, target_group_arn: str, instances: list[dict[str, Any]]) -> None:
        """Forget the targets at once: draining is not modelled. Without a port, every port of the address."""
        group = self.group(target_group_arn)
        with self.world.lock:
            for item in instances:
                port = item.get("Port")
                gone = [k for k in self._targets[group.arn] if k[0] == item["Id"] and port in (None, k[1], str(k[1]))]
                if not gone:
                    refuse("InvalidTarget", f"The following targets are not registered: '{item['Id']}'")
                for key in gone:
                    del self._targets[group.arn][key]

    def describe_target_health(self, target_group_arn: str, targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Health per address and port, as the data plane last said it."""
        group = self.group(target_group_arn)
        known = self._targets[group.arn]
        keys = [_target_key(item, group) for item in targets or []] or list(known)
        return [self._health(group, key, known.get(key)) for key in keys]

    def _health(self, group: Any, key: tuple[str, int], target: model.Target | None) -> dict[str, Any]:
        state, reason, text = "unused", "Target.NotRegistered", "Target is not registered to the target group"
        if target is not None and not group.load_balancer_arns:
            reason, text = "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
        elif target is not None:
            state, reason, text = target.state, target.reason or "", target.description or ""
        port = str(key[1]) if group.health_check_port in (None, "traffic-port") else str(group.health_check_port)
        health = {"State": state, "Reason": reason or None, "Description": text or None}
        return {"Target": {"Id": key[0], "Port": key[1]}, "HealthCheckPort": port, "TargetHealth": health}

    def set_health(
        self, group_arn: str, ip: str, port: int, state: str, reason: str | None, description: str | None
    ) -> None:
        """Note what a health check found. A target that is no longer registered is left alone."""
        with self.world.lock:
            targets = self._targets.get(group_arn, {})
            if target := targets.get((ip, port)):
                targets[(ip, port)] = replace(target, state=state, reason=reason, description=description)

    def group_view(self, arn: str) -> model.TargetGroup | None:
        """The target group as the data plane sees it; None if there is none."""
        group = self.target_groups.get(arn)
        if group is None:
            return None
        check = model.HealthCheck(
            enabled=bool(group.health_check_enabled),
            protocol=group.health_check_protocol,
            port=str(group.health_check_port or "traffic-port"),
            path=group.health_check_path,
            interval=int(group.health_check_interval_seconds),
            timeout=int(group.health_check_timeout_seconds),
            healthy_threshold=int(group.healthy_threshold_count),
            unhealthy_threshold=int(group.unhealthy_threshold_count),
            success_codes=(getattr(group, "matcher", None) or {}).get("HttpCode"),
        )
        targets = tuple(self._targets.get(arn, {}).values())
        attributes = {key: str(value) for key, value in group.attributes.items()}
        return model.TargetGroup(
            arn, group.name, group.protocol, int(group.port), group.target_type, check, targets, attributes
        )


def _target_key(item: Mapping[str, Any], group: Any) -> tuple[str, int]:
    return item["Id"], int(item.get("Port") or group.port)
