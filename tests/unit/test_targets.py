"""Which Service a bare create means."""

from dataclasses import replace

import pytest

from services.model import Target
from services.ownership import HOSTNAME_ANNOTATION, INSTALLATION
from services.policy import Policy, Rule, TargetRule
from services.targets import allowed_targets, named_targets
from services.wish import Wish
from tests.unit.values import HOST, a_service

RULE = Rule(hostnames=("*.example.com",), requesters=("*",), approvers=("@oncall",), namespaces=("demo",))
CONFIGURED = TargetRule(("*.example.com",), "main", "demo", "web")
ANNOTATED = a_service("web", annotations={HOSTNAME_ANNOTATION: "other.example.com, app.example.com"})


def found(
    *services: object, wish: Wish | None = None, targets: tuple[TargetRule, ...] = (), rule: Rule = RULE
) -> list[Target]:
    policy = Policy((rule,), targets)
    return named_targets(HOST, wish or Wish(), policy, (rule,), {"main": services})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("services", "targets", "names"),
    [
        pytest.param([a_service("app")], (), ["app"], id="named like the first label"),
        pytest.param([ANNOTATED], (), ["web"], id="by our annotation on the Service"),
        pytest.param([a_service("web")], (CONFIGURED,), ["web"], id="by configuration"),
        pytest.param([a_service("other")], (CONFIGURED,), [], id="configured, but not there"),
        pytest.param([a_service("other")], (), [], id="nothing names it"),
        pytest.param([ANNOTATED, a_service("app")], (), ["web", "app"], id="two are two"),
        pytest.param([a_service("app", selector={})], (), [], id="without a selector it can be no source"),
        pytest.param([a_service("app", deleting=True)], (), [], id="one that is being deleted is none"),
        pytest.param([a_service("app", labels={INSTALLATION: "test"})], (), [], id="the bot's own is none"),
        pytest.param(
            [replace(a_service("app"), namespace="shop")], (), [], id="one that policy does not allow is none"
        ),
    ],
)
def test_what_names_a_service(services: list[object], targets: tuple[TargetRule, ...], names: list[str]) -> None:
    """Configuration, annotation or name; only what policy allows for this host name."""
    assert [t.service for t in found(*services, targets=targets)] == names


def test_one_service_with_two_reasons_is_one_candidate() -> None:
    """The reasons are joined for the plan to say."""
    (only,) = found(a_service("app", annotations={HOSTNAME_ANNOTATION: HOST}))
    assert HOSTNAME_ANNOTATION in only.reason
    assert "first label" in only.reason


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param(Wish(cluster="prod"), id="another cluster"),
        pytest.param(Wish(namespace="shop"), id="another namespace"),
        pytest.param(Wish(service="web"), id="another Service"),
    ],
)
def test_what_was_said_narrows_the_candidates(wish: Wish) -> None:
    """A Service that the options exclude is not a candidate, whatever names it."""
    assert found(a_service("app"), wish=wish) == []


def test_a_pattern_in_the_annotation_is_not_the_host_name() -> None:
    """Only whole names count there: anybody may annotate a Service."""
    assert found(a_service("web", annotations={HOSTNAME_ANNOTATION: "*.example.com xapp.example.com"})) == []


def test_everything_that_policy_allows_can_be_chosen_from() -> None:
    """In a stable order, without what could be no source."""
    services = [a_service("web"), a_service("api"), a_service("headless", selector={})]
    allowed = allowed_targets(Wish(), (RULE,), {"main": services, "prod": [a_service("web")]})
    assert [t.ref for t in allowed] == ["main/demo/api", "main/demo/web", "prod/demo/web"]
