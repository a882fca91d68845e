"""Which zone a name's records belong in, with a memory of a minute."""

import pytest

from services.errors import Transient
from services.zone_finder import ZoneFinder
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import THROTTLED


def finder(world: InMemoryWorld) -> ZoneFinder:
    return ZoneFinder(world, world.clock)


def test_the_longest_delegated_public_zone(world: InMemoryWorld) -> None:
    """A longer zone that nobody is sent to gives way, with a finding; a private one never counts."""
    world.route53.add_zone("Z2", "shop.example.com")
    world.route53.add_zone("Z3", "app.shop.example.com", private=True)
    found = finder(world).find("app.shop.example.com")
    assert found.zone == world.route53.zones["Z1"]
    assert any("Z2" in finding for finding in found.findings)
    world.public.delegated["shop.example.com"] = world.route53.servers["Z2"]
    assert finder(world).find("app.shop.example.com").zone == world.route53.zones["Z2"]


def test_a_zone_that_is_delegated_to_others_is_elsewhere(world: InMemoryWorld) -> None:
    """F1: a hosted zone of the name, and the registrar points to somebody else."""
    world.public.delegated["example.com"] = ("ns1.elsewhere.test",)
    found = finder(world).find("app.example.com")
    assert (found.zone, found.unknown) == (None, False)


def test_what_cannot_be_seen_is_unknown_and_not_remembered(world: InMemoryWorld) -> None:
    """Nothing may be concluded from silence; the next look asks again."""
    world.public.silent = True
    one = finder(world)
    assert one.find("app.example.com").unknown
    world.public.silent = False
    assert one.find("app.example.com").zone == world.route53.zones["Z1"]


def test_an_answer_is_remembered_for_a_minute(world: InMemoryWorld) -> None:
    """Many requests share a zone; a new delegation is seen soon all the same."""
    one = finder(world)
    for n in range(20):
        one.find(f"a{n}.example.com")
    asked = world.gate.calls["route53.name_servers"]
    world.clock.forward(seconds=61)
    one.find("a1.example.com")
    assert asked == 1
    assert world.gate.calls["route53.name_servers"] == 2


def test_an_error_of_route_53_is_passed_on(world: InMemoryWorld) -> None:
    """It is no answer."""
    world.gate.fail("route53.list", THROTTLED)
    with pytest.raises(Transient):
        finder(world).find("app.example.com")
