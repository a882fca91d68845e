"""The controller stand-in against the real client libraries, the API stand-in and the AWS stand-in."""

import socket
import ssl
import time
from collections.abc import Iterator

import pytest
from kubernetes import client

from sandbox.backend import Backend, BackendPod
from sandbox.controller.model import FINALIZER
from sandbox.data_plane import DataPlane
from sandbox.delays import Delays
from tests.sandbox.controller_world import MERGE, PREFIX, STRONG, World, eventually

pytestmark = pytest.mark.sandbox


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


def test_a_client_reaches_the_pod_through_it(world: World, certificate: str) -> None:
    """Service, controller, AWS, data plane and pod together: TLS with ACM's leaf on every address, a healthy target."""
    backend = Backend([BackendPod("pod", "127.0.0.1", 0)])
    backend.start()
    plane = DataPlane(
        world.aws, faults=world.faults, delays=Delays().scaled(0), port_map=lambda port: port + 20_000, poll=0.05
    )
    plane.start()
    try:
        world.put_slice("whole", "127.0.0.1", port=backend.addresses["pod"][1])
        world.create("whole", {"ssl-cert": certificate, "ssl-ports": "443", "ssl-negotiation-policy": STRONG})
        assert eventually(lambda: world.hostname("whole") and world.health("whole") == ["healthy"])
        (view,) = [item for item in world.aws.load_balancers() if item.dns_name == world.hostname("whole")]
        assert len(view.addresses) == 2
        trust = ssl.create_default_context(cadata=world.aws.root_ca_pem())
        for address in view.addresses:
            with (
                socket.create_connection((address, 20_443), timeout=5) as raw,
                trust.wrap_socket(raw, server_hostname="app.example.com") as connection,
            ):
                connection.sendall(b"GET /hello HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
                assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
                assert connection.version() == "TLSv1.3"
    finally:
        plane.stop()
        backend.stop()


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
