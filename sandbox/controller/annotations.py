"""The annotations of a Service as the AWS Load Balancer Controller parses them, with its messages."""

from collections.abc import Mapping
from typing import Any

PREFIX = "service.beta.kubernetes.io/"
LOAD_BALANCER = PREFIX + "aws-load-balancer-"

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


class AnnotationError(ValueError):
    """An annotation that the controller refuses; the text is the controller's."""


class Annotations:
    """Typed access by suffix, e.g. "ssl-cert" for service.beta.kubernetes.io/aws-load-balancer-ssl-cert."""

    def __init__(self, service: Mapping[str, Any]) -> None:
        self._all: Mapping[str, str] = service["metadata"].get("annotations") or {}

    def text(self, suffix: str) -> str | None:
        """The value as it stands."""
        return self._all.get(LOAD_BALANCER + suffix)

    def texts(self, suffix: str) -> tuple[str, ...]:
        """A comma-separated list, trimmed, without empty items, in its order."""
        return _split(self.text(suffix))

    def source_ranges(self) -> tuple[str, ...]:
        """The one annotation of the table that is not called aws-load-balancer-."""
        return _split(self._all.get(PREFIX + "load-balancer-source-ranges"))

    def mapping(self, suffix: str) -> dict[str, str]:
        """A list of key=value."""
        found = {}
        for item in self.texts(suffix):
            key, separator, value = (part.strip() for part in item.partition("="))
            if not separator or not key:
                raise AnnotationError(
                    f"failed to parse stringMap annotation, {LOAD_BALANCER}{suffix}: {self.text(suffix)}"
                )
            found[key] = value
        return found

    def number(self, suffix: str, default: int) -> int:
        """A whole number."""
        raw = self.text(suffix)
        if raw is None:
            return default
        try:
            return int(raw)
        except ValueError as error:
            raise AnnotationError(
                f"failed to parse int32 annotation, {LOAD_BALANCER}{suffix}: {raw}: "
                f'strconv.ParseInt: parsing "{raw}": invalid syntax'
            ) from error

    def flag(self, suffix: str) -> bool:
        """A boolean in one of Go's spellings; absent is False."""
        raw = self.text(suffix)
        if raw is None or raw in _FALSE:
            return False
        if raw in _TRUE:
            return True
        raise AnnotationError(
            f"failed to parse bool annotation, {LOAD_BALANCER}{suffix}: {raw}: "
            f'strconv.ParseBool: parsing "{raw}": invalid syntax'
        )


def _split(value: str | None) -> tuple[str, ...]:
    return tuple(item for item in (part.strip() for part in (value or "").split(",")) if item)
