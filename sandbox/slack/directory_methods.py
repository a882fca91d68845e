"""conversations.*, users.* and usergroups.*: what the bot can look up."""

from sandbox.slack.api import Call, SlackError
from sandbox.slack.entities import Channel, Json, Message


def info(call: Call) -> Json:
    """conversations.info."""
    channel = call.channel()
    call.need(f"{channel.scope_prefix}:read")
    return {"channel": channel.to_json(call.workspace.bot_user)}


def list_channels(call: Call) -> Json:
    """conversations.list: public channels, and those others that the bot is in, of the types asked for."""
    types = {"public_channel": "public", "private_channel": "private", "im": "im", "mpim": "mpim"}
    asked = {types.get(name.strip(), "") for name in (call.text("types") or "public_channel").split(",")}
    if "" in asked:
        raise SlackError("invalid_types")
    bot = call.workspace.bot_user
    found = [
        channel
        for channel in call.workspace.channels.values()
        if channel.kind in asked and (channel.kind == "public" or bot in channel.members)
        if not (call.flag("exclude_archived") and channel.is_archived)
    ]
    for prefix in sorted({channel.scope_prefix for channel in found}):
        call.need(f"{prefix}:read")
    page, cursor = call.page(found, default=100, most=1000)
    return {"channels": [channel.to_json(bot) for channel in page], "response_metadata": {"next_cursor": cursor}}


def members(call: Call) -> Json:
    """conversations.members."""
    channel = call.channel()
    call.need(f"{channel.scope_prefix}:read")
    page, cursor = call.page(sorted(channel.members), default=100, most=1000)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def open_conversation(call: Call) -> Json:
    """conversations.open: the direct message with one person (group messages are not modelled)."""
    call.need("im:write")
    if call.text("channel"):
        return {"channel": {"id": call.channel().id}}
    users = [user for user in call.text("users", missing="users_list_not_supplied").split(",") if user]
    if len(users) != 1:
        raise SlackError("not_enough_users" if not users else "method_not_supported_for_channel_type")
    user = call.workspace.users.get(users[0])
    if user is None:
        raise SlackError("user_not_found")
    if user.deleted:
        raise SlackError("user_disabled")
    channel = call.workspace.direct_message(call.workspace.bot_user, user.id)
    return {"channel": {"id": channel.id}}


def history(call: Call) -> Json:
    """conversations.history: newest first, only from within the channel."""
    channel = _readable(call)
    messages = [m for m in reversed(call.workspace.history(channel.id)) if _in_window(call, m)]
    page, cursor = call.page(messages, default=100, most=999)
    return {
        "messages": [_listed(call, message) for message in page],
        "has_more": bool(cursor),
        "pin_count": 0,
        "response_metadata": {"next_cursor": cursor},
    }


def replies(call: Call) -> Json:
    """conversations.replies: the parent and its thread, oldest first."""
    channel = _readable(call)
    parent = call.workspace.parent(channel.id, call.text("ts", missing="thread_not_found"))
    if parent is None:
        raise SlackError("thread_not_found")
    thread = [m for m in call.workspace.replies(channel.id, parent.ts) if _in_window(call, m)]
    page, cursor = call.page([parent, *thread], default=1000, most=1000)
    return {
        "messages": [_listed(call, message) for message in page],
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }


def _readable(call: Call) -> Channel:
    channel = call.channel()
    call.need(f"{channel.scope_prefix}:history")
    if call.workspace.bot_user not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def _in_window(call: Call, message: Message) -> bool:
    """Between oldest and latest; the ends count only with `inclusive`."""
    ts, inclusive = float(message.ts), call.flag("inclusive")
    oldest, latest = call.text("oldest"), call.text("latest")
    try:
        after = not oldest or ts > float(oldest) or (inclusive and ts == float(oldest))
        before = not latest or ts < float(latest) or (inclusive and ts == float(latest))
    except ValueError:
        raise SlackError("invalid_ts_oldest") from None
    return after and before


def _listed(call: Call, message: Message) -> Json:
    """A message as the lists show it: a parent says how its thread goes."""
    listed = message.to_json(call.flag("include_all_metadata"))
    thread = call.workspace.replies(message.channel, message.ts)
    if thread and not message.thread_ts:
        people = sorted({reply.user for reply in thread})
        listed |= {
            "thread_ts": message.ts,
            "reply_count": len(thread),
            "reply_users": people,
            "reply_users_count": len(people),
            "latest_reply": thread[-1].ts,
        }
    return listed


def user_info(call: Call) -> Json:
    """users.info."""
    call.need("users:read")
    user = call.workspace.users.get(call.text("user", missing="user_not_found"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user.to_json()}


def list_users(call: Call) -> Json:
    """users.list."""
    call.need("users:read")
    page, cursor = call.page(list(call.workspace.users.values()), default=1000, most=1000)
    return {"members": [user.to_json() for user in page], "response_metadata": {"next_cursor": cursor}}


def lookup_by_email(call: Call) -> Json:
    """users.lookupByEmail: people only, and only those who are still there."""
    call.need("users:read.email")
    email = call.text("email", missing="users_not_found")
    for user in call.workspace.users.values():
        if user.email == email and not user.deleted and not user.is_bot:
            return {"user": user.to_json()}
    raise SlackError("users_not_found")


def list_groups(call: Call) -> Json:
    """usergroups.list."""
    call.need("usergroups:read")
    with_users = call.flag("include_users")
    return {"usergroups": [group.to_json(with_users) for group in call.workspace.groups.values()]}


def group_users(call: Call) -> Json:
    """usergroups.users.list."""
    call.need("usergroups:read")
    group = call.workspace.groups.get(call.text("usergroup", missing="no_such_subteam"))
    if group is None:
        raise SlackError("no_such_subteam")
    gone = {user.id for user in call.workspace.users.values() if user.deleted}
    return {"users": [user for user in group.users if user not in gone or call.flag("include_disabled")]}
