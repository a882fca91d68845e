"""Structured logs: JSON lines to stdout, with every library's own log in the same form, and no token in any of them."""

import logging
import re
import sys
import threading
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict

log = structlog.get_logger()

_SECRET = re.compile(
    r"xox[a-z]-[\w-]+"  # Slack's tokens, of bots and people
    r"|xapp-[\w-]+"
    r"|(?:AKIA|ASIA)[0-9A-Z]{12,}"
    r"|Bearer\s+[\w.~+/=-]+"
    r"|(?<=hooks\.slack\.com/)[\w./-]+"  # response URLs: whoever has one may write
    r"|(?<=[?&]ticket=)[\w.-]+"  # of a socket's URL
    r"|(?<=://)[^\s/:@\"\\]+:[^\s/@\"\\]+(?=@)"  # user and password in an address
)


class _Redacting:
    """Renders a line as JSON and blacks out whatever looks like a secret, wherever it stands in it."""

    def __init__(self) -> None:
        self._json = structlog.processors.JSONRenderer()

    def __call__(self, logger: Any, name: str, event: EventDict) -> str:
        rendered = self._json(logger, name, event)
        return _SECRET.sub("[redacted]", rendered if isinstance(rendered, str) else rendered.decode())


def configure(level: str) -> None:
    """Set up logging for the process. `level`: a name known to the standard library, in capitals."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _Redacting()],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("botocore", "boto3", "urllib3", "alembic", "slack_bolt", "slack_sdk"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        log.critical("uncaught", thread=getattr(args.thread, "name", ""), exc_info=args.exc_value)
