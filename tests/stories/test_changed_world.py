"""The world changes between plan, approval and act: the bot stops, says what differs, and asks again."""

import time
from collections import Counter
from typing import Any

import pytest

from sandbox.calls import Phase
from sandbox.world import World
from tests.stories.bot_process import BotProcess
from tests.stories.conftest import Calls
from tests.stories.looking import Looking
from tests.stories.play import OURS, Play

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]

FOREIGN = {"Name": OURS, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.7"}]}
TLS_POLICY = "service.beta.kubernetes.io/aws-load-balancer-ssl-negotiation-policy"


def test_a_foreign_record_after_the_plan(world: World, bot: BotProcess, looking: Looking) -> None:
    """Approved, but somebody took the name meanwhile: stopped with that record named, nothing made, ask anew."""
    play = Play(world, bot, OURS)
    play.create()
    plan = play.plan()
    looking.write_record("CREATE", FOREIGN)
    before, writes = looking.everything(), looking.writes()
    play.approve(plan)
    stopped = play.said("❌", "192.0.2.7")
    assert "exists already in zone example.com and is not ours" in stopped.text
    assert "Nothing was changed" in stopped.text
    assert looking.everything() == before
    assert looking.writes() == writes
    looking.write_record("DELETE", FOREIGN)
    play.create()
    assert "+ create DNS record" in play.plan().text
    assert len(play.cards()) == 2


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        pytest.param(
            {"ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8081}]},
            ["443 → http", "443 → 8081"],
            id="target port",
        ),
        pytest.param({"selector": {"app": "other"}}, ["app=demo", "app=other"], id="selector"),
    ],
)
def test_the_source_service_after_the_plan(
    world: World, bot: BotProcess, looking: Looking, edit: dict[str, Any], said: list[str]
) -> None:
    """The approved Service would lead elsewhere now: both values are shown, and the new plan needs a new approval."""
    play = Play(world, bot, OURS)
    play.create()
    plan = play.plan()
    looking.edit_service("demo", "demo", {"spec": edit})
    before, writes = looking.everything(), looking.writes()
    play.approve(plan)
    again = play.plan(not_=plan)
    assert "The world changed" in again.text
    assert "Earlier approvals are void" in again.text
    for value in said:
        assert value in again.text
    assert looking.everything() == before
    assert looking.writes() == writes
    assert looking.requests(OURS)[-1]["state"] == "waiting for approval"
    assert play.click(play.oncall, "Approve", plan).problem == ""  # the old button: of a plan that is void
    time.sleep(1.5)
    assert looking.requests(OURS)[-1]["state"] == "waiting for approval"
    assert looking.writes() == writes
    if "selector" in edit:
        play.approve(again)
        assert play.ended().text.startswith("✅")
        assert looking.services(OURS)[0]["spec"]["selector"] == {"app": "other"}


def test_our_service_edited_by_hand(world: World, bot: BotProcess, looking: Looking) -> None:
    """On an existing endpoint: shown as a change, asked again when edited again, and never forced."""
    play = Play(world, bot, OURS)
    play.run()
    name = looking.services(OURS)[0]["metadata"]["name"]
    first, second = "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06"
    looking.edit_service("demo", name, {"metadata": {"annotations": {TLS_POLICY: first}}})
    play.create()
    plan = play.plan()
    assert f"~ change Service sandbox/demo/{name}" in plan.text
    assert f"{first} →" in plan.text
    looking.edit_service("demo", name, {"metadata": {"annotations": {TLS_POLICY: second}}})
    before, writes = looking.everything(), looking.writes()
    play.approve(plan)
    again = play.plan(not_=plan)
    assert "The world changed" in again.text
    assert f"was {first}, is {second}" in again.text
    assert looking.everything() == before
    play.approve(again)
    stopped = play.said("❌", "managed by kubectl-edit")
    assert "nothing was forced" in stopped.text
    assert looking.everything() == before
    assert looking.writes() == writes


def test_a_record_deleted_by_hand_stays_deleted(world: World, bot: BotProcess, looking: Looking) -> None:
    """An approval is used up and repairs no drift. Asking again plans just the record, with its own approval."""
    play = Play(world, bot, OURS)
    play.run()
    made = looking.inventory(OURS)
    alias = next(r for r in looking.records_of(OURS) if r["Type"] == "A")
    looking.write_record("DELETE", alias)
    looking.edit_service("demo", looking.services(OURS)[0]["metadata"]["name"], {"metadata": {"labels": {"a": "b"}}})
    time.sleep(3)  # three sweeps, and the watch has seen its Service change
    assert not any(r["Type"] == "A" for r in looking.records_of(OURS))
    bot.restart()
    time.sleep(1.5)
    assert not any(r["Type"] == "A" for r in looking.records_of(OURS))
    calls = looking.calls()
    play.create()
    plan = play.plan()
    effects = [line for line in plan.text.splitlines() if line.lstrip().startswith(("+ ", "~ "))]
    assert [e.split(" in example.com")[0].strip() for e in effects] == [f"+ create DNS record {OURS}"]
    play.approve(plan)
    assert play.ended().text.startswith("✅")
    assert looking.inventory(OURS) == made
    made_now = looking.calls() - calls
    assert made_now[("acm", "RequestCertificate")] == 0
    assert made_now[("route53", "ChangeResourceRecordSets")] == 1


def test_a_foreign_record_in_the_very_moment_of_writing(
    world: World, bot: BotProcess, looking: Looking, calls: Calls
) -> None:
    """Somebody writes between the last look and our batch: theirs stays, ours is not half there, people are told."""
    came = calls.once(
        "route53",
        "ChangeResourceRecordSets",
        Phase.BEFORE,
        lambda: looking.write_record("CREATE", FOREIGN),
        nth=2,  # after the validation record: the alias
    )
    play = Play(world, bot, OURS)
    play.create()
    play.approve()
    stopped = play.said("❌", "192.0.2.7")
    assert came.is_set()
    assert "I did not touch it" in stopped.text
    found = [r for r in looking.records_of(OURS) if not r["Name"].startswith("_")]
    assert [(r["Type"], r["ResourceRecords"]) for r in found] == [("A", [{"Value": "192.0.2.7"}])]
    assert Counter(r["Type"] for r in looking.records_of(OURS)) == {"A": 1, "CNAME": 1}


def test_a_foreign_service_in_the_very_moment_of_writing(
    world: World, bot: BotProcess, looking: Looking, calls: Calls
) -> None:
    """A Service of our name appears between the last look and our apply: it is not taken over."""
    play = Play(world, bot, OURS)
    play.create()
    plan = play.plan()
    name = plan.text.partition("Service sandbox/demo/app-")[2].split()[0]
    foreign: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"app-{name}", "namespace": "demo"},
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": "theirs"},
            "ports": [{"name": "https", "port": 443, "targetPort": 8443}],  # an apply by force would fit in
        },
    }
    came = calls.once(
        "kubernetes", "apply services", Phase.BEFORE, lambda: world.kubernetes.create(foreign, "kubectl-create")
    )
    play.approve(plan)
    play.said("❌", f"app-{name}")
    assert came.is_set()
    left = looking.service("demo", f"app-{name}")
    assert left["spec"]["selector"] == {"app": "theirs"}
    assert left["spec"]["type"] == "ClusterIP"
    assert not left["metadata"].get("annotations")
