"""Methods that send files: by upload, by `file_id`, by URL; albums and edits of media."""

import asyncio
import mimetypes
import secrets
from typing import Any
from urllib.parse import urlsplit

from bot.sandbox.telegram.calls import Method, Request
from bot.sandbox.telegram.errors import WRONG_FILE_ID, ApiError, bad_request
from bot.sandbox.telegram.files import PHOTO_LIMIT, URL_LIMIT, StoredFile, probe
from bot.sandbox.telegram.outgoing import (
    edited,
    own_message,
    send,
    text_content,
    text_of,
    writable_chat,
)
from bot.sandbox.telegram.schema import Upload
from bot.sandbox.telegram.state import Json

ALBUM_KINDS = {"photo", "video"}


async def stored_file(req: Request, value: Any, kind: str, given: Json) -> StoredFile:
    """Return the file that a parameter names; a new one is stored.

    `given` are the sender's values: width, height, duration, thumbnail.
    """
    files = req.world.files
    upload = _upload(req, value)
    if upload is not None:
        if upload.size > req.world.upload_limit:
            raise ApiError(413)
        if upload.size == 0:
            raise bad_request("file must be non-empty")
        if kind == "photo":
            if upload.size > PHOTO_LIMIT:
                raise bad_request("file is too big: a photo must be at most 10 MB in size")
            return await asyncio.to_thread(lambda: files.photo(upload.path.read_bytes()))
        if kind == "document":
            return await asyncio.to_thread(
                files.document, upload.path, upload.name, _mime(upload.name)
            )
        thumbnail = await _thumbnail(req, given.get("thumbnail"))
        told = {name: given.get(name) for name in ("width", "height", "duration")}
        return await asyncio.to_thread(
            lambda: files.video(upload.path, kind, thumbnail=thumbnail, name=upload.name, **told)
        )
    if value.startswith(("http://", "https://")):
        return await _from_url(req, value, kind)
    if value.startswith("attach://"):
        raise bad_request(f"there is no file {value.removeprefix('attach://')} in the request")
    return files.resend(value, kind)


def _upload(req: Request, value: Any) -> Upload | None:
    if isinstance(value, Upload):
        return value
    if isinstance(value, str) and value.startswith("attach://"):
        return req.files.get(value.removeprefix("attach://"))
    return None


async def _from_url(req: Request, url: str, kind: str) -> StoredFile:
    """Bot API: Sending files. A clip without sound that is sent by URL becomes an animation."""
    try:
        data, mime_type = await req.fetch(url)
    except OSError:
        raise bad_request("failed to get HTTP URL content") from None
    if len(data) > (PHOTO_LIMIT // 2 if kind == "photo" else URL_LIMIT):
        raise bad_request("failed to get HTTP URL content")
    files, name = req.world.files, urlsplit(url).path.rsplit("/", 1)[-1]
    if kind == "photo":
        if not mime_type.startswith("image/"):
            raise bad_request("wrong type of the web page content")
        return await asyncio.to_thread(files.photo, data)
    if kind == "document":
        return await asyncio.to_thread(files.document, data, name, mime_type)
    path = files.new_path()
    path.write_bytes(data)
    found = await asyncio.to_thread(probe, path)
    if not found.video:
        raise bad_request("wrong type of the web page content")
    if kind == "video" and not found.audio:
        kind = "animation"
        req.call.notes.append("a video without sound sent by URL became an animation")
    told = {"width": found.width, "height": found.height, "duration": found.duration}
    return await asyncio.to_thread(
        lambda: files.video(path, kind, thumbnail=None, name=name, **told)
    )


async def _thumbnail(req: Request, value: Any) -> StoredFile | None:
    upload = _upload(req, value)
    if upload is None:
        if value:
            req.call.notes.append("thumbnail ignored: it can only be uploaded")
        return None
    made = await asyncio.to_thread(req.world.files.thumbnail, upload.path)
    if isinstance(made, str):
        req.call.notes.append(made)
        return None
    return made


def media_content(stored: StoredFile) -> Json:
    """Return the part of a Message that shows this file."""
    if stored.kind == "photo":
        return {"photo": [size.json() for size in stored.sizes or [stored]]}
    if stored.kind == "animation":
        return {"animation": stored.json(), "document": _as_document(stored)}
    if stored.kind == "live_photo":
        photo = [size.json() for size in stored.sizes]
        return {"live_photo": {**stored.json(), "photo": photo}, "photo": photo}
    return {stored.kind: stored.json()}


def _as_document(stored: StoredFile) -> Json:
    return {k: v for k, v in stored.json().items() if k not in stored.shape}


def _mime(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _sender(kind: str) -> Method:
    """Return the method that sends files of this `kind`: they differ only in it."""
    method = f"send{kind.title()}"

    async def send_media(req: Request) -> Json:
        chat = writable_chat(req, f"{kind}s")
        caption = text_of(req, method, "caption")
        stored = await stored_file(req, req.params[kind], kind, req.params)
        return send(req, chat, media_content(stored) | caption)

    send_media.__doc__ = f"Bot API: {method}."
    return send_media


async def _input_media(req: Request, media: Json) -> tuple[StoredFile, Json]:
    kind = media["type"]
    if kind not in {"photo", "video", "animation", "document"}:
        raise ApiError(501, f"the sandbox does not send {kind}")
    owner = f"InputMedia{kind.title()}"
    caption = text_content(
        media.get("caption"),
        media.get("parse_mode"),
        media.get("caption_entities"),
        owner,
        "caption",
    )
    stored = await stored_file(req, media["media"], kind, media)
    extra = {"has_media_spoiler": True} if media.get("has_spoiler") else {}
    return stored, media_content(stored) | caption | extra


async def send_media_group(req: Request) -> list[Json]:
    """Bot API: sendMediaGroup; photos and videos mix, documents keep to themselves."""
    kinds = {media["type"] for media in req.params["media"]}
    chat = writable_chat(req, *(f"{kind}s" for kind in sorted(kinds)))
    if chat.slow_mode and chat.members.get(req.world.bot["id"]) != "administrator":
        raise bad_request("SLOWMODE_MULTI_MSGS_DISABLED")
    if not (kinds <= ALBUM_KINDS or kinds == {"document"}):
        raise bad_request("document can't be mixed with other media types")
    # All or nothing: one wrong file rejects the whole album.
    album = [await _input_media(req, media) for media in req.params["media"]]
    group = str(secrets.randbelow(9 * 10**16) + 10**16)
    return [send(req, chat, content, media_group_id=group) for _, content in album]


async def edit_message_media(req: Request) -> Any:
    """Bot API: editMessageMedia; a text message may become a media message too."""
    chat, old = own_message(req)
    _, content = await _input_media(req, req.params["media"])
    dropped = {"text", "entities", "link_preview_options", "caption", "caption_entities"}
    dropped |= {"photo", "video", "animation", "document", "has_media_spoiler"}
    kept = {k: v for k, v in old.items() if k not in dropped}
    return edited(req, chat, old, kept | content)


async def get_file(req: Request) -> Json:
    """Bot API: getFile; 20 MB at most, or any size by its path from a local server."""
    stored = req.world.files.get(req.params["file_id"])
    if stored is None:
        raise bad_request(WRONG_FILE_ID)
    if stored.size > URL_LIMIT and not req.world.local:
        raise bad_request("file is too big")
    return {
        "file_id": stored.file_id,
        "file_unique_id": stored.unique_id,
        "file_size": stored.size,
        "file_path": str(stored.path) if req.world.local else stored.file_path,
    }


METHODS: dict[str, Method] = {
    "sendPhoto": _sender("photo"),
    "sendVideo": _sender("video"),
    "sendAnimation": _sender("animation"),
    "sendDocument": _sender("document"),
    "sendMediaGroup": send_media_group,
    "editMessageMedia": edit_message_media,
    "getFile": get_file,
}
