"""Values of the model to JSON and back, driven by the type hints of the dataclasses.

A document written by an older version loads: unknown keys are ignored, missing ones take the field's default. Times
are seconds since the epoch. Free data (`Mapping[str, Any]`) may hold JSON scalars, lists, mappings with text keys,
enums (which come back as their value), tuples and aware datetimes. Lists and tuples are told apart, for free data is
compared: an approved change with the same change as it is wanted today.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from services.errors import Permanent

T = TypeVar("T")

#: Marks of what JSON has no form for inside free data, where no type hint tells it.
TIME = "$time"
TUPLE = "$tuple"


def seconds(moment: datetime) -> float:
    """Seconds since the epoch, exact to the microsecond. ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.timestamp()


def moment(seconds_: float) -> datetime:
    """The aware UTC datetime."""
    return datetime.fromtimestamp(seconds_, UTC)


def encode(value: Any) -> Any:
    """A dataclass of the model, or a value of one of its fields, as JSON. TypeError for what has no JSON form."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, datetime):
        return seconds(value)
    return encode_data(value)


def encode_data(value: Any) -> Any:
    """Free data as JSON. TypeError for what would not come back."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return {TIME: seconds(value)}
    if isinstance(value, list):
        return [encode_data(item) for item in value]
    if isinstance(value, tuple):
        return {TUPLE: [encode_data(item) for item in value]}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"Keys of stored data must be text: {sorted(map(repr, value))}")
        return {str(key): encode_data(item) for key, item in value.items()}
    raise TypeError(f"A {type(value).__name__} cannot be stored as data: {value!r}")


def decode(kind: type[T], data: Mapping[str, Any]) -> T:
    """The dataclass `kind` from its document. Permanent if this version cannot read it."""
    readers = _readers(cast(Hashable, kind))  # mypy: a type of a free variable might have a metaclass without hash
    try:
        return kind(**{name: read(data[name]) for name, read in readers if name in data})
    except (TypeError, ValueError) as error:
        raise Permanent(
            f"A {kind.__name__} in the database cannot be read by this version of nlbtls: {error}",
            hint="Run the version that wrote it, or a later one.",
            code="Unreadable",
        ) from error


def decode_data(value: Any) -> Any:
    """Free data from JSON."""
    if isinstance(value, list):
        return [decode_data(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {TIME}:
            return moment(value[TIME])
        if value.keys() == {TUPLE}:
            return tuple(decode_data(value[TUPLE]))
        return {key: decode_data(item) for key, item in value.items()}
    return value


@cache
def _readers(kind: Hashable) -> Sequence[tuple[str, Callable[[Any], Any]]]:
    hints = get_type_hints(kind)
    return [(name, _reader(hint)) for name, hint in hints.items()]


def _reader(hint: Any) -> Callable[[Any], Any]:
    """How to read a field with this type hint. One that is not foreseen fails at once."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType and len(arguments) == 2 and NoneType in arguments:
        return partial(_optional, _reader(next(a for a in arguments if a is not NoneType)))
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return partial(_tuple, _reader(arguments[0]))
    if origin is Mapping:
        return decode_data
    if hint is datetime:
        return moment
    if isinstance(hint, type) and is_dataclass(hint):
        return partial(decode, hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if hint in (str, int, float, bool):
        return _as_is
    raise TypeError(f"The store has no JSON form for fields of type {hint}")


def _optional(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


def _tuple(read: Callable[[Any], Any], value: Any) -> tuple[Any, ...]:
    return tuple(read(item) for item in value)


def _as_is(value: Any) -> Any:
    return value
