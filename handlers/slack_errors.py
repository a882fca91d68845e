"""What Slack's refusals mean, by its error codes. The one place that translates them."""

import re
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
#: The card over a thread was deleted.
THREAD_GONE = frozenset({"thread_not_found", "message_not_found"})
#: The message itself is refused: the same again is refused again.
MALFORMED = frozenset(
    {
        *("invalid_blocks", "invalid_blocks_format", "invalid_arguments", "invalid_metadata_format"),
        *("metadata_too_large", "msg_too_long", "msg_blocks_too_long", "no_text"),
    }
)
#: Slack's word that trying again with the same token will not help.
BAD_TOKEN = frozenset(
    {
        *("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "invalid_token"),
        *("not_allowed_token_type", "missing_scope", "no_permission", "user_removed_from_team", "org_login_required"),
    }
)
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
_CODE = re.compile(r"[a-z0-9_]+")


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
            f"Slack asks to wait before {method}.",
            after=float(after) if after else None,
            code=code if _CODE.fullmatch(code) else str(status),
        )
    if not _CODE.fullmatch(code):  # not Slack's JSON: the page of a proxy, say
        return Transient(f"Something else than Slack answered {method}.", code=str(status))
    needed = data.get("needed") if isinstance(data, dict) else ""
    detail = f" (needs the scope {needed})" if needed else ""
    return Permanent(f"Slack refused {method}: {code}{detail}.", code=code)
