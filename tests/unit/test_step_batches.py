"""Record changes of many requests: one batch per zone, never larger than Route 53 takes, split where it is refused."""

from services.errors import Refused, ServiceError
from services.ports import Record, RecordChange
from services.steps.batches import MOST_REQUESTS, change_records
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import THROTTLED


def wanted(count: int, zone: str = "Z1", start: int = 0) -> dict[str, tuple[str, tuple[RecordChange, ...]]]:
    """One CREATE for each request."""
    records = {n: Record(f"a{n}.example.com", "A", ("192.0.2.1",), 60) for n in range(start, start + count)}
    return {f"r-{n}": (zone, (RecordChange("CREATE", record),)) for n, record in records.items()}


def test_each_zone_has_its_own_batch(world: InMemoryWorld) -> None:
    """One call per zone, each with all changes for it."""
    world.route53.add_zone("Z2", "example.net")
    outcome = change_records(world.route53, {**wanted(3), **wanted(2, "Z2", 3)}, "test")
    assert [(zone, len(changes)) for zone, changes in world.route53.batches] == [("Z1", 3), ("Z2", 2)]
    assert list(outcome.values()) == ["C1", "C1", "C1", "C2", "C2"]


def test_a_batch_stays_below_the_limit(world: InMemoryWorld) -> None:
    """A thousand records are not sent at once."""
    change_records(world.route53, wanted(MOST_REQUESTS + 1), "test")
    assert [len(changes) for _, changes in world.route53.batches] == [MOST_REQUESTS, 1]


def test_a_refused_name_alone_is_refused(world: InMemoryWorld) -> None:
    """Refused together, tried one by one."""
    world.route53.put("Z1", Record("a1.example.com", "A", ("192.0.2.9",), 60))
    outcome = change_records(world.route53, wanted(3), "test")
    assert [type(o) for o in outcome.values()] == [str, Refused, str]


def test_a_single_refused_name_is_not_tried_twice(world: InMemoryWorld) -> None:
    """There is nothing to split."""
    world.route53.put("Z1", Record("a0.example.com", "A", ("192.0.2.9",), 60))
    change_records(world.route53, wanted(1), "test")
    assert world.gate.calls["route53.change"] == 1


def test_throttling_concerns_the_batch_and_is_not_split(world: InMemoryWorld) -> None:
    """Splitting would make more calls just when there are too many."""
    world.gate.fail("route53.change", THROTTLED)
    outcome = change_records(world.route53, wanted(3), "test")
    assert all(isinstance(o, ServiceError) for o in outcome.values())
    assert world.gate.calls["route53.change"] == 1
