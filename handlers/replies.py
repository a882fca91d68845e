"""Private answers to one person: by the response_url of what they did, else as an ephemeral message, else directly."""

from collections.abc import Mapping
from typing import Any, cast

import structlog
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from handlers.messages.blocks import Message
from handlers.slack_errors import UNREACHABLE, calling
from services.errors import Permanent, ServiceError, Transient

log = structlog.get_logger()

#: The person or the bot is not in the channel.
_NOT_THERE = UNREACHABLE | {"user_not_in_channel"}


class Replies:
    """Sends private answers. Best effort: what must not be lost goes through the outbox instead."""

    def __init__(self, client: WebClient, *, timeout: int = 10) -> None:
        self._client = client
        self._timeout = timeout

    def reply(self, payload: Mapping[str, Any], message: Message) -> None:
        """Answer the person who sent the payload (see handlers.guard.incoming). Raises no ServiceError."""
        try:
            self.send(payload.get("response_url", ""), payload["channel"], payload["person"], message)
        except ServiceError as error:
            log.warning("reply lost", person=payload["person"], channel=payload["channel"], why=error.sentence)

    def send(self, response_url: str, channel: str, person: str, message: Message) -> None:
        """Raises Transient or Permanent if no way works."""
        if response_url and self._by_url(response_url, message):
            return
        content: dict[str, Any] = {"text": message["text"], "blocks": cast(Any, message["blocks"])}
        try:
            with calling("chat.postEphemeral"):
                self._client.chat_postEphemeral(channel=channel, user=person, **content)
        except Permanent as error:
            if error.code not in _NOT_THERE:
                raise
            with calling("chat.postMessage"):
                self._client.chat_postMessage(channel=person, unfurl_links=False, unfurl_media=False, **content)

    def _by_url(self, response_url: str, message: Message) -> bool:
        try:
            with calling("response_url"):
                # No retry handlers: a lost answer does not mean that it was not shown.
                answer = WebhookClient(response_url, timeout=self._timeout, retry_handlers=[]).send_dict(
                    {
                        "response_type": "ephemeral",
                        "replace_original": False,
                        "text": message["text"],
                        "blocks": message["blocks"],
                    }
                )
        except Transient:
            return False
        return answer.status_code == 200
