"""One network load balancer: its state follows the clock, its interfaces are loopback addresses."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from moto.core.errors import COMMON_ERROR_CODES
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import FakeLoadBalancer

from sandbox.aws import model
from sandbox.aws.world import World

#: The hosted zones that network load balancers live in, by region (domain.md §2).
ZONE_IDS = {
    "us-east-1": "Z26RNL4JYFTOTI",
    "us-east-2": "ZLMOA37VPKANP",
    "us-west-2": "Z18D5FSROUN65G",
    "eu-west-1": "Z2IFOLAFXWLO4F",
    "eu-central-1": "Z3F0SRJ5LGBH90",
}

# ELB answers with this code though its service model lacks it; moto warns of codes that a model lacks.
if "UnsupportedCertificate" not in COMMON_ERROR_CODES:
    COMMON_ERROR_CODES.append("UnsupportedCertificate")


def refuse(code: str, message: str) -> NoReturn:
    """Answer the call with this ELBv2 error."""
    raise ELBClientError(code, message)


def identifier() -> str:
    """The random tail of an ARN: 16 hexadecimal digits."""
    return secrets.token_hex(8)


class NetworkLoadBalancer(FakeLoadBalancer):  # type: ignore[misc]
    """A network load balancer: its state follows the clock, its interfaces are loopback addresses."""

    state: str

    def __init__(self, world: World, region: str, **kwargs: Any) -> None:
        super().__init__(state="provisioning", loadbalancer_type="network", **kwargs)
        self._world = world
        self._active_at = world.clock() + world.delays.load_balancer_active
        self.created_time = world.moment()
        self.canonical_hosted_zone_id = ZONE_IDS.get(region, ZONE_IDS["us-east-1"])
        self.addresses = tuple(world.addresses() for _ in range(max(2, len(self.subnets))))
        self.settings: Mapping[str, Any] = {}

    def activate(self) -> None:
        """Leave provisioning if it is time. moto calls this before every answer."""
        if self.state != "provisioning" or self._world.clock() < self._active_at:
            return
        if self._world.faults.is_on("nlb-fails"):
            self.state = "failed"
        elif not self._world.faults.is_on("nlb-stays-provisioning"):
            self.state = "active"

    @property
    def load_balancer_state(self) -> dict[str, str]:
        self.activate()
        if self.state == "failed":
            return {"Code": "failed", "Reason": "The load balancer could not be set up: no network interface."}
        return {"Code": self.state}

    def view(self) -> model.LoadBalancer:
        """The load balancer as the DNS server and the data plane see it."""
        return model.LoadBalancer(
            arn=self.arn,
            name=self.name,
            dns_name=self.dns_name,
            zone_id=self.canonical_hosted_zone_id,
            state=self.state,
            scheme=self.scheme,
            ip_address_type=self.ip_address_type,
            addresses=self.addresses,
            listeners=tuple(_listener_view(listener) for listener in list(self.listeners.values())),
        )


def _listener_view(listener: Any) -> model.Listener:
    return model.Listener(
        arn=listener.arn,
        port=int(listener.port),
        protocol=listener.protocol,
        certificate_arns=tuple(listener.certificates),
        ssl_policy=listener.ssl_policy,
        target_group_arn=next(iter(forwards(listener.default_actions)), None),
    )


def forwards(actions: Sequence[Any]) -> list[str]:
    """The target groups that these actions forward to."""
    found = []
    for data in (action.data for action in actions if action.type == "forward"):
        groups = data.get("ForwardConfig", {}).get("TargetGroups", [])
        found += [data["TargetGroupArn"]] if "TargetGroupArn" in data else [g["TargetGroupArn"] for g in groups]
    return found
