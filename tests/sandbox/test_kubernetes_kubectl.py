"""kubectl against the stand-in: get, apply, diff, annotate, wait, describe, delete, watch."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sandbox.faults import Faults
from sandbox.kubernetes.server import FAULTS, KubernetesStandIn
from tests.programs import program

pytestmark = pytest.mark.sandbox

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]

SERVICE: dict[str, object] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "app", "namespace": "default", "annotations": {"example.com/a": "1"}},
    "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"name": "https", "port": 443}]},
}


@pytest.fixture(scope="module")
def discovery_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kubectl keeps what it discovered here, not in somebody's home."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cluster() -> Iterator[KubernetesStandIn]:
    """A running API server."""
    stand_in = KubernetesStandIn(Faults([FAULTS]))
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def kubectl(cluster: KubernetesStandIn, tmp_path: Path, discovery_cache: Path) -> Kubectl:
    """Runs kubectl as a user; `manifest` goes to its standard input."""

    def run(*words: str, manifest: object = None, user: str = "admin") -> "subprocess.CompletedProcess[str]":
        config = tmp_path / f"kubeconfig-{user}"
        config.write_text(cluster.kubeconfig(user))
        command = [program("kubectl"), f"--cache-dir={discovery_cache}", f"--kubeconfig={config}", *words]
        sent = yaml.safe_dump(manifest) if manifest else None
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            command, input=sent, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def with_annotation(value: str) -> dict[str, object]:
    """The Service with another annotation value."""
    return SERVICE | {"metadata": {"name": "app", "namespace": "default", "annotations": {"example.com/a": value}}}


def test_get_prints_the_servers_table(kubectl: Kubectl) -> None:
    """Columns and cells are chosen by the server, also for all namespaces and wide."""
    kubectl("apply", "-f", "-", manifest=SERVICE)
    header, row = kubectl("get", "svc").stdout.splitlines()
    assert header.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert row.split()[:2] + row.split()[3:5] == ["app", "LoadBalancer", "<pending>", "443:30000/TCP"]
    assert kubectl("get", "svc", "-A", "-o", "wide").stdout.splitlines()[1].split()[-1] == "app=web"
    assert kubectl("get", "svc,ns").returncode == 0


def test_apply_diff_and_conflict(kubectl: Kubectl) -> None:
    """Server-side apply, an unchanged second one, diff's exit codes, and a conflict that names field and manager."""
    applied = kubectl("apply", "--server-side", "-f", "-", manifest=SERVICE)
    assert applied.stdout == "service/app serverside-applied\n"
    assert kubectl("diff", "--server-side", "-f", "-", manifest=SERVICE).returncode == 0
    changed = kubectl("diff", "--server-side", "-f", "-", manifest=with_annotation("2"))
    assert changed.returncode == 1
    assert '+    example.com/a: "2"' in changed.stdout
    refused = kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", manifest=with_annotation("2"))
    assert refused.returncode == 1
    assert 'conflict with "kubectl": .metadata.annotations.example.com/a' in refused.stderr


def test_client_side_apply_and_its_migration(kubectl: Kubectl) -> None:
    """created, unchanged, configured; then server-side apply takes the client-side fields over without a warning."""
    outputs = [
        kubectl("apply", "-f", "-", manifest=manifest).stdout.split()[-1]
        for manifest in (SERVICE, SERVICE, with_annotation("2"))
    ]
    assert outputs == ["created", "unchanged", "configured"]
    migrated = kubectl("apply", "--server-side", "-f", "-", manifest=with_annotation("3"))
    assert (migrated.returncode, migrated.stderr) == (0, "")
    shown = yaml.safe_load(kubectl("get", "svc", "app", "-o", "yaml", "--show-managed-fields").stdout)
    managers = [(entry["manager"], entry["operation"]) for entry in shown["metadata"]["managedFields"]]
    assert managers == [("kubectl", "Apply"), ("kubectl-last-applied", "Apply")]


def test_unknown_field_is_refused(kubectl: Kubectl) -> None:
    """kubectl asks for strict validation, and finds in the OpenAPI document that the server can do it."""
    wrong = SERVICE | {"spec": {"ports": [{"port": 80}], "typo": 1}}
    refused = kubectl("apply", "-f", "-", manifest=wrong)
    assert refused.returncode == 1
    assert 'strict decoding error: unknown field "spec.typo"' in refused.stderr


def test_annotate_patch_wait_describe(cluster: KubernetesStandIn, kubectl: Kubectl) -> None:
    """The way of a person who looks after a Service."""
    made = cluster.create(SERVICE)
    assert kubectl("annotate", "svc", "app", "x=y").stdout == "service/app annotated\n"
    ingress = '{"status":{"loadBalancer":{"ingress":[{"hostname":"app.elb"}]}}}'
    kubectl("patch", "svc", "app", "--subresource=status", "--type=merge", "-p", ingress)
    path = "--for=jsonpath={.status.loadBalancer.ingress[0].hostname}=app.elb"
    assert kubectl("wait", path, "svc/app", "--timeout=30s").stdout == "service/app condition met\n"
    involved = {key: made["metadata"][key] for key in ("name", "namespace", "uid")} | {"kind": "Service"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "app.1", "namespace": "default"},
        "involvedObject": involved | {"apiVersion": "v1"},
        "type": "Warning",
        "reason": "FailedBuildModel",
        "message": "no subnets",
    }
    cluster.create(event)
    described = kubectl("describe", "svc", "app").stdout
    assert "LoadBalancer Ingress:     app.elb" in described
    assert "FailedBuildModel" in described
    assert kubectl("get", "events").stdout.splitlines()[1].split()[1:4] == [
        "Warning",
        "FailedBuildModel",
        "service/app",
    ]


def test_watch_and_delete(cluster: KubernetesStandIn, kubectl: Kubectl, tmp_path: Path) -> None:
    """A watch prints what is there, and then what comes; delete waits for the object to go."""
    cluster.create(SERVICE)
    config = tmp_path / "watcher"
    config.write_text(cluster.kubeconfig())
    command = [program("kubectl"), f"--cache-dir={tmp_path}", f"--kubeconfig={config}", "get", "svc", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("NAME ")
        assert "<pending>" in watching.stdout.readline()
        cluster.create(SERVICE | {"metadata": {"name": "later", "namespace": "default"}})
        assert watching.stdout.readline().startswith("later ")
        watching.terminate()
    assert kubectl("delete", "svc", "app", "--timeout=30s").stdout == 'service "app" deleted\n'
    assert 'services "app" not found' in kubectl("get", "svc", "app").stderr


def test_explain_and_api_resources(kubectl: Kubectl) -> None:
    """Discovery and OpenAPI are whole enough to read."""
    assert "loadBalancerClass <string>" in kubectl("explain", "service.spec.loadBalancerClass").stdout
    rows = kubectl("api-resources", "-o", "name").stdout.split()
    assert {"services", "endpointslices.discovery.k8s.io", "targetgroupbindings.elbv2.k8s.aws"} <= set(rows)


def test_the_bots_user_is_held_to_its_rights(kubectl: Kubectl) -> None:
    """What the bot may not do is Forbidden, in words that kubectl prints."""
    refused = kubectl("delete", "svc", "app", user="nlbtls")
    assert (
        'User "nlbtls" cannot delete resource "services" in API group "" in the namespace "default"' in refused.stderr
    )
