"""What people can do: every decision is one compare-and-set, and every "no" a sentence."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from services.errors import Refused, Transient
from services.model import EndpointState, State
from services.policy import Policy
from services.requests import Order
from services.storage import HostnameTaken, InboxItem
from tests.unit.bots import DEV, ONCALL, OURS, RULE, SECOND, THEIRS, Bot
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import NOON, THROTTLED


def digest(bot: Bot, request_id: str) -> str:
    plan = bot.request(request_id).plan
    assert plan is not None
    return plan.digest


# ---- create


def test_a_create_is_planned_by_the_scheduler(bot: Bot, world: InMemoryWorld) -> None:
    """The call itself touches neither AWS nor Kubernetes nor DNS."""
    request = bot.request(bot.create("App.Example.COM.", {"port": "8443"}))
    assert (request.hostname, request.state, request.due_at) == (OURS, State.PLANNING, NOON)
    assert request.wish["port"] == 8443
    assert set(world.gate.calls) <= {"directory.members"}


@pytest.mark.parametrize(
    ("hostname", "options", "person", "said"),
    [
        pytest.param("not a host", {}, DEV, "space", id="no host name"),
        pytest.param(OURS, {"port": "0"}, DEV, "not a port", id="a bad option"),
        pytest.param(OURS, {"cluster": "mian"}, DEV, "Did you mean 'main'?", id="an unknown cluster"),
        pytest.param("app.example.net", {}, DEV, "No policy allows anybody", id="a host name of nobody"),
    ],
)
def test_bad_input_changes_nothing(bot: Bot, hostname: str, options: dict[str, str], person: str, said: str) -> None:
    """Refused with a sentence; no request, no endpoint."""
    with pytest.raises(Refused) as refused:
        bot.create(hostname, options, person=person)
    assert said in f"{refused.value.sentence} {refused.value.hint}"
    assert bot.store.requests() == []
    assert bot.store.endpoints() == []


def test_who_may_not_ask_is_refused_at_once(new_bot: Callable[..., Bot]) -> None:
    """With who may."""
    bot = new_bot(Policy((replace(RULE, requesters=("U-boss",)),)))
    with pytest.raises(Refused, match="Allowed: U-boss"):
        bot.create()


def test_membership_that_cannot_be_read_lets_nobody_in(bot: Bot, world: InMemoryWorld) -> None:
    """Fails closed: the error goes to the person, nothing is stored."""
    world.gate.fail("directory.members", THROTTLED)
    with pytest.raises(Transient):
        bot.create()
    assert bot.store.requests() == []


def test_a_host_with_an_open_request_is_taken(bot: Bot) -> None:
    """The error carries the request that holds it: who, since when."""
    id_ = bot.create()
    with pytest.raises(HostnameTaken) as taken:
        bot.create(person="U-other")
    assert (taken.value.request.id, taken.value.request.requester) == (id_, DEV)


def test_an_id_that_is_taken_is_drawn_anew(bot: Bot) -> None:
    """The short ids that people read are not endless."""
    drawn = iter(["e1", "aaaaaa", "e2", "aaaaaa", "e3", "bbbbbb"])
    bot.requests._new_id = lambda: next(drawn)
    assert (bot.create(OURS), bot.create(THEIRS)) == ("r-aaaaaa", "r-bbbbbb")


def test_a_later_request_is_a_later_generation_of_one_endpoint(bot: Bot) -> None:
    """Its idempotency token must differ from the old one."""
    first = bot.create(dry_run=True)
    bot.until(first, State.PLANNED)
    second = bot.create()
    one, two = bot.request(first), bot.request(second)
    assert one.endpoint_id == two.endpoint_id
    assert (one.generation, two.generation) == (1, 2)


def test_what_came_in_is_finished_with_the_request(bot: Bot) -> None:
    """In one transaction: a crash neither loses nor doubles it."""
    bot.store.inbox.receive(InboxItem("t1", "command", {}, NOON))
    bot.requests.create(Order(DEV, "C1", OURS, {}, inbox_key="t1"))
    assert bot.store.inbox.unfinished(NOON.replace(hour=13)) == []


# ---- approve


def test_two_clicks_at_once_are_one_decision(bot: Bot) -> None:
    """The second one comes too late, whoever it was."""
    id_ = bot.plan()
    asked = digest(bot, id_)

    def quicker(_: object) -> None:
        bot.requests.approve(id_, asked, SECOND)

    bot.store.before_commit.append(quicker)
    with pytest.raises(Refused, match="Too late") as refused:
        bot.requests.approve(id_, asked, ONCALL)
    assert refused.value.code == "late"
    assert bot.request(id_).approved_by == (SECOND,)
    assert bot.happened(id_).count("approved") == 1


def test_approve_and_reject_at_once_are_one_decision(bot: Bot) -> None:
    """Whichever was written first."""
    id_ = bot.plan()
    asked = digest(bot, id_)

    def quicker(_: object) -> None:
        bot.requests.reject(id_, asked, SECOND, "no")

    bot.store.before_commit.append(quicker)
    with pytest.raises(Refused, match="rejected"):
        bot.requests.approve(id_, asked, ONCALL)
    bot.run(hours=1)
    assert bot.world.gate.effects == []


@pytest.mark.parametrize(
    ("person", "said"),
    [
        pytest.param(DEV, "asked for this yourself", id="the requester"),
        pytest.param("U-stranger", "not one of its approvers (@oncall)", id="a stranger"),
    ],
)
def test_who_may_not_approve(bot: Bot, person: str, said: str) -> None:
    """Told why, and nothing is approved."""
    id_ = bot.plan()
    with pytest.raises(Refused) as refused:
        bot.approve(id_, person)
    assert said in refused.value.sentence
    assert (refused.value.code, refused.value.hint) == ("denied", "Nothing was approved.")
    assert bot.request(id_).state is State.WAITING


def test_a_requester_who_is_an_approver_needs_another(bot: Bot) -> None:
    """Four eyes."""
    id_ = bot.create(person=ONCALL)
    bot.until(id_, State.WAITING)
    with pytest.raises(Refused, match="yourself"):
        bot.approve(id_, ONCALL)
    assert bot.approve(id_, SECOND).state is State.APPROVED


def test_membership_is_looked_up_at_the_click(bot: Bot, world: InMemoryWorld) -> None:
    """Who left the group an hour ago does not approve; who joined does."""
    id_ = bot.plan()
    world.people.groups["oncall"] = frozenset({"U-new"})
    with pytest.raises(Refused, match="not one of its approvers"):
        bot.approve(id_, ONCALL)
    assert bot.approve(id_, "U-new").state is State.APPROVED


def test_membership_that_cannot_be_read_approves_nothing(bot: Bot, world: InMemoryWorld) -> None:
    """Fails closed."""
    id_ = bot.plan()
    world.gate.fail("directory.members", THROTTLED)
    with pytest.raises(Transient):
        bot.approve(id_)
    assert bot.request(id_).state is State.WAITING


def test_one_person_counts_once(new_bot: Callable[..., Bot]) -> None:
    """Two approvals are two people."""
    bot = new_bot(Policy((replace(RULE, approvals=2),)))
    id_ = bot.plan()
    assert bot.approve(id_).state is State.WAITING
    with pytest.raises(Refused, match="counts once"):
        bot.approve(id_)
    assert bot.approve(id_, SECOND).state is State.APPROVED


def test_how_many_are_needed_is_policy_as_it_is_now(bot: Bot) -> None:
    """Planned when one was enough; since a restart two are needed."""
    id_ = bot.plan()
    bot.policy = Policy((replace(RULE, approvals=2),))
    bot.start()
    assert bot.approve(id_).state is State.WAITING
    assert bot.approve(id_, SECOND).state is State.APPROVED


def test_policy_that_changed_meanwhile_stops_the_approval(bot: Bot) -> None:
    """The rule by which it was planned is gone; still whoever asked may take it back, and nobody else."""
    id_ = bot.plan()
    bot.policy = Policy((replace(RULE, namespaces=("shop",)),))
    bot.start()
    with pytest.raises(Refused, match="does not allow this request any more"):
        bot.approve(id_)
    with pytest.raises(Refused, match="nobody any more"):
        bot.requests.reject(id_, digest(bot, id_), ONCALL)
    assert bot.requests.reject(id_, digest(bot, id_), DEV).state is State.REJECTED


def test_a_button_of_an_older_plan_approves_nothing(bot: Bot, world: InMemoryWorld) -> None:
    """The plan was replaced: look first."""
    id_ = bot.plan()
    old = digest(bot, id_)
    world.cluster.edit("demo", "app", selector={"app": "v2"})
    bot.approve(id_)
    bot.until(id_, State.WAITING)
    with pytest.raises(Refused, match="replaced by plan") as refused:
        bot.requests.approve(id_, old, ONCALL)
    assert refused.value.code == "replaced"


def test_a_late_click_is_too_late(bot: Bot) -> None:
    """Also in the second before the scheduler notices."""
    id_ = bot.plan()
    bot.clock.forward(hours=24)
    with pytest.raises(Refused, match="expired"):
        bot.approve(id_)


def test_an_unknown_request(bot: Bot) -> None:
    """A button of another installation, say."""
    with pytest.raises(Refused, match="no request r-zzz"):
        bot.requests.approve("r-zzz", "d", ONCALL)


# ---- reject, choose, check


@pytest.mark.parametrize("person", [DEV, ONCALL], ids=["whoever asked", "an approver"])
def test_one_no_is_final(bot: Bot, person: str) -> None:
    """With the reason; the host name is free again."""
    id_ = bot.plan()
    request = bot.requests.reject(id_, digest(bot, id_), person, "not on a Friday")
    assert (request.state, request.reason) == (State.REJECTED, "not on a Friday")
    bot.create()


def test_who_said_yes_may_still_say_no(new_bot: Callable[..., Bot]) -> None:
    """While another approval is missing."""
    bot = new_bot(Policy((replace(RULE, approvals=2),)))
    id_ = bot.plan()
    bot.approve(id_)
    assert bot.requests.reject(id_, digest(bot, id_), ONCALL).state is State.REJECTED


def test_a_stranger_rejects_nothing(bot: Bot) -> None:
    """Nor does an approver of something else."""
    id_ = bot.plan()
    with pytest.raises(Refused) as refused:
        bot.requests.reject(id_, digest(bot, id_), "U-stranger")
    assert refused.value.hint == "Nothing was rejected."


@pytest.fixture
def choosing(bot: Bot, world: InMemoryWorld) -> str:
    """A request with two candidates."""
    world.cluster.add("web", annotations={"nlbtls/hostname": OURS})
    id_ = bot.create()
    bot.until(id_, State.CHOOSING)
    return id_


def test_the_requester_chooses(bot: Bot, choosing: str) -> None:
    """And is planned with what they chose."""
    bot.requests.choose(choosing, "main/demo/web", DEV)
    request = bot.until(choosing, State.WAITING)
    assert request.spec is not None
    assert request.spec.source == "web"


@pytest.mark.parametrize(
    ("ref", "person", "said"),
    [
        pytest.param("main/demo/web", ONCALL, "Only the person who asked", id="somebody else"),
        pytest.param("main/default/kube", DEV, "not one of the candidates", id="what was not offered"),
        pytest.param("", DEV, "not one of the candidates", id="nothing"),
    ],
)
def test_what_cannot_be_chosen(bot: Bot, choosing: str, ref: str, person: str, said: str) -> None:
    """The choice shapes the request: it is the requester's, among the candidates."""
    with pytest.raises(Refused, match=said):
        bot.requests.choose(choosing, ref, person)
    assert bot.request(choosing).state is State.CHOOSING


def test_a_choice_can_be_made_once(bot: Bot, choosing: str) -> None:
    """The menu stays in the message."""
    bot.requests.choose(choosing, "main/demo/web", DEV)
    with pytest.raises(Refused, match="nothing to choose any more"):
        bot.requests.choose(choosing, "main/demo/app", DEV)


def test_check_now_looks_now_and_answers(bot: Bot, world: InMemoryWorld) -> None:
    """A record that was made is found at once, not in ten minutes."""
    id_ = bot.plan(THEIRS)
    bot.approve(id_)
    bot.run(hours=2)
    bot.requests.check_now(id_, "U-dns")
    bot.turn()
    (found,) = bot.told(id_, "found")
    assert (found["asked_by"], found["ok"]) == ("U-dns", False)
    assert "knows no such name yet" in found["found"]
    (pending,) = world.acm.held.values()
    world.publish(*pending.record)
    bot.requests.check_now(id_, "U-dns")
    bot.turn()
    assert bot.told(id_, "found")[1]["ok"]


def test_nothing_is_checked_after_the_end(bot: Bot) -> None:
    """The button stays in the message."""
    id_ = bot.plan()
    with pytest.raises(Refused, match="nothing to check"):
        bot.requests.check_now(id_, DEV)


# ---- where nobody can see it; looking


@pytest.mark.parametrize("running", [False, True], ids=["a plan ends", "what runs goes on"])
def test_a_card_that_cannot_be_shown(bot: Bot, running: bool) -> None:
    """Nobody could approve it; but what was approved is finished."""
    id_ = bot.plan()
    if running:
        bot.approve(id_)
        bot.until(id_, State.RUNNING)
    bot.requests.undeliverable(id_, "not_in_channel")
    assert bot.request(id_).state is (State.RUNNING if running else State.REFUSED)


def test_overview_and_listing(bot: Bot) -> None:
    """One host with its history; and everything that is or is under way."""
    bot.approve(bot.plan())
    bot.run()
    bot.plan(THEIRS)
    seen = bot.requests.overview("APP.example.com")
    assert seen.endpoint is not None
    assert (seen.hostname, seen.endpoint.state, len(seen.requests)) == (OURS, EndpointState.ACTIVE, 1)
    listed = bot.requests.listing()
    assert [e.hostname for e in listed.endpoints] == [OURS]
    assert [r.hostname for r in listed.requests] == [THEIRS]
    with pytest.raises(Refused):
        bot.requests.overview("nonsense")
