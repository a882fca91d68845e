"""Structured logs: JSON lines to stdout, with every library's own log in the same form, and no token in any of them."""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict

_TOKEN = re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+|AKIA[0-9A-Z]{12,}|Bearer\s+[\w.~+/=-]+")


def redact(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Black out whatever looks like a token, wherever it stands in a line."""
    return {key: _black_out(value) for key, value in event.items()}


def _black_out(value: Any) -> Any:
    if isinstance(value, str):
        return _TOKEN.sub("[redacted]", value)
    if isinstance(value, dict):
        return {k: _black_out(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_black_out(v) for v in value]
    return value


def configure(level: str) -> None:
    """Set up logging for the process."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping().get(level.upper(), 20)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("botocore", "boto3", "urllib3", "alembic", "slack_bolt", "slack_sdk"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
