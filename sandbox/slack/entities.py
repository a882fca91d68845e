"""What a workspace is made of: people, channels, user groups, messages. Values with Slack's shapes, no behaviour."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TEAM_ID = "T0SANDBOX01"
TEAM_DOMAIN = "sandbox"
TEAM_URL = "https://sandbox.slack.test/"
APP_ID = "A0NLBTLSAPP"
BOT_ID = "B0NLBTLSBOT"


@dataclass
class User:
    """A person or a bot user."""

    id: str
    name: str  #: the handle, without @
    real_name: str
    is_bot: bool = False
    deleted: bool = False
    is_restricted: bool = False  #: multi-channel guest
    is_ultra_restricted: bool = False  #: single-channel guest
    is_stranger: bool = False  #: from another workspace, in no channel shared with the bot

    @property
    def email(self) -> str:
        """The address that users.lookupByEmail finds."""
        return f"{self.name}@sandbox.test"

    def to_json(self) -> Json:
        """As users.info answers it."""
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": self.deleted,
            "tz": "Etc/UTC",
            "tz_offset": 0,
            "profile": {
                "real_name": self.real_name,
                "display_name": self.name,
                "team": TEAM_ID,
                **({"bot_id": BOT_ID, "api_app_id": APP_ID} if self.is_bot else {"email": self.email}),
            },
            "is_bot": self.is_bot,
            "is_app_user": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
            "is_stranger": self.is_stranger,
        }


@dataclass
class Channel:
    """A public or private channel, or a direct message between two."""

    id: str
    name: str
    kind: str = "public"  #: public, private or im
    members: set[str] = field(default_factory=set)
    is_archived: bool = False

    @property
    def command_name(self) -> str:
        """What a slash command's channel_name says: private channels and DMs do not tell theirs."""
        return {"public": self.name, "private": "privategroup", "im": "directmessage"}[self.kind]

    @property
    def scope_prefix(self) -> str:
        """The family of OAuth scopes that this kind of conversation belongs to."""
        return {"public": "channels", "private": "groups", "im": "im"}[self.kind]

    def to_json(self, viewer: str) -> Json:
        """As conversations.info answers it to that user."""
        common = {"id": self.id, "is_archived": self.is_archived, "is_im": self.kind == "im", "is_mpim": False}
        if self.kind == "im":
            other = next(iter(self.members - {viewer}), viewer)
            return {**common, "is_channel": False, "is_private": True, "user": other, "is_open": True}
        return {
            **common,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": True,
            "is_group": False,
            "is_private": self.kind == "private",
            "is_member": viewer in self.members,
            "num_members": len(self.members),
            "is_general": False,
            "is_shared": False,
            "context_team_id": TEAM_ID,
        }


@dataclass
class UserGroup:
    """A user group such as @oncall."""

    id: str
    handle: str
    name: str
    users: list[str]

    def to_json(self, with_users: bool) -> Json:
        """As usergroups.list answers it."""
        listed: Json = {
            "id": self.id,
            "team_id": TEAM_ID,
            "is_usergroup": True,
            "handle": self.handle,
            "name": self.name,
            "date_delete": 0,
            "user_count": len(self.users),
        }
        return {**listed, "users": list(self.users)} if with_users else listed


@dataclass
class Message:
    """One message. An ephemeral one names the only person who sees it, and is in no history."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    files: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    thread_ts: str | None = None  #: of the parent; None on a parent
    broadcast: bool = False
    by_bot: bool = False
    edited_ts: str | None = None
    deleted: bool = False
    visible_to: str | None = None
    hidden: bool = False  #: an ephemeral reply to a thread that nobody had answered yet: Slack shows it to no one
    reactions: dict[str, list[str]] = field(default_factory=dict)
    selections: dict[str, Json] = field(default_factory=dict)  #: person -> state.values

    def to_json(self, with_metadata: bool = False) -> Json:
        """As conversations.history answers it, without what belongs to its thread."""
        if self.deleted:
            gone = {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "hidden": True}
            return {**gone, "ts": self.ts, "thread_ts": self.ts, "text": "This message was deleted."}
        counted = [{"name": n, "users": list(u), "count": len(u)} for n, u in self.reactions.items()]
        whole: Json = {
            "type": "message",
            "subtype": "thread_broadcast" if self.broadcast else None,
            "user": self.user,
            "team": TEAM_ID,
            "bot_id": BOT_ID if self.by_bot else None,
            "app_id": APP_ID if self.by_bot else None,
            "ts": self.ts,
            "thread_ts": self.thread_ts,
            "blocks": self.blocks or None,
            "attachments": self.attachments or None,
            "files": self.files or None,
            "edited": {"user": self.user, "ts": self.edited_ts} if self.edited_ts else None,
            "reactions": counted or None,
            "metadata": self.metadata if with_metadata else None,
            "is_ephemeral": True if self.visible_to else None,
        }
        return {"text": self.text, **{key: value for key, value in whole.items() if value is not None}}


@dataclass(frozen=True)
class Change:
    """One line of the change feed: what changed, as plain JSON, numbered from 1."""

    number: int
    kind: str  #: message, view, home, membership, user_group, channel, user
    data: Json
