"""AWS, the API server and the controller stand-in together, and what tests ask of them."""

import os
import time
from collections.abc import Callable
from typing import Any

import boto3
import yaml
from kubernetes import client, config
from kubernetes.client.rest import ApiException

from sandbox import controller
from sandbox.aws.server import FAULTS as AWS_FAULTS
from sandbox.aws.server import AwsStandIn
from sandbox.data_plane import FAULTS as PLANE_FAULTS
from sandbox.delays import Delays
from sandbox.faults import Faults
from sandbox.kubernetes.server import FAULTS as API_FAULTS
from sandbox.kubernetes.server import KubernetesStandIn

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
MERGE = "application/merge-patch+json"
STRONG = "ELBSecurityPolicy-TLS13-1-2-2021-06"


def eventually(holds: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true answer within some seconds, else the last one."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


class World:
    """AWS, the API server and the controller, without any delay."""

    def __init__(self) -> None:
        self.faults = Faults([AWS_FAULTS, API_FAULTS, PLANE_FAULTS, controller.FAULTS])
        self.dns: dict[str, str] = {}
        delays = Delays().scaled(0)
        self.aws = AwsStandIn(
            delays,
            self.faults,
            lambda name: self.dns.get(name.rstrip(".")),
            first_address=f"127.8.{os.getpid() % 250 + 1}.1",  # test processes run side by side
        )
        self.aws_settings = {
            "endpoint_url": self.aws.start(),
            "region_name": "eu-central-1",
            "aws_access_key_id": "sandbox",
            "aws_secret_access_key": "sandbox",
        }
        self.elbv2: Any = boto3.client("elbv2", **self.aws_settings)  # type: ignore[call-overload]
        self.acm: Any = boto3.client("acm", **self.aws_settings)  # type: ignore[call-overload]
        self.kubernetes = KubernetesStandIn(self.faults)
        self.kubernetes.start()
        configuration = client.Configuration()
        config.load_kube_config_from_dict(
            yaml.safe_load(self.kubernetes.kubeconfig()), client_configuration=configuration
        )
        self.api = client.ApiClient(configuration)
        self.core, self.discovery = client.CoreV1Api(self.api), client.DiscoveryV1Api(self.api)
        self.controller = self.new_controller(delays)

    def new_controller(self, delays: Delays) -> controller.LoadBalancerController:
        ec2: Any = boto3.client("ec2", **self.aws_settings)  # type: ignore[call-overload]
        return controller.LoadBalancerController(self.api, self.elbv2, ec2, faults=self.faults, delays=delays)

    def stop(self) -> None:
        self.controller.stop()
        self.api.rest_client.pool_manager.clear()
        self.kubernetes.stop()
        self.aws.stop()

    def certificate(self, name: str) -> str:
        """ARN of a new issued certificate."""
        arn: str = self.acm.request_certificate(DomainName=name, ValidationMethod="DNS")["CertificateArn"]

        def issued() -> bool:
            found = self.acm.describe_certificate(CertificateArn=arn)["Certificate"]
            for option in found["DomainValidationOptions"]:
                if record := option.get("ResourceRecord"):
                    self.dns[record["Name"].rstrip(".")] = record["Value"]
            return bool(found["Status"] == "ISSUED")

        assert eventually(issued)
        return arn

    # -- Kubernetes

    def create(self, name: str, annotations: dict[str, str], **spec: Any) -> None:
        """A LoadBalancer Service with ip targets in the namespace default."""
        asked = {"type": "external", "nlb-target-type": "ip", "scheme": "internet-facing"} | annotations
        body = {
            "metadata": {"name": name, "annotations": {PREFIX + key: value for key, value in asked.items()}},
            "spec": {
                "type": "LoadBalancer",
                "selector": {"app": name},
                "ports": [{"name": "https", "port": 443, "targetPort": 8080}],
                **spec,
            },
        }
        self.core.create_namespaced_service("default", body, field_manager="nlbtls")

    def service(self, name: str) -> Any:
        """The Service, None when it is gone."""
        try:
            return self.core.read_namespaced_service(name, "default")
        except ApiException as error:
            if error.status != 404:
                raise
            return None

    def annotate(self, name: str, annotations: dict[str, str | None]) -> None:
        named = {PREFIX + key: value for key, value in annotations.items()}
        self.core.patch_namespaced_service(name, "default", {"metadata": {"annotations": named}}, _content_type=MERGE)

    def hostname(self, name: str) -> str | None:
        """What the Service's status says."""
        ingress = self.service(name).status.load_balancer.ingress
        return ingress[0].hostname if ingress else None

    def events(self, name: str, reason: str) -> list[Any]:
        """Events of that reason on the Service."""
        selector = f"involvedObject.kind=Service,involvedObject.name={name},reason={reason}"
        found: list[Any] = self.core.list_namespaced_event("default", field_selector=selector).items
        return found

    def put_slice(self, name: str, *addresses: str, port: int = 8080) -> None:
        """One EndpointSlice of the Service with these ready addresses, and one that is not ready."""
        points = [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
        points.append({"addresses": ["127.3.3.3"], "conditions": {"ready": False}})
        body = {
            "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": points,
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        }
        try:
            self.discovery.create_namespaced_endpoint_slice("default", body)
        except ApiException as error:
            if error.status != 409:
                raise
            self.discovery.patch_namespaced_endpoint_slice(
                f"{name}-1", "default", {"endpoints": points}, _content_type=MERGE
            )

    # -- AWS

    def balancer(self, name: str) -> Any:
        """The load balancer that carries the Service's hostname, None if there is none."""
        host = self.hostname(name)
        found = self.elbv2.describe_load_balancers()["LoadBalancers"]
        return next((item for item in found if item["DNSName"] == host), None)

    def listeners(self, name: str) -> dict[int, Any]:
        """Listeners by port."""
        found = self.elbv2.describe_listeners(LoadBalancerArn=self.balancer(name)["LoadBalancerArn"])["Listeners"]
        return {item["Port"]: item for item in found}

    def tags(self, arn: str) -> dict[str, str]:
        found = self.elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def target_groups(self, name: str) -> list[str]:
        """ARNs of the Service's target groups, by their tag."""
        found = [item["TargetGroupArn"] for item in self.elbv2.describe_target_groups()["TargetGroups"]]
        return [arn for arn in found if self.tags(arn).get("service.k8s.aws/stack") == f"default/{name}"]

    def target_health(self, name: str) -> list[Any]:
        """What ELBv2 says of the targets behind port 443."""
        arn = self.listeners(name)[443]["DefaultActions"][0]["TargetGroupArn"]
        found: list[Any] = self.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return found

    def targets(self, name: str) -> set[tuple[str, int]]:
        """Registered targets behind port 443."""
        return {(item["Target"]["Id"], item["Target"]["Port"]) for item in self.target_health(name)}

    def health(self, name: str) -> list[str]:
        """State of each target behind port 443."""
        return [item["TargetHealth"]["State"] for item in self.target_health(name)]
