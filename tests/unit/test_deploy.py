"""What is deployed: the manifest, the rights and the image say what the code does."""

import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import yaml
from botocore import xform_name

from handlers import grammar
from sandbox.kubernetes.access import ROLES

ROOT = Path(__file__).parents[2]


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / name).read_text(encoding="utf-8")))


def test_the_sandbox_gives_the_bot_the_rights_that_are_deployed() -> None:
    """So every story run in the sandbox proves that deploy/rbac.yaml is enough."""
    role = next(d for d in _documents("deploy/rbac.yaml") if d["kind"] == "ClusterRole")
    deployed = {(g, r, v) for rule in role["rules"] for g in rule["apiGroups"] for r in rule["resources"]
                for v in rule["verbs"]}  # fmt: skip
    given = {(rule.group, r, v) for rule in ROLES["nlbtls"] for r in rule.resources for v in rule.verbs}

    assert given == deployed


def test_every_aws_call_in_the_adapters_is_in_the_policy_and_nothing_else() -> None:
    """Operations are read off the adapters' source; STS GetCallerIdentity needs no permission."""
    policy = json.loads((ROOT / "deploy/iam-policy.json").read_text())
    allowed = {a for s in policy["Statement"] for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}
    called = set()
    for module, prefix in (("acm", "acm"), ("route53", "route53"), ("elbv2", "elasticloadbalancing")):
        words = set(re.findall(r"\w+", (ROOT / f"services/adapters/{module}.py").read_text()))
        operations = botocore.session.get_session().get_service_model(module).operation_names
        called |= {f"{prefix}:{name}" for name in operations if xform_name(name) in words}
    tagging = {"acm:AddTagsToCertificate"}  # RequestCertificate with tags asks for it

    assert called | tagging == allowed


def test_the_slack_manifest_names_the_command_that_the_grammar_parses() -> None:
    """One slash command, taken as typed."""
    (manifest,) = _documents("manifest.yml")
    (command,) = manifest["features"]["slash_commands"]

    assert command["command"] == grammar.COMMAND
    assert command["should_escape"] is False
    assert manifest["settings"]["socket_mode_enabled"] is True


def test_the_deployment_runs_one_replica_that_is_recreated() -> None:
    """Two bots must never share the database file."""
    deployment = next(d for d in _documents("deploy/deployment.yaml") if d["kind"] == "Deployment")

    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_image_is_locked_unprivileged_and_checked() -> None:
    """The Dockerfile installs by hash, runs as a numeric user and has a health check."""
    text = (ROOT / "Dockerfile").read_text()

    assert "--require-hashes" in text
    assert re.search(r"^USER \d+", text, re.M)
    assert "HEALTHCHECK" in text
