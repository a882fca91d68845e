"""ELBv2 over moto: network load balancers that provision for a while, and strict listeners."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import Any

from moto.acm.models import acm_backends
from moto.core.responses import ActionResult
from moto.elb.models import ELBBackend
from moto.elbv2.exceptions import SubnetNotFoundError
from moto.elbv2.models import FakeAction, FakeListener
from moto.elbv2.responses import ELBV2Response
from moto.elbv2.ssl_policies import SSL_POLICIES, build_policy

from sandbox.aws import model
from sandbox.aws.balancers import NetworkLoadBalancer, forwards, identifier, refuse
from sandbox.aws.targets import TargetBackend
from sandbox.aws.world import World

FAULTS = {
    "nlb-stays-provisioning": "New load balancers stay in the state provisioning and their names do not resolve.",
    "nlb-fails": "New load balancers end in the state failed instead of active.",
}

#: moto knows the policies without FIPS; those with it offer the same protocols and ciphers for what is tried here.
POLICIES = SSL_POLICIES | {
    f"ELBSecurityPolicy-{kind}-FIPS-PQ-2025-09": {
        **SSL_POLICIES[f"ELBSecurityPolicy-{kind}-PQ-2025-09"],
        "name": f"ELBSecurityPolicy-{kind}-FIPS-PQ-2025-09",
    }
    for kind in ("TLS13-1-2-Res", "TLS13-1-3")
}
DEFAULT_POLICY = "ELBSecurityPolicy-2016-08"
ARNS_PER_CALL = 20
PAGE = 400
CERTIFICATES_PER_BALANCER = 25


class BalancerBackend(TargetBackend):
    """Load balancers and listeners of one region, beside its target groups."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._views: tuple[model.LoadBalancer, ...] | None = None

    # -- load balancers

    def create_load_balancer(self, name: str, **kwargs: Any) -> Any:
        """A new load balancer, or the existing one if name and settings are the same."""
        if kwargs.get("loadbalancer_type") != "network":
            return super().create_load_balancer(name, **kwargs)
        _check_name(name)
        tags = kwargs.pop("tags", None) or []
        settings = kwargs | {"tags": sorted((tag["Key"], tag.get("Value", "")) for tag in tags)}
        with self.world.lock:
            for balancer in self.load_balancers.values():
                if balancer.name == name and getattr(balancer, "settings", None) == settings:
                    return balancer
                if balancer.name == name:
                    message = f"A load balancer with the same name '{name}' exists, but with different settings"
                    refuse("DuplicateLoadBalancerName", message)
            balancer = self._new_balancer(name, kwargs)
            balancer.settings = settings
            self.load_balancers[balancer.arn] = balancer
            self._changed()
            self.tagging_service.tag_resource(balancer.arn, tags)
            return balancer

    def _new_balancer(self, name: str, wanted: Mapping[str, Any]) -> NetworkLoadBalancer:
        mappings = wanted.get("subnet_mappings") or []
        ids = list(wanted.get("subnet_ids") or []) + [mapping["SubnetId"] for mapping in mappings]
        subnets = [self.ec2_backend.get_subnet(subnet_id) for subnet_id in ids]
        if not subnets or None in subnets:
            raise SubnetNotFoundError
        tail = identifier()
        scope = f"arn:{self.partition}:elasticloadbalancing:{self.region_name}:{self.account_id}"
        return NetworkLoadBalancer(
            self.world,
            self.region_name,
            name=name,
            security_groups=wanted.get("security_groups") or [],
            subnets=subnets,
            vpc_id=subnets[0].vpc_id,
            arn=f"{scope}:loadbalancer/net/{name}/{tail}",
            dns_name=f"{name}-{tail}.elb.{self.region_name}.amazonaws.com",
            scheme=wanted.get("scheme") or "internet-facing",
            ip_address_type=wanted.get("ip_address_type") or "ipv4",
        )

    def describe_load_balancers(self, arns: list[str] | None, names: list[str] | None) -> list[Any]:
        """All load balancers, or exactly those asked for. Raises LoadBalancerNotFound if one of them is not there."""
        balancers = list(self.load_balancers.values())
        if arns and names:
            refuse("ValidationError", "Load balancer names and load balancer ARNs cannot be specified at the same time")
        if missing := set(arns or ()) - {balancer.arn for balancer in balancers}:
            refuse("LoadBalancerNotFound", f"Load balancers '[{', '.join(sorted(missing))}]' not found")
        if missing := set(names or ()) - {balancer.name for balancer in balancers}:
            refuse("LoadBalancerNotFound", f"Load balancers '[{', '.join(sorted(missing))}]' not found")
        if arns or names:
            balancers = [b for b in balancers if b.arn in (arns or ()) or b.name in (names or ())]
        for balancer in balancers:
            balancer.activate()
        return balancers

    def delete_load_balancer(self, arn: str) -> None:
        balancer = self.load_balancers.get(arn)
        if balancer is not None and balancer.attrs.get("deletion_protection.enabled") == "true":
            message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            refuse("OperationNotPermitted", message)
        with self.world.lock:
            self.load_balancers.pop(arn, None)
            self._changed()

    def set_ip_address_type(self, arn: str, ip_type: str) -> None:
        super().set_ip_address_type(arn, ip_type)
        self._changed()

    # -- listeners

    def open_listener(self, balancer_arn: str, wanted: Mapping[str, Any]) -> Any:
        """A new listener, or the existing one on this port if all settings are the same."""
        balancer = self.load_balancers.get(balancer_arn)
        if balancer is None:
            refuse("LoadBalancerNotFound", f"Load balancer '{balancer_arn}' not found")
        with self.world.lock:
            for listener in balancer.listeners.values():
                if int(listener.port) == int(wanted["Port"]):
                    if listener.settings == wanted:
                        return listener
                    message = f"A listener already exists on this port for this load balancer '{balancer_arn}'"
                    refuse("DuplicateListener", message)
            self._validate_port_and_protocol(balancer.type, wanted["Port"], wanted["Protocol"])
            listener = self._new_listener(balancer_arn, wanted)
            balancer.listeners[listener.arn] = listener
            self.tagging_service.tag_resource(listener.arn, wanted.get("Tags"))
            self._changed()
            return listener

    def _new_listener(self, balancer_arn: str, wanted: Mapping[str, Any]) -> Any:
        certificates = [item["CertificateArn"] for item in wanted.get("Certificates") or []]
        policy = self._check_tls(wanted["Protocol"], certificates, wanted.get("SslPolicy"))
        actions = [FakeAction(deepcopy(action)) for action in wanted.get("DefaultActions") or []]
        self._validate_actions(actions)
        listener = FakeListener(
            load_balancer_arn=balancer_arn,
            arn=f"{balancer_arn.replace(':loadbalancer/', ':listener/')}/{identifier()}",
            protocol=wanted["Protocol"],
            port=wanted["Port"],
            ssl_policy=policy,
            certificate=next(iter(certificates), None),
            default_actions=actions,
            alpn_policy=wanted.get("AlpnPolicy"),
        )
        listener.settings = wanted
        return listener

    def _check_tls(self, protocol: str, certificates: Sequence[str], policy: str | None) -> str | None:
        """The security policy of a listener with this protocol; None without TLS."""
        if protocol not in ("TLS", "HTTPS"):
            if certificates or policy:
                message = "A certificate or security policy cannot be specified for this listener protocol"
                refuse("InvalidConfigurationRequest", message)
            return None
        if len(certificates) != 1:
            refuse("ValidationError", f"Exactly one certificate must be specified for {protocol} listeners")
        for arn in certificates:
            self.check_certificate(arn)
        if policy is not None and policy not in POLICIES:
            refuse("SSLPolicyNotFound", f"SSL policy '{policy}' not found")
        return policy or DEFAULT_POLICY

    def check_certificate(self, arn: str) -> None:
        """Refuse a certificate that is not of this region, or not issued: ELB's words for it mislead, as in AWS."""
        certificate = acm_backends[self.account_id][self.region_name]._certificates.get(arn)
        if certificate is None:
            refuse("CertificateNotFound", f"Certificate '{arn}' not found")
        certificate.check()
        if certificate.status != "ISSUED":
            need = "a fully-qualified domain name, a supported signature, and a supported key size"
            refuse("UnsupportedCertificate", f"The certificate '{arn}' must have {need}.")

    def listener(self, arn: str) -> Any:
        """The listener with this ARN. Raises ListenerNotFound."""
        return self.describe_listeners(None, [arn])[0]

    def change_listener(self, arn: str, wanted: Mapping[str, Any]) -> Any:
        """Change what is given. The SNI certificates stay; the default certificate is replaced."""
        listener = self.listener(arn)
        with self.world.lock:
            protocol = wanted.get("Protocol") or listener.protocol
            given = [item["CertificateArn"] for item in wanted.get("Certificates") or []]
            certificates = given or listener.certificates[:1]
            tls = protocol in ("TLS", "HTTPS")
            policy = wanted.get("SslPolicy") or (listener.ssl_policy if tls else None)
            listener.ssl_policy = self._check_tls(protocol, certificates if tls else given, policy)
            listener.protocol, listener.port = protocol, wanted.get("Port") or listener.port
            listener.certificates = list(dict.fromkeys([*certificates, *listener.certificates[1:]])) if tls else []
            listener.certificate = next(iter(listener.certificates), None)
            listener.alpn_policy = wanted.get("AlpnPolicy") or listener.alpn_policy
            if wanted.get("DefaultActions"):
                actions = [FakeAction(deepcopy(action)) for action in wanted["DefaultActions"]]
                self._validate_actions(actions)
                listener.default_actions = listener._default_rule[0].actions = actions
            listener.settings = {**listener.settings, **wanted}
            self._changed()
        return listener

    def delete_listener(self, listener_arn: str) -> Any:
        with self.world.lock:
            listener = super().delete_listener(listener_arn)
            self._changed()
            return listener

    def add_listener_certificates(self, arn: str, certificates: list[dict[str, Any]]) -> list[str]:
        listener = self.listener(arn)
        given = [item["CertificateArn"] for item in certificates]
        for certificate in given:
            self.check_certificate(certificate)
        with self.world.lock:
            certificates = list(dict.fromkeys([*listener.certificates, *given]))
            if len(certificates) > CERTIFICATES_PER_BALANCER:
                refuse(
                    "TooManyCertificates", "You've reached the limit on the number of certificates per load balancer"
                )
            listener.certificates = certificates
            self._changed()
        return given

    def remove_listener_certificates(self, arn: str, certificates: list[dict[str, Any]]) -> None:
        listener = self.listener(arn)
        if any(item["CertificateArn"] == listener.certificate for item in certificates):
            refuse("OperationNotPermitted", "The default certificate cannot be removed from a listener")
        with self.world.lock:
            super().remove_listener_certificates(arn, certificates)
            self._changed()

    def views(self) -> tuple[model.LoadBalancer, ...]:
        """All network load balancers. The same tuple as long as nothing changed: every DNS answer asks for it."""
        with self.world.lock:
            found = [b for b in self.load_balancers.values() if isinstance(b, NetworkLoadBalancer)]
            for balancer in found:
                balancer.activate()
            if self._views is None or [view.state for view in self._views] != [b.state for b in found]:
                self._views = tuple(balancer.view() for balancer in found)
            return self._views

    def _changed(self) -> None:
        """Write into every target group which load balancers use it, and forget the views."""
        self._views = None
        users: dict[str, list[str]] = {}
        for balancer in self.load_balancers.values():
            for listener in balancer.listeners.values():
                for group_arn in forwards(listener.default_actions):
                    users.setdefault(group_arn, []).append(balancer.arn)
        for group in self.target_groups.values():
            group.load_balancer_arns = list(dict.fromkeys(users.get(group.arn, [])))


class SharedHostBackend(ELBBackend):  # type: ignore[misc]
    """Classic ELB shares its host with ELBv2, and moto asks it first. Classic load balancers are not modelled."""

    world: World

    @property
    def url_paths(self) -> dict[str, Callable[..., Any]]:
        return {"/": BalancerResponse.dispatch}


class BalancerResponse(ELBV2Response):  # type: ignore[misc]
    """The operations whose requests or answers moto gets wrong."""

    RESPONSE_KEY_PATH_TO_TRANSFORMER = MappingProxyType(
        {
            **ELBV2Response.RESPONSE_KEY_PATH_TO_TRANSFORMER,
            **{
                f"{operation}Output.Listeners.Listener.Certificates": lambda arns: [
                    {"CertificateArn": arn}
                    for arn in arns[:1]  # those for SNI are not shown here
                ]
                for operation in ("CreateListener", "ModifyListener", "DescribeListeners")
            },
        }
    )

    def describe_load_balancers(self) -> ActionResult:
        arns, names = self._get_param("LoadBalancerArns") or [], self._get_param("Names") or []
        size = int(self._get_param("PageSize") or PAGE)
        if max(len(arns), len(names)) > ARNS_PER_CALL:
            refuse("ValidationError", f"The number of load balancers described cannot exceed '{ARNS_PER_CALL}'")
        if not 1 <= size <= PAGE:
            refuse("ValidationError", f"Page size must be between '1' and '{PAGE}'")
        balancers = self.elbv2_backend.describe_load_balancers(arns, names)
        start = _decode_marker(self._get_param("Marker"), balancers)
        page = balancers[start : start + size]
        more = base64.b64encode(page[-1].arn.encode()).decode() if start + size < len(balancers) else None
        return ActionResult({"LoadBalancers": page, "NextMarker": more})

    def describe_tags(self) -> ActionResult:
        if len(self._get_param("ResourceArns") or []) > ARNS_PER_CALL:
            refuse("ValidationError", f"The number of resources described cannot exceed '{ARNS_PER_CALL}'")
        return super().describe_tags()

    def create_listener(self) -> ActionResult:
        wanted = {key: value for key, value in self._get_params().items() if key != "LoadBalancerArn"}
        return ActionResult(
            {"Listeners": [self.elbv2_backend.open_listener(self._get_param("LoadBalancerArn"), wanted)]}
        )

    def modify_listener(self) -> ActionResult:
        wanted = {key: value for key, value in self._get_params().items() if key != "ListenerArn"}
        return ActionResult({"Listeners": [self.elbv2_backend.change_listener(self._get_param("ListenerArn"), wanted)]})

    def add_listener_certificates(self) -> ActionResult:
        added = self.elbv2_backend.add_listener_certificates(
            self._get_param("ListenerArn"), self._get_param("Certificates") or []
        )
        return ActionResult({"Certificates": [{"CertificateArn": arn, "IsDefault": False} for arn in added]})

    def describe_ssl_policies(self) -> ActionResult:
        names = self._get_param("Names") or list(POLICIES)
        if unknown := [name for name in names if name not in POLICIES]:
            refuse("SSLPolicyNotFound", f"SSL policy '{unknown[0]}' not found")
        return ActionResult({"SslPolicies": [build_policy(name, POLICIES[name]) for name in dict.fromkeys(names)]})


def _check_name(name: str) -> None:
    if len(name) > 32:
        refuse("ValidationError", f"The load balancer name '{name}' cannot be longer than '32' characters")
    if not re.fullmatch(r"(?!-)(?!internal-)[A-Za-z0-9-]+(?<!-)", name):
        message = (
            f"The load balancer name '{name}' can only contain characters that are alphanumeric characters and "
            "hyphens(-), and cannot begin or end with a hyphen or begin with 'internal-'"
        )
        refuse("ValidationError", message)


def _decode_marker(marker: str | None, balancers: Sequence[Any]) -> int:
    """Where the page begins: after the load balancer that the last page ended with."""
    if marker is None:
        return 0
    try:
        last = base64.b64decode(marker, validate=True).decode()
        return [balancer.arn for balancer in balancers].index(last) + 1
    except ValueError:
        refuse("ValidationError", f"Invalid marker '{marker}'")
