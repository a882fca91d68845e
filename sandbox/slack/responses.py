"""What an app answers without a token: the payload of an ack, and posts to a response URL."""

from sandbox.slack.api import SlackError, checked_attachments, checked_blocks, refuse
from sandbox.slack.entities import Json, Message
from sandbox.slack.tickets import LapsedError, Tickets
from sandbox.slack.workspace import Workspace

UNKNOWN_KEYS = "invalid_payload"
_KEYS = {
    "text", "blocks", "attachments", "response_type", "replace_original", "delete_original", "thread_ts", "mrkdwn",
    "unfurl_links", "unfurl_media", "metadata", "username", "icon_emoji", "icon_url", "parse", "link_names",
}  # fmt: skip


def compose(workspace: Workspace, user: str, channel: str, body: Json) -> Message | None:
    """The message that a body makes: ephemeral unless it says in_channel; None if it has no content.

    Raises SlackError for blocks that Slack would refuse.
    """
    refuse(UNKNOWN_KEYS, [f"[ERROR] invalid additional property: {key}" for key in sorted(set(body) - _KEYS)])
    message = Message(
        channel=channel,
        ts=workspace.next_ts(),
        user=workspace.bot_user,
        text=str(body.get("text") or ""),
        blocks=checked_blocks(body.get("blocks")),
        attachments=checked_attachments(body.get("attachments")),
        by_bot=True,
        visible_to=None if body.get("response_type") == "in_channel" else user,
    )
    if not message.text and not message.blocks and not message.attachments:
        return None
    if thread_ts := body.get("thread_ts"):
        parent = workspace.parent(channel, str(thread_ts))
        message.thread_ts = parent.ts if parent else None
    return message


def respond(workspace: Workspace, tickets: Tickets, secret: str, body: Json) -> None:
    """One use of a response URL, for 30 minutes and five times; membership of the channel is not needed.

    Raises SlackError, with used_url or expired_url for a URL that lapsed.
    """
    try:
        ticket = tickets.respond(secret)
    except LapsedError as lapsed:
        raise SlackError(lapsed.code) from None
    original = workspace.message(ticket.channel, ticket.message_ts) if ticket.message_ts else None
    if body.get("delete_original"):
        if original:
            workspace.delete(original)
        return
    message = compose(workspace, ticket.user, ticket.channel, body)
    if message is None:
        raise SlackError("no_text")
    if original and _replaces(body):
        content = {"text": message.text, "blocks": message.blocks, "attachments": message.attachments}
        workspace.edit(original, **content)
    else:
        workspace.post(message)


def _replaces(body: Json) -> bool:
    """Whether the message that was acted on is replaced.

    Saying nothing replaces it too: apps that wanted a new message had to learn to say so (botkit#446, sentry#73590).
    """
    if "replace_original" in body:
        return bool(body["replace_original"])
    return "response_type" not in body and "delete_original" not in body
