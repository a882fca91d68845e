"""files.getUploadURLExternal and completeUploadExternal: a text that is too long for a message becomes a file."""

from sandbox.slack.api import Call, SlackError
from sandbox.slack.entities import TEAM_URL, Json, Message


def get_upload_url(call: Call) -> Json:
    """files.getUploadURLExternal: where to POST the bytes."""
    call.need("files:write")
    name = call.text("filename", missing="invalid_arguments")
    if call.number("length", 0) <= 0:
        raise SlackError("invalid_arguments")
    file_id = f"F0FILE{len(call.workspace.files) + 1:05}"
    call.workspace.files[file_id] = {"id": file_id, "name": name, "title": name, "content": None}
    return {"upload_url": f"{call.root}/upload/{file_id}", "file_id": file_id}


def complete_upload(call: Call) -> Json:
    """files.completeUploadExternal: shares uploaded files in a channel or thread."""
    call.need("files:write")
    asked = call.structure("files", "invalid_arguments") or []
    files = [_uploaded(call, item) for item in asked]
    if not files:
        raise SlackError("invalid_arguments")
    if call.text("channel_id"):
        _share(call, files)
    return {"files": files}


def _uploaded(call: Call, item: Json) -> Json:
    kept = call.workspace.files.get(str(item.get("id")))
    if kept is None or kept["content"] is None:
        raise SlackError("file_not_found")
    kept["title"] = item.get("title") or kept["name"]
    shown = {key: kept[key] for key in ("id", "name", "title")}
    return {**shown, "size": len(kept["content"]), "permalink": f"{TEAM_URL}files/{kept['id']}"}


def _share(call: Call, files: list[Json]) -> None:
    call.args["channel"] = call.args["channel_id"]
    channel = call.joined_channel()
    thread_ts = call.text("thread_ts")
    parent = call.workspace.parent(channel.id, thread_ts) if thread_ts else None
    if thread_ts and parent is None:
        raise SlackError("thread_not_found")
    message = Message(channel.id, call.workspace.next_ts(), call.workspace.bot_user, call.text("initial_comment"))
    message.by_bot, message.files, message.thread_ts = True, files, parent.ts if parent else None
    call.workspace.post(message)
