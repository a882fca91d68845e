"""Merges the record changes of many requests into one Route 53 batch per zone, and splits what is refused by name."""

from collections.abc import Mapping, Sequence

from services.errors import Refused, ServiceError
from services.model import Act, Facts
from services.ports import RecordChange, Zones
from services.steps.step import Item

#: Route 53 takes 1000 records and 32 000 characters in a batch (domain.md §6); this stays far below both.
MOST_REQUESTS = 100


def write_records(
    zones: Zones, batch: Sequence[tuple[Item, Act]], comment: str, *, noted_as: str
) -> Mapping[str, Facts | ServiceError]:
    """What a step's `act` does whose payload is (zone, changes): the change id goes into the fact `noted_as`."""
    wanted = {item.request_id: (act.payload[0].id, act.payload[1]) for item, act in batch}
    outcome = change_records(zones, wanted, comment)
    written: dict[str, Facts | ServiceError] = {}
    for item, _ in batch:
        result = outcome[item.request_id]
        if isinstance(result, ServiceError):
            written[item.request_id] = result
        else:
            written[item.request_id] = item.facts.with_(**{noted_as: result})
    return written


def change_records(
    zones: Zones, wanted: Mapping[str, tuple[str, Sequence[RecordChange]]], comment: str
) -> Mapping[str, str | ServiceError]:
    """Change id, or why not, by request id; `wanted` holds zone id and changes by request id.

    A batch is all or nothing, so one foreign record would poison the others: a refused batch is tried again one
    request at a time.
    """
    outcome: dict[str, str | ServiceError] = {}
    for zone_id in dict.fromkeys(zone for zone, _ in wanted.values()):
        ids = [r for r, (zone, _) in wanted.items() if zone == zone_id]
        for start in range(0, len(ids), MOST_REQUESTS):
            outcome |= _submit(zones, zone_id, {r: wanted[r][1] for r in ids[start : start + MOST_REQUESTS]}, comment)
    return outcome


def _submit(
    zones: Zones, zone_id: str, wanted: Mapping[str, Sequence[RecordChange]], comment: str
) -> dict[str, str | ServiceError]:
    try:
        change_id = zones.change(zone_id, [c for changes in wanted.values() for c in changes], f"nlbtls: {comment}")
    except Refused as error:
        if len(wanted) == 1:
            return dict.fromkeys(wanted, error)
        alone = [_submit(zones, zone_id, {request: changes}, comment) for request, changes in wanted.items()]
        return {request: result for one in alone for request, result in one.items()}
    except ServiceError as error:
        return dict.fromkeys(wanted, error)
    return dict.fromkeys(wanted, change_id)
