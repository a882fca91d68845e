"""chat.* and reactions.add: what the bot says, changes and takes back."""

from sandbox.slack.api import (
    LONGEST_POST,
    Call,
    SlackError,
    checked_attachments,
    checked_blocks,
    checked_metadata,
)
from sandbox.slack.entities import BOT_ID, TEAM_URL, Channel, Json, Message

LONGEST_EDIT = 4_000  #: characters of text that chat.update takes


def post_message(call: Call) -> Json:
    """chat.postMessage: into a channel, a thread (thread_ts), or both (reply_broadcast)."""
    call.need("chat:write")
    channel = call.joined_channel(by_name=True)
    message = _composed(call, channel)
    message.metadata = checked_metadata(call.structure("metadata", "invalid_metadata_format"))
    message.thread_ts = _thread(call, channel)
    message.broadcast = bool(message.thread_ts) and call.flag("reply_broadcast")
    call.workspace.post(message)
    return {"channel": channel.id, "ts": message.ts, "message": message.to_json(with_metadata=True)}


def post_ephemeral(call: Call) -> Json:
    """chat.postEphemeral: for one person of the channel; in a thread only once somebody has answered there."""
    call.need("chat:write")
    channel = call.joined_channel()
    user = call.text("user", missing="user_not_in_channel")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    message = _composed(call, channel)
    message.visible_to = user
    message.thread_ts = _thread(call, channel)
    message.hidden = bool(message.thread_ts) and not call.workspace.replies(channel.id, message.thread_ts or "")
    call.workspace.post(message)
    return {"message_ts": message.ts}


def update(call: Call) -> Json:
    """chat.update: own messages only. What is not sent stays: blocks, attachments, metadata."""
    call.need("chat:write")
    channel = call.channel()
    if channel.is_archived:
        raise SlackError("is_inactive")
    message = call.message(channel)
    if not message.by_bot:
        raise SlackError("cant_update_message")
    changes: Json = {}
    if (blocks := call.structure("blocks", "invalid_blocks_format")) is not None:
        changes["blocks"] = checked_blocks(blocks)
    if (attachments := call.structure("attachments", "invalid_attachments")) is not None:
        changes["attachments"] = checked_attachments(attachments)
    if (metadata := call.structure("metadata", "invalid_metadata_format")) is not None:
        changes["metadata"] = checked_metadata(metadata)
    text = call.text("text")
    if len(text) > LONGEST_EDIT:
        raise SlackError("msg_too_long")
    if not text and not changes.get("blocks") and not changes.get("attachments"):
        raise SlackError("no_text")
    call.workspace.edit(message, **changes, text=text)
    return {"channel": channel.id, "ts": message.ts, "text": text, "message": message.to_json()}


def delete(call: Call) -> Json:
    """chat.delete: own messages only."""
    call.need("chat:write")
    channel = call.channel()
    message = call.message(channel)
    if not message.by_bot:
        raise SlackError("cant_delete_message")
    call.workspace.delete(message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(call: Call) -> Json:
    """chat.getPermalink: needs no scope."""
    channel = call.channel()
    message = call.message(channel, "message_ts")
    link = f"{TEAM_URL}archives/{channel.id}/p{message.ts.replace('.', '')}"
    thread = f"?thread_ts={message.thread_ts}&cid={channel.id}" if message.thread_ts else ""
    return {"channel": channel.id, "permalink": link + thread}


def add_reaction(call: Call) -> Json:
    """reactions.add."""
    call.need("reactions:write")
    channel = call.joined_channel()
    message = call.message(channel, "timestamp")
    name = call.text("name", missing="invalid_name").strip(":")
    if not call.workspace.react(message, name, call.workspace.bot_user):
        raise SlackError("already_reacted")
    return {}


def _composed(call: Call, channel: Channel) -> Message:
    """The message that text, blocks and attachments make. Raises no_text, msg_too_long, invalid_blocks."""
    blocks = checked_blocks(call.structure("blocks", "invalid_blocks_format"))
    attachments = checked_attachments(call.structure("attachments", "invalid_attachments"))
    text = call.text("text")
    if len(text) > LONGEST_POST:
        raise SlackError("msg_too_long")
    if not text and not blocks and not attachments:
        raise SlackError("no_text")
    return Message(
        channel=channel.id,
        ts=call.workspace.next_ts(),
        user=call.workspace.bot_user,
        text=text,
        blocks=blocks,
        attachments=attachments,
        by_bot=True,
    )


def _thread(call: Call, channel: Channel) -> str | None:
    """The ts of the parent of the thread asked for. Raises thread_not_found."""
    thread_ts = call.text("thread_ts")
    if not thread_ts:
        return None
    parent = call.workspace.parent(channel.id, thread_ts)
    if parent is None:
        raise SlackError("thread_not_found")
    return parent.ts


def auth_test(call: Call) -> Json:
    """auth.test: who the token belongs to."""
    bot = call.workspace.users[call.workspace.bot_user]
    return {
        "url": TEAM_URL,
        "team": "Sandbox",
        "user": bot.name,
        "team_id": bot.to_json()["team_id"],
        "user_id": bot.id,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }
