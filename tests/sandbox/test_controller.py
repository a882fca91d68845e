"""The controller stand-in against the real client libraries, the API stand-in and the AWS stand-in."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.rest import ApiException

from sandbox import controller
from sandbox.aws.server import FAULTS as AWS_FAULTS
from sandbox.aws.server import AwsStandIn
from sandbox.controller.model import FINALIZER
from sandbox.delays import Delays
from sandbox.faults import Faults
from sandbox.kubernetes.server import FAULTS as API_FAULTS
from sandbox.kubernetes.server import KubernetesStandIn

pytestmark = pytest.mark.sandbox

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
        self.faults = Faults([AWS_FAULTS, API_FAULTS, controller.FAULTS])
        self.dns: dict[str, str] = {}
        delays = Delays().scaled(0)
        self.aws = AwsStandIn(delays, self.faults, lambda name: self.dns.get(name.rstrip(".")))
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

    def put_slice(self, name: str, *addresses: str) -> None:
        """One EndpointSlice of the Service with these ready addresses at port 8080, and one that is not ready."""
        points = [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
        points.append({"addresses": ["127.3.3.3"], "conditions": {"ready": False}})
        body = {
            "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": points,
            "ports": [{"name": "https", "port": 8080, "protocol": "TCP"}],
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

    def targets(self, name: str) -> set[tuple[str, int]]:
        """Registered targets behind port 443."""
        arn = self.listeners(name)[443]["DefaultActions"][0]["TargetGroupArn"]
        found = self.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return {(item["Target"]["Id"], item["Target"]["Port"]) for item in found}


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    """One world for the module: AWS can run once in a process."""
    world = World()
    world.controller.start()
    yield world
    world.stop()


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """The world, with all faults off afterwards."""
    yield running
    for name in running.faults.known:
        running.faults.switch(name, False)


@pytest.fixture(scope="module")
def certificate(running: World) -> str:
    """ARN of an issued certificate."""
    return running.certificate("app.example.com")


def test_a_service_becomes_a_load_balancer(world: World, certificate: str) -> None:
    """Finalizer, hostname, event, tags, a TLS listener with the certificate, and a binding: all that the bot reads."""
    world.create("full", {"ssl-cert": certificate, "ssl-ports": "443", "ssl-negotiation-policy": STRONG})
    assert eventually(lambda: world.events("full", "SuccessfullyReconciled"))

    assert world.service("full").metadata.finalizers == [FINALIZER]
    balancer = world.balancer("full")
    assert balancer["LoadBalancerName"].startswith("k8s-default-full-")
    assert (balancer["Type"], balancer["Scheme"]) == ("network", "internet-facing")
    assert world.hostname("full") == balancer["DNSName"].lower()
    assert world.tags(balancer["LoadBalancerArn"]) == {
        "elbv2.k8s.aws/cluster": "sandbox",
        "service.k8s.aws/stack": "default/full",
        "service.k8s.aws/resource": "LoadBalancer",
    }
    listener = world.listeners("full")[443]
    assert (listener["Protocol"], listener["SslPolicy"]) == ("TLS", STRONG)
    assert [item["CertificateArn"] for item in listener["Certificates"]] == [certificate]
    group = listener["DefaultActions"][0]["TargetGroupArn"]
    assert world.tags(group)["service.k8s.aws/resource"] == "default/full:443"
    bindings = client.CustomObjectsApi(world.api).list_namespaced_custom_object(
        "elbv2.k8s.aws", "v1beta1", "default", "targetgroupbindings", label_selector="service.k8s.aws/stack-name=full"
    )
    assert [item["spec"]["targetGroupARN"] for item in bindings["items"]] == [group]


def test_targets_follow_the_endpoint_slices(world: World) -> None:
    """Ready addresses with the slice's port are registered, others deregistered, before and after deployment."""
    world.put_slice("follow", "127.3.3.1")
    world.create("follow", {})
    assert eventually(lambda: world.hostname("follow") and world.targets("follow") == {("127.3.3.1", 8080)})

    world.put_slice("follow", "127.3.3.1", "127.3.3.2")
    assert eventually(lambda: world.targets("follow") == {("127.3.3.1", 8080), ("127.3.3.2", 8080)})
    world.put_slice("follow", "127.3.3.2")
    assert eventually(lambda: world.targets("follow") == {("127.3.3.2", 8080)})


def test_who_is_not_asked_does_nothing(world: World) -> None:
    """No class and no target type: no finalizer, no event, nothing in AWS."""
    world.core.create_namespaced_service(
        "default",
        {
            "metadata": {"name": "ignored", "annotations": {PREFIX + "type": "external"}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 443}]},
        },
    )
    world.create("served", {})  # a later one is served, so the first was seen
    assert eventually(lambda: world.hostname("served"))

    assert world.service("ignored").metadata.finalizers is None
    assert world.hostname("ignored") is None
    assert world.core.list_namespaced_event("default", field_selector="involvedObject.name=ignored").items == []


def test_a_change_is_made_in_place(world: World, certificate: str) -> None:
    """Ports, policy, certificates and attributes change; load balancer, hostname and the other listener stay."""
    second = world.certificate("www.example.com")
    two_ports = [{"name": "https", "port": 443, "targetPort": 8080}, {"name": "http", "port": 80, "targetPort": 8080}]
    world.create("change", {"ssl-cert": certificate, "ssl-ports": "443"}, ports=two_ports)
    assert eventually(lambda: world.hostname("change"))
    host = world.hostname("change")
    assert {port: item["Protocol"] for port, item in world.listeners("change").items()} == {443: "TLS", 80: "TCP"}

    world.annotate(
        "change",
        {
            "ssl-cert": f"{second},{certificate}",
            "ssl-negotiation-policy": STRONG,
            "target-group-attributes": "preserve_client_ip.enabled=true",
            "healthcheck-path": "/healthz",
            "healthcheck-protocol": "HTTP",
        },
    )
    assert eventually(lambda: world.listeners("change")[443]["SslPolicy"] == STRONG)
    listener = world.listeners("change")[443]
    assert [item["CertificateArn"] for item in listener["Certificates"]] == [second]
    listed = world.elbv2.describe_listener_certificates(ListenerArn=listener["ListenerArn"])["Certificates"]
    assert {item["CertificateArn"] for item in listed} == {second, certificate}
    group = listener["DefaultActions"][0]["TargetGroupArn"]
    attributes = world.elbv2.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
    assert {"Key": "preserve_client_ip.enabled", "Value": "true"} in attributes
    described = world.elbv2.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]
    assert (described["HealthCheckProtocol"], described["HealthCheckPath"]) == ("HTTP", "/healthz")

    world.core.patch_namespaced_service("change", "default", {"spec": {"ports": two_ports[:1]}}, _content_type=MERGE)
    assert eventually(lambda: set(world.listeners("change")) == {443})
    assert eventually(lambda: world.target_groups("change") == [group])
    assert world.hostname("change") == host


def test_another_scheme_is_another_load_balancer(world: World) -> None:
    """The old one is deleted, and the Service's hostname is the new one's."""
    world.create("scheme", {})
    assert eventually(lambda: world.hostname("scheme"))
    before = world.balancer("scheme")

    world.annotate("scheme", {"scheme": "internal"})
    assert eventually(lambda: world.hostname("scheme") != before["DNSName"].lower())
    assert world.balancer("scheme")["Scheme"] == "internal"
    left = [item["LoadBalancerArn"] for item in world.elbv2.describe_load_balancers()["LoadBalancers"]]
    assert before["LoadBalancerArn"] not in left


def test_deleting_the_service_deletes_everything(world: World, certificate: str) -> None:
    """Load balancer and target groups go first, then the finalizer lets the Service go."""
    world.create("gone", {"ssl-cert": certificate, "ssl-ports": "443"})
    assert eventually(lambda: world.hostname("gone"))
    arn = world.balancer("gone")["LoadBalancerArn"]
    group = world.listeners("gone")[443]["DefaultActions"][0]["TargetGroupArn"]

    world.core.delete_namespaced_service("gone", "default")
    assert eventually(lambda: world.service("gone") is None)
    with pytest.raises(world.elbv2.exceptions.LoadBalancerNotFoundException):
        world.elbv2.describe_load_balancers(LoadBalancerArns=[arn])
    with pytest.raises(world.elbv2.exceptions.TargetGroupNotFoundException):
        world.elbv2.describe_target_groups(TargetGroupArns=[group])


def test_deletion_protection_in_the_annotation_holds_the_service(world: World) -> None:
    """The Service stays terminating until the annotation allows it, and an event says why."""
    world.create("kept", {"attributes": "deletion_protection.enabled=true"})
    assert eventually(lambda: world.hostname("kept"))

    world.core.delete_namespaced_service("kept", "default")
    refused = eventually(lambda: world.events("kept", "FailedBuildModel"))
    assert "deletion_protection is enabled, cannot delete the service: default/kept" in refused[0].message
    assert world.balancer("kept")

    world.annotate("kept", {"attributes": "deletion_protection.enabled=false"})
    assert eventually(lambda: world.service("kept") is None)


def test_a_bad_annotation_is_said_once_and_counted(world: World, certificate: str) -> None:
    """FailedBuildModel names the port, repeats raise the count, and the corrected Service is served."""
    world.create("wrong", {"ssl-cert": certificate, "ssl-ports": "8443"})
    assert eventually(lambda: [event for event in world.events("wrong", "FailedBuildModel") if event.count >= 2])

    (event,) = world.events("wrong", "FailedBuildModel")
    assert event.message == "Failed build model due to Unused port in ssl-ports annotation [8443]"
    assert (event.type, event.source.component) == ("Warning", "service")
    assert world.service("wrong").metadata.finalizers is None
    world.annotate("wrong", {"ssl-ports": "443"})
    assert eventually(lambda: world.hostname("wrong"))


def test_a_certificate_that_aws_refuses_is_a_failed_deployment(world: World) -> None:
    """AWS's code is in the message, the finalizer is there and the hostname is not; more such events are combined."""
    missing = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
    world.create("refused", {"ssl-cert": missing, "ssl-ports": "443"})
    event = eventually(lambda: world.events("refused", "FailedDeployModel"))[0]

    assert event.message.startswith(
        "Failed deploy model due to operation error Elastic Load Balancing v2: CreateListener, "
        "https response error StatusCode: 400, RequestID: "
    )
    assert f", CertificateNotFound: Certificate '{missing}' not found" in event.message
    assert world.service("refused").metadata.finalizers == [FINALIZER]
    assert world.hostname("refused") is None
    world.core.delete_namespaced_service("refused", "default")
    assert eventually(lambda: world.service("refused") is None)


def test_reconciling_again_changes_nothing(world: World, certificate: str) -> None:
    """A second controller that starts over what the first one made finds it by its tags and writes nothing to AWS."""
    world.put_slice("twice", "127.3.3.1")
    world.create("twice", {"ssl-cert": certificate, "ssl-ports": "443", "scheme": "internal"})
    assert eventually(lambda: world.hostname("twice") and world.targets("twice"))
    before = (world.balancer("twice"), world.listeners("twice"), world.targets("twice"))
    count = world.events("twice", "SuccessfullyReconciled")[0].count
    written: list[str] = []
    world.elbv2.meta.events.register(
        "before-call.elastic-load-balancing-v2", lambda model, **_: written.append(model.name)
    )

    world.controller.stop()
    world.controller = world.new_controller(Delays().scaled(0))
    world.controller.start()
    assert eventually(lambda: len(world.events("twice", "SuccessfullyReconciled")) == 2)

    assert count == 1
    assert (world.balancer("twice"), world.listeners("twice"), world.targets("twice")) == before
    assert {name for name in written if not name.startswith("Describe")} == set()


@pytest.mark.parametrize(
    ("fault", "reason", "text"),
    [
        ("F14", "FailedBuildModel", "unable to resolve at least one subnet. Evaluated 2 subnets: 0 are tagged for"),
        ("F17", "FailedDeployModel", "StatusCode: 403, RequestID: 00000000-0000-4000-8000-000000000017, api error Acc"),
    ],
)
def test_staged_failures_say_so_and_pass(world: World, fault: str, reason: str, text: str) -> None:
    """The event has the controller's words; once the fault is off, the controller gets there by itself."""
    name = f"fault-{fault.lower()}"
    world.faults.switch(fault, True)
    world.create(name, {})
    event = eventually(lambda: world.events(name, reason))[0]
    assert text in event.message
    assert world.hostname(name) is None

    world.faults.switch(fault, False)
    assert eventually(lambda: world.hostname(name))


def test_f15_is_silence(world: World) -> None:
    """A controller that does not hear leaves no trace, and serves the Service when it hears again."""
    world.faults.switch("F15", True)
    world.create("unheard", {})
    time.sleep(0.3)
    service = world.service("unheard")
    assert (service.metadata.finalizers, service.status.load_balancer.ingress) == (None, None)

    world.faults.switch("F15", False)
    assert eventually(lambda: world.hostname("unheard"))
