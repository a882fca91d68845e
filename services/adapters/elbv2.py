"""ELBv2: network load balancers of one account and region. Only reads: the load balancer controller writes."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from services.adapters.aws_errors import calling, code_of
from services.ports import Clock, Listener, LoadBalancer, RegisteredTarget

if TYPE_CHECKING:
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client

#: ELB's own limit of ARNs in one call.
_CHUNK = 20
#: There is no look-up by DNS name: all load balancers are paged through, so an answer serves all who ask at once.
_FRESH = timedelta(seconds=5)
_WITH_CERTIFICATES = frozenset({"TLS", "HTTPS"})


def _missing(error: ClientError, what: str) -> bool:
    """On the wire ELB leaves "Exception" off the codes of its model."""
    return code_of(error).removesuffix("Exception") == f"{what}NotFound"


class Elbv2:
    """Implements services.ports.LoadBalancers."""

    def __init__(self, client: "ElasticLoadBalancingv2Client", clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: tuple[datetime, Mapping[str, LoadBalancer]] | None = None

    def by_hostname(self, hostnames: Iterable[str]) -> Mapping[str, LoadBalancer]:
        """The NLBs with these DNS names, seen at most five seconds ago; missing ones are looked for at once."""
        wanted = {name.rstrip(".").lower() for name in hostnames}
        if not wanted:
            return {}
        with self._lock:
            now = self._clock()
            if self._listed is None or now - self._listed[0] >= _FRESH or not wanted <= self._listed[1].keys():
                self._listed = (now, self._every())
            listed = self._listed[1]
        return {name: listed[name] for name in wanted & listed.keys()}

    def _every(self) -> Mapping[str, LoadBalancer]:
        with calling("elasticloadbalancing:DescribeLoadBalancers"):
            pages = self._client.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 400})
            rows = [row for page in pages for row in page["LoadBalancers"]]
        return {nlb.hostname: nlb for nlb in _network(rows)}

    def by_arn(self, arns: Iterable[str]) -> Mapping[str, LoadBalancer]:
        """The same by ARN, twenty a call; missing ones are left out and cost the others of their call one call each."""
        wanted = list(dict.fromkeys(arns))
        found: dict[str, LoadBalancer] = {}
        for start in range(0, len(wanted), _CHUNK):
            found |= {nlb.arn: nlb for nlb in _network(self._described(wanted[start : start + _CHUNK]))}
        return found

    def _described(self, arns: Sequence[str]) -> list[Any]:
        """ELB answers for all ARNs of a call or for none."""
        with calling("elasticloadbalancing:DescribeLoadBalancers"):
            try:
                return list(self._client.describe_load_balancers(LoadBalancerArns=arns)["LoadBalancers"])
            except ClientError as error:
                if not _missing(error, "LoadBalancer"):
                    raise
        return [row for arn in arns for row in self._described([arn])] if len(arns) > 1 else []

    def listeners(self, arn: str) -> Sequence[Listener]:
        """All listeners; empty if the load balancer is gone."""
        with calling("elasticloadbalancing:DescribeListeners"):
            try:
                pages = self._client.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
                rows: list[Any] = [row for page in pages for row in page["Listeners"]]
            except ClientError as error:
                if _missing(error, "LoadBalancer"):
                    return ()
                raise
        return [_listener(row, self._certificates(row)) for row in rows]

    def _certificates(self, row: Any) -> tuple[str, ...]:
        """Default first. DescribeListeners knows only that one; a second call is worth it only where TLS ends."""
        default = [entry["CertificateArn"] for entry in row.get("Certificates", ())]
        if row["Protocol"] not in _WITH_CERTIFICATES:
            return tuple(default)
        with calling("elasticloadbalancing:DescribeListenerCertificates"):
            try:
                pages = self._client.get_paginator("describe_listener_certificates").paginate(
                    ListenerArn=row["ListenerArn"]
                )
                others = [entry["CertificateArn"] for page in pages for entry in page["Certificates"]]
            except ClientError as error:
                if _missing(error, "Listener"):  # removed in between
                    others = []
                else:
                    raise
        return tuple(dict.fromkeys([*default, *others]))

    def targets(self, target_group_arn: str) -> Sequence[RegisteredTarget]:
        """All targets of one target group with their health; empty if the group is gone."""
        with calling("elasticloadbalancing:DescribeTargetHealth"):
            try:
                answer = self._client.describe_target_health(TargetGroupArn=target_group_arn)
            except ClientError as error:
                if _missing(error, "TargetGroup"):
                    return ()
                raise
        return [_target(row) for row in answer["TargetHealthDescriptions"]]


def _network(rows: Iterable[Any]) -> Iterable[LoadBalancer]:
    return (_load_balancer(row) for row in rows if row.get("Type") == "network")


def _load_balancer(row: Any) -> LoadBalancer:
    state = row.get("State") or {}
    return LoadBalancer(
        arn=row["LoadBalancerArn"],
        hostname=row.get("DNSName", "").rstrip(".").lower(),
        zone_id=row.get("CanonicalHostedZoneId", ""),
        state=state.get("Code", ""),
        reason=state.get("Reason", ""),
        scheme=row.get("Scheme", ""),
        dual_stack=row.get("IpAddressType", "").startswith("dualstack"),
    )


def _listener(row: Any, certificate_arns: tuple[str, ...]) -> Listener:
    groups = []
    for action in row.get("DefaultActions", ()):
        groups.append(action.get("TargetGroupArn", ""))
        groups += [group["TargetGroupArn"] for group in action.get("ForwardConfig", {}).get("TargetGroups", ())]
    return Listener(
        port=row["Port"],
        protocol=row["Protocol"],
        certificate_arns=certificate_arns,
        ssl_policy=row.get("SslPolicy", ""),
        target_group_arns=tuple(dict.fromkeys(arn for arn in groups if arn)),
    )


def _target(row: Any) -> RegisteredTarget:
    health = row.get("TargetHealth") or {}
    return RegisteredTarget(
        address=row["Target"]["Id"],
        port=row["Target"].get("Port", 0),
        state=health.get("State", ""),
        reason=health.get("Reason", ""),
        description=health.get("Description", ""),
    )
