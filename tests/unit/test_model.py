"""The nouns: names that Kubernetes takes, digests that say whether two plans are one."""

import re
from dataclasses import replace

import pytest

from services.model import Finding, Spec, State
from tests.unit.values import SPEC, a_change, a_plan


@pytest.mark.parametrize(
    "hostname",
    [
        pytest.param("app.example.com", id="usual"),
        pytest.param("1app.example.com", id="a digit first"),
        pytest.param("a" * 60 + ".example.com", id="a long label"),
        pytest.param("a" * 56 + ".example.com", id="a dot where it is cut"),
        pytest.param("xn--bcher-kva.example.com", id="an encoded one"),
    ],
)
def test_the_service_has_a_name_that_kubernetes_takes(hostname: str) -> None:
    """A DNS label that starts with a letter, at most 63 characters."""
    name = replace(SPEC, hostname=hostname).service_name
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name)


def test_dots_and_dashes_do_not_collide() -> None:
    """a.b.example.com and a-b.example.com are two Services."""
    names = {Spec(h, "main", "demo", "app").service_name for h in ("a.b.example.com", "a-b.example.com")}
    assert len(names) == 2


def test_a_plan_is_its_spec_and_changes() -> None:
    """Remarks do not make another plan; every field of a change does."""
    plan = a_plan()
    assert replace(plan, findings=(Finding("a remark"),)).digest == plan.digest
    assert a_plan(a_change(after={"key": "EC"})).digest != plan.digest
    assert replace(plan, spec=replace(SPEC, port=8443)).digest != plan.digest


@pytest.mark.parametrize("state", State)
def test_a_request_is_open_or_ended(state: State) -> None:
    """Five states hold the host name."""
    assert state.is_open is (state.value in ("planning", "choosing", "waiting for approval", "approved", "running"))
