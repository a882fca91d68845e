"""What Slack's refusals mean, by its error codes. The one place that translates them."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk.errors import SlackApiError, SlackClientError

from services.errors import Permanent, Transient

#: The bot cannot write there until a person does something.
UNREACHABLE = frozenset({"not_in_channel", "channel_not_found", "is_archived", "restricted_action", "no_permission"})
#: The message cannot be edited any more: post it anew.
UNEDITABLE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "is_inactive"})
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)


@contextmanager
def calling(method: str) -> Iterator[None]:
    """Translate what goes wrong in one Slack call. Raises Transient, or Permanent with Slack's own code."""
    try:
        yield
    except SlackApiError as error:
        raise translated(error, method) from error
    except (SlackClientError, URLError, HTTPException, TimeoutError, OSError) as error:
        raise Transient(f"Slack could not be reached for {method}.", code="unreachable") from error


def translated(error: SlackApiError, method: str) -> Transient | Permanent:
    """One refusal of Slack."""
    response: Any = error.response
    status = getattr(response, "status_code", 0)
    data = getattr(response, "data", None)
    code = data.get("error", "") if isinstance(data, dict) else ""
    if status == 429 or code in _PASSING or status >= 500:
        after = (getattr(response, "headers", None) or {}).get("Retry-After")
        return Transient(
            f"Slack asks to wait before {method}.", after=float(after) if after else None, code=code or str(status)
        )
    needed = data.get("needed") if isinstance(data, dict) else ""
    detail = f" (needs the scope {needed})" if needed else ""
    return Permanent(f"Slack refused {method}: {code or status}{detail}.", code=code or str(status))
