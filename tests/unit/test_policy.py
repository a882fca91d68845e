"""Who may ask and who may agree: default deny, four eyes, and the first rule that allows everything."""

from dataclasses import replace

import pytest

from services.model import Scheme, Spec
from services.policy import (
    Policy,
    Rule,
    allows,
    groups_named,
    may_approve,
    may_reject,
    named,
    possible_approvers,
    refusal,
)
from tests.unit.values import SPEC, a_request

RULE = Rule(hostnames=("*.example.com",), requesters=("@devs",), approvers=("@oncall",), namespaces=("demo",))
MEMBERS = {"devs": frozenset({"U-dev", "U-both"}), "oncall": frozenset({"U-oncall", "U-both"})}


@pytest.mark.parametrize(
    ("rule", "person", "channel", "allowed"),
    [
        pytest.param(RULE, "U-dev", "C1", True, id="a member of a group that may ask, may"),
        pytest.param(RULE, "U-oncall", "C1", False, id="an approver who may not ask, may not"),
        pytest.param(replace(RULE, requesters=()), "U-dev", "C1", False, id="nobody named means nobody"),
        pytest.param(replace(RULE, requesters=("U-dev",)), "U-dev", "C1", True, id="a person by id"),
        pytest.param(replace(RULE, requesters=("*",)), "U-any", "C1", True, id="everybody"),
        pytest.param(replace(RULE, requesters=("@gone",)), "U-dev", "C1", False, id="an unknown group names nobody"),
        pytest.param(replace(RULE, hostnames=()), "U-dev", "C1", False, id="no host name means none"),
        pytest.param(replace(RULE, hostnames=("*.example.org",)), "U-dev", "C1", False, id="another domain"),
        pytest.param(replace(RULE, hostnames=("*.app.example.com",)), "U-dev", "C1", False, id="only names below it"),
        pytest.param(replace(RULE, channels=("C2",)), "U-dev", "C1", False, id="another channel"),
        pytest.param(replace(RULE, channels=("C*",)), "U-dev", "C1", True, id="a pattern of channels"),
        pytest.param(replace(RULE, channels=()), "U-dev", "C1", False, id="no channel means none"),
        pytest.param(replace(RULE, namespaces=()), "U-dev", "C1", False, id="no namespace means none"),
        pytest.param(replace(RULE, namespaces=("shop",)), "U-dev", "C1", False, id="another namespace"),
        pytest.param(replace(RULE, services=("web-*",)), "U-dev", "C1", False, id="another Service"),
        pytest.param(replace(RULE, clusters=("prod",)), "U-dev", "C1", False, id="another cluster"),
    ],
)
def test_everything_must_be_allowed_by_one_rule(rule: Rule, person: str, channel: str, allowed: bool) -> None:
    """Default deny: each list of a rule has to name what is asked for."""
    found = Policy((rule,)).rule_for(SPEC, person, channel, MEMBERS)
    assert (found is rule) is allowed


def test_without_rules_nothing_is_allowed() -> None:
    """An empty policy admits nobody to anything."""
    assert Policy(()).admitting(SPEC.hostname, "U-dev", "C1", MEMBERS) == ()


def test_two_halves_of_a_permission_do_not_make_one() -> None:
    """One rule allows the Service and another the scheme: neither allows both."""
    policy = Policy((replace(RULE, schemes=("internal",)), replace(RULE, namespaces=("shop",))))
    assert policy.rule_for(SPEC, "U-dev", "C1", MEMBERS) is None


def test_the_first_rule_in_file_order_counts() -> None:
    """Later rules that would allow it too have no say."""
    first, second = replace(RULE, approvals=2), replace(RULE, approvers=("U-boss",))
    assert Policy((first, second)).rule_for(SPEC, "U-dev", "C1", MEMBERS) is first


@pytest.mark.parametrize(
    ("spec", "rule", "allowed"),
    [
        pytest.param(SPEC, RULE, True, id="as usual"),
        pytest.param(replace(SPEC, scheme=Scheme.INTERNAL), RULE, False, id="internal is a scheme to be allowed"),
        pytest.param(
            replace(SPEC, source_ranges=("10.1.0.0/16",)),
            replace(RULE, source_ranges=("10.0.0.0/8",)),
            True,
            id="inside",
        ),
        pytest.param(
            replace(SPEC, source_ranges=("10.1.0.0/16", "192.0.2.0/24")),
            replace(RULE, source_ranges=("10.0.0.0/8",)),
            False,
            id="one of two is outside",
        ),
        pytest.param(SPEC, replace(RULE, source_ranges=("10.0.0.0/8",)), False, id="no ranges means the whole world"),
        pytest.param(replace(SPEC, source_ranges=("2001:db8::/32",)), RULE, True, id="IPv6 inside IPv6"),
        pytest.param(
            replace(SPEC, source_ranges=("2001:db8::/32",)),
            replace(RULE, source_ranges=("0.0.0.0/0",)),
            False,
            id="IPv6 is not inside IPv4",
        ),
        pytest.param(SPEC, replace(RULE, source_ranges=()), False, id="no range allowed means none"),
    ],
)
def test_scheme_and_source_ranges_are_policy(spec: Spec, rule: Rule, allowed: bool) -> None:
    """Every wanted range lies inside an allowed one; no range at all is everybody."""
    assert allows(rule, spec) is allowed


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        pytest.param([replace(RULE, namespaces=("shop",))], "main/demo/app", id="the target"),
        pytest.param([replace(RULE, schemes=("internal",))], "the scheme internet-facing", id="the scheme"),
        pytest.param([replace(RULE, source_ranges=("10.0.0.0/8",))], "0.0.0.0/0", id="the ranges"),
    ],
)
def test_a_refusal_names_what_is_not_allowed(rules: list[Rule], said: str) -> None:
    """One sentence with the very thing that no rule allows."""
    assert said in refusal(rules, SPEC)


@pytest.mark.parametrize(
    ("person", "rule", "approved_by", "said"),
    [
        pytest.param("U-oncall", RULE, (), "", id="an approver may"),
        pytest.param("U-dev", RULE, (), "asked for this yourself", id="not who asked"),
        pytest.param(
            "U-dev", replace(RULE, approvers=("U-dev",)), (), "asked for this yourself", id="not even if named"
        ),
        pytest.param("U-dev", replace(RULE, approvers=("U-dev",), four_eyes=False), (), "", id="unless policy says so"),
        pytest.param("U-stranger", RULE, (), "not one of its approvers (@oncall)", id="not a stranger"),
        pytest.param("U-oncall", replace(RULE, approvers=()), (), "not one of its approvers", id="nobody means nobody"),
        pytest.param("U-oncall", RULE, ("U-oncall",), "counts once", id="not twice"),
    ],
)
def test_who_may_approve(person: str, rule: Rule, approved_by: tuple[str, ...], said: str) -> None:
    """Requester and approver are two people by default; each approver counts once."""
    denial = may_approve(a_request(approved_by=approved_by), rule, person, MEMBERS)
    assert said in denial
    assert bool(denial) is bool(said)


def test_a_group_that_is_not_known_approves_nothing() -> None:
    """Fails closed: without the members of @oncall nobody is an approver."""
    assert may_approve(a_request(), RULE, "U-oncall", {}) != ""


@pytest.mark.parametrize(
    ("person", "rule", "may"),
    [
        pytest.param("U-dev", None, True, id="whoever asked takes it back, whatever policy says"),
        pytest.param("U-oncall", RULE, True, id="an approver may"),
        pytest.param("U-stranger", RULE, False, id="a stranger may not"),
        pytest.param("U-oncall", None, False, id="without a rule nobody else may"),
    ],
)
def test_who_may_reject(person: str, rule: Rule | None, may: bool) -> None:
    """Approvers, also those who said yes before, and the requester."""
    assert (may_reject(a_request(approved_by=("U-oncall",)), rule, person, MEMBERS) == "") is may


def test_possible_approvers_are_people_without_the_requester() -> None:
    """Groups are unfolded; with four eyes the requester does not count, without they do."""
    rule = replace(RULE, approvers=("@oncall", "U-boss", "@gone"))
    asked_by_one_of_them = a_request(requester="U-oncall")
    assert possible_approvers(asked_by_one_of_them, rule, MEMBERS) == {"U-both", "U-boss"}
    assert "U-oncall" in possible_approvers(asked_by_one_of_them, replace(rule, four_eyes=False), MEMBERS)


def test_groups_are_told_from_people() -> None:
    """Handles come without the @."""
    assert groups_named(("@oncall", "U1", "*")) == {"oncall"}
    assert not named("oncall", ("@oncall",), MEMBERS)
