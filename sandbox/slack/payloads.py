"""The payloads that Slack sends to an app. Pure; shapes follow Slack's reference and what slack-bolt reads."""

import secrets

from sandbox.slack.entities import APP_ID, TEAM_DOMAIN, TEAM_ID, Channel, Json, Message, User
from sandbox.slack.inputs import Found
from sandbox.slack.views import View

VERIFICATION_TOKEN = "sandbox-verification-token"
_TEAM = {"id": TEAM_ID, "domain": TEAM_DOMAIN}
_COMMON: Json = {"token": VERIFICATION_TOKEN, "api_app_id": APP_ID, "is_enterprise_install": False, "enterprise": None}


def slash_command(user: User, channel: Channel, command: str, text: str, response_url: str, trigger_id: str) -> Json:
    """A slash command; all values are strings, as in the form that HTTP mode posts."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel.id,
        "channel_name": channel.command_name,
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def _person(user: User) -> Json:
    return {"id": user.id, "username": user.name, "name": user.name, "team_id": TEAM_ID}


def action(found: Found, state: Json | None, ts: str) -> Json:
    """The entry of `actions`: the element with its ids, and what was chosen."""
    element = found.element
    copied: Json = {key: element[key] for key in ("text", "value", "style", "placeholder", "url") if key in element}
    picked = {"selected_option": found.option} if found.option else {}
    chosen = {key: value for key, value in (state or {}).items() if key != "type"}
    ids = {"type": element["type"], "action_id": element["action_id"], "block_id": found.block["block_id"]}
    return {**ids, **copied, **picked, **chosen, "action_ts": ts}


def message_action(
    user: User, channel: Channel, message: Message, state: Json, actions: list[Json], trigger_id: str, response_url: str
) -> Json:
    """block_actions on a message."""
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": bool(message.visible_to),
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    return {
        **_COMMON,
        "type": "block_actions",
        "user": _person(user),
        "team": _TEAM,
        "container": container,
        "channel": {"id": channel.id, "name": channel.command_name},
        # Of an ephemeral message Slack sends no `message`.
        **({} if message.visible_to else {"message": message.to_json(with_metadata=True)}),
        "state": {"values": state},
        "trigger_id": trigger_id,
        "response_url": response_url,
        "actions": actions,
    }


def view_action(user: User, view: View, actions: list[Json], trigger_id: str) -> Json:
    """block_actions in a modal or on the Home tab."""
    return {
        **_COMMON,
        "type": "block_actions",
        "user": _person(user),
        "team": _TEAM,
        "container": {"type": "view", "view_id": view.id},
        "view": view.to_json(),
        "trigger_id": trigger_id,
        "actions": actions,
    }


def suggestion(user: User, found: Found, query: str, place: Json) -> Json:
    """block_suggestion: the options of an external select, please."""
    ids = {"action_id": found.element["action_id"], "block_id": found.block["block_id"], "value": query}
    return {**_COMMON, "type": "block_suggestion", "user": _person(user), "team": _TEAM, **ids, **place}


def view_submission(user: User, view: View, trigger_id: str) -> Json:
    """The person pressed the modal's submit button."""
    common = {**_COMMON, "type": "view_submission", "user": _person(user), "team": _TEAM}
    return {**common, "trigger_id": trigger_id, "view": view.to_json(), "response_urls": []}


def view_closed(user: User, view: View, cleared: bool) -> Json:
    """The person closed the modal; sent only for views with notify_on_close."""
    common = {**_COMMON, "type": "view_closed", "user": _person(user), "team": _TEAM}
    return {**common, "view": view.to_json(), "is_cleared": cleared}


def shortcut(user: User, callback_id: str, trigger_id: str, ts: str) -> Json:
    """A global shortcut."""
    common = {**_COMMON, "type": "shortcut", "user": _person(user), "team": _TEAM}
    return {**common, "callback_id": callback_id, "trigger_id": trigger_id, "action_ts": ts}


def event(content: Json, bot_user: str, seconds: float) -> Json:
    """The envelope of the Events API around an event."""
    event_id = f"Ev0{secrets.token_hex(4).upper()}"
    authorization = {"enterprise_id": None, "team_id": TEAM_ID, "user_id": bot_user, "is_bot": True}
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID,
        "api_app_id": APP_ID,
        "type": "event_callback",
        "event": content,
        "event_id": event_id,
        "event_time": int(seconds),
        "authorizations": [{**authorization, "is_enterprise_install": False}],
        "is_ext_shared_channel": False,
    }


def app_mention(message: Message) -> Json:
    """Somebody mentioned the bot where it is."""
    thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
    common = {"type": "app_mention", "user": message.user, "text": message.text, "team": TEAM_ID}
    return {**common, "ts": message.ts, "channel": message.channel, "event_ts": message.ts, **thread}


def home_opened(user: str, channel: str, view: View | None, ts: str) -> Json:
    """Somebody opened the app's Home tab."""
    shown = {"view": view.to_json()} if view else {}
    return {"type": "app_home_opened", "user": user, "channel": channel, "tab": "home", "event_ts": ts, **shown}


def group_changed(group: str, before: list[str], after: list[str], seconds: float) -> Json:
    """Somebody came into a user group or left it."""
    added, removed = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    return {
        "type": "subteam_members_changed",
        "subteam_id": group,
        "team_id": TEAM_ID,
        "date_previous_update": int(seconds),
        "date_update": int(seconds),
        "added_users": added,
        "added_users_count": len(added),
        "removed_users": removed,
        "removed_users_count": len(removed),
        "event_ts": f"{seconds:.6f}",
    }
