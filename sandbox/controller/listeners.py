"""Make the listeners of one load balancer equal to the model, certificates for SNI included."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.controller.model import Listener, Model

if TYPE_CHECKING:
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client


def sync_listeners(
    elbv2: "ElasticLoadBalancingv2Client",
    load_balancer: str,
    model: Model,
    groups: dict[str, str],
    tags: Callable[[str], list[Any]],
) -> None:
    """Delete surplus ports first, then create and modify.

    `groups` gives the ARN of a target group by its name, `tags` the tags of a new listener by its resource name.
    """
    pages = elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=load_balancer)
    existing: dict[int, Any] = {item["Port"]: item for page in pages for item in page["Listeners"]}
    wanted = {listener.port: listener for listener in model.listeners}
    for port in set(existing) - set(wanted):
        elbv2.delete_listener(ListenerArn=existing[port]["ListenerArn"])
    for port, listener in wanted.items():
        settings = _settings(listener, groups[listener.target_group])
        if port not in existing:
            created = elbv2.create_listener(LoadBalancerArn=load_balancer, Tags=tags(str(port)), **settings)
            arn = created["Listeners"][0]["ListenerArn"]
        else:
            arn = existing[port]["ListenerArn"]
            if _differs(settings, existing[port]):
                elbv2.modify_listener(ListenerArn=arn, **settings)
        if listener.protocol == "TLS":
            _sync_certificates(elbv2, arn, listener.certificates)


def _settings(listener: Listener, target_group: str) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "Port": listener.port,
        "Protocol": listener.protocol,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": target_group}],
    }
    if listener.protocol == "TLS":
        settings["Certificates"] = [{"CertificateArn": listener.certificates[0]}]
        settings["SslPolicy"] = listener.ssl_policy
        if listener.alpn_policy is not None:
            settings["AlpnPolicy"] = [listener.alpn_policy]
    return settings


def _differs(settings: dict[str, Any], existing: Any) -> bool:
    if existing["DefaultActions"][0].get("TargetGroupArn") != settings["DefaultActions"][0]["TargetGroupArn"]:
        return True
    if "Certificates" in settings:
        default = [item["CertificateArn"] for item in existing.get("Certificates", [])][:1]
        if default != [item["CertificateArn"] for item in settings["Certificates"]]:
            return True
    alpn = (existing.get("AlpnPolicy") or ["None"])[:1]
    if alpn != settings.get("AlpnPolicy", ["None"]):
        return True
    return any(existing.get(key) != settings.get(key) for key in ("Protocol", "SslPolicy"))


def _sync_certificates(elbv2: "ElasticLoadBalancingv2Client", listener: str, wanted: tuple[str, ...]) -> None:
    """Everything but the default goes into the SNI list; what somebody added by hand is removed."""
    answer = elbv2.describe_listener_certificates(ListenerArn=listener)
    current = [item["CertificateArn"] for item in answer["Certificates"] if not item.get("IsDefault")]
    for arn in wanted[1:]:
        if arn not in current:
            elbv2.add_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": arn}])
    for arn in current:
        if arn not in wanted:
            elbv2.remove_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": arn}])
