"""Files on the emulated servers: kept on disk, measured by content, identified by `file_id`.

It must not know chats or messages. The methods block: callers run them in a thread.
"""

import base64
import hashlib
import io
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageOps, UnidentifiedImageError

from bot.sandbox.telegram.errors import WRONG_FILE, bad_request

MB = 1 << 20
UPLOAD_LIMIT, PHOTO_LIMIT, DOWNLOAD_LIMIT, URL_LIMIT = 50 * MB, 10 * MB, 20 * MB, 20 * MB
LOCAL_UPLOAD_LIMIT = 2000 * 1000 * 1000
THUMB_SIDE, THUMB_BYTES = 320, 200 * 1024
SIZES = (90, 320, 800, 1280)
# The prefix of a file_id of each kind, and its folder in file_path.
PREFIX = {
    "photo": ("AgACAgIAAxk", "photos"),
    "video": ("BAACAgIAAxk", "videos"),
    "animation": ("CgACAgIAAxk", "animations"),
    "document": ("BQACAgIAAxk", "documents"),
    "voice": ("AwACAgIAAxk", "voice"),
    "sticker": ("CAACAgIAAxk", "stickers"),
    "audio": ("CQACAgIAAxk", "music"),
    "live_photo": ("EAACAgIAAxk", "videos"),
    "thumbnail": ("AAMCAgADGQ", "thumbnails"),
}


@dataclass
class StoredFile:
    """One file; `shape` is the part of its API object that depends on the kind."""

    file_id: str
    unique_id: str
    kind: str
    path: Path
    size: int
    sha256: str
    file_path: str
    name: str = ""
    mime_type: str = ""
    shape: dict[str, Any] = field(default_factory=dict)
    thumbnail: "StoredFile | None" = None
    # Sizes of a photo, smallest first; the last is this file.
    sizes: "list[StoredFile]" = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        """PhotoSize, Video, Document… as the Bot API shows it."""
        body = {"file_id": self.file_id, "file_unique_id": self.unique_id, **self.shape}
        if self.kind not in {"photo", "thumbnail", "sticker", "live_photo", "voice"} and self.name:
            body["file_name"] = self.name
        if self.kind not in {"photo", "thumbnail", "sticker"}:
            body["mime_type"] = self.mime_type
        if self.thumbnail:
            body["thumbnail"] = self.thumbnail.json()
        return {**body, "file_size": self.size}


@dataclass(frozen=True)
class Probe:
    """The data from a container; `video` is False for a file without moving pictures."""

    video: bool = False
    audio: bool = False
    width: int = 0
    height: int = 0
    duration: int = 0


def probe(path: Path) -> Probe:
    """Read the head of a media file; never raises for invalid data."""
    try:
        with av.open(str(path)) as container:
            video = next(iter(container.streams.video), None)
            if video is None or container.format.name in {"image2", "png_pipe", "jpeg_pipe"}:
                return Probe(audio=bool(container.streams.audio))
            seconds = (container.duration or 0) / av.time_base
            return Probe(
                True,
                bool(container.streams.audio),
                video.width,
                video.height,
                round(seconds),
            )
    except (av.FFmpegError, ValueError, OSError):
        return Probe()


class FileStore:
    """The store of all files by `file_id`; `folder` belongs to the caller and must outlive the
    store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, StoredFile] = {}
        self._paths: dict[str, StoredFile] = {}

    def get(self, file_id: str) -> StoredFile | None:
        """Return the file with this id, or None."""
        return self._files.get(file_id)

    def by_path(self, file_path: str) -> StoredFile | None:
        """Return the file for which getFile returned this `file_path`."""
        return self._paths.get(file_path)

    def new_path(self) -> Path:
        """Return a path where an upload can be written."""
        return self.folder / secrets.token_hex(12)

    def add(self, kind: str, data: bytes | Path, **fields: Any) -> StoredFile:
        """Store bytes, or a file that is already in the folder, under a new id."""
        if isinstance(data, Path):
            path, content = data, data.read_bytes()
        else:
            path, content = self.new_path(), data
            path.write_bytes(data)
        prefix, folder = PREFIX[kind]
        suffix = Path(fields.get("name", "")).suffix or {"photo": ".jpg"}.get(kind, "")
        digest = hashlib.sha256(content)
        stored = StoredFile(
            file_id=prefix + base64.urlsafe_b64encode(secrets.token_bytes(36)).decode(),
            unique_id="AgAD" + base64.urlsafe_b64encode(digest.digest()[:9]).decode(),
            kind=kind,
            path=path,
            size=len(content),
            sha256=digest.hexdigest(),
            file_path=f"{folder}/file_{len(self._files)}{suffix}",
            **fields,
        )
        self._files[stored.file_id] = stored
        self._paths[stored.file_path] = stored
        return stored

    def photo(self, data: bytes) -> StoredFile:
        """Store a picture as Telegram does: upright JPEG sizes up to 1280 px, without EXIF."""
        if len(data) > PHOTO_LIMIT:
            raise bad_request("file is too big: a photo must be at most 10 MB in size")
        try:
            opened = Image.open(io.BytesIO(data))
            width, height = opened.size
            if width + height > 10_000 or max(width, height) > 20 * min(width, height):
                raise bad_request("PHOTO_INVALID_DIMENSIONS")
            image = ImageOps.exif_transpose(opened).convert("RGB")
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
            raise bad_request("IMAGE_PROCESS_FAILED") from None
        sizes = []
        for side in SIZES:
            sizes.append(self._jpeg("photo", image, side))
            if max(image.size) <= side:
                break
        sizes[-1].sizes = sizes
        return sizes[-1]

    def video(
        self, source: bytes | Path, kind: str, *, thumbnail: StoredFile | None, **given: Any
    ) -> StoredFile:
        """Store a clip; `given` are the sender's values about it.

        An upload is not measured: without width, height and duration the preview is square and
        00:00 (telegram-bot-api #127, #442). A file that is not a video becomes a document.
        """
        name = given.pop("name", None) or "video.mp4"
        path = source if isinstance(source, Path) else self.new_path()
        if isinstance(source, bytes):
            path.write_bytes(source)
        if not probe(path).video:
            return self.add("document", path, name=name, mime_type=given.get("mime_type", ""))
        shape = {
            "width": given.get("width") or 320,
            "height": given.get("height") or 320,
            "duration": given.get("duration") or 0,
        }
        return self.add(
            kind, path, name=name, mime_type="video/mp4", shape=shape, thumbnail=thumbnail
        )

    def measured_video(self, data: bytes, kind: str) -> StoredFile:
        """Store a clip that a person sends: clients measure it and make its preview."""
        path = self.new_path()
        path.write_bytes(data)
        found = probe(path)
        shape = {"width": found.width, "height": found.height, "duration": found.duration}
        return self.add(kind, path, name="clip.mp4", mime_type="video/mp4", shape=shape)

    def thumbnail(self, path: Path) -> StoredFile | str:
        """Return the preview given with a clip, or the reason why Telegram would ignore it."""
        size = path.stat().st_size
        if size > THUMB_BYTES:
            return f"thumbnail ignored: {size} bytes, more than 200 kB"
        try:
            with Image.open(path) as image:
                shape = {"width": image.width, "height": image.height}
                if image.format != "JPEG":
                    return f"thumbnail ignored: {image.format}, not JPEG"
        except (UnidentifiedImageError, OSError):
            return "thumbnail ignored: no image"
        if max(shape.values()) > THUMB_SIDE:
            return f"thumbnail ignored: {shape['width']}x{shape['height']}, more than 320 px"
        return self.add("thumbnail", path, shape=shape)

    def document(self, source: bytes | Path, name: str, mime_type: str) -> StoredFile:
        """Store bytes unchanged; images get a thumbnail, as clients make one."""
        stored = self.add("document", source, name=name, mime_type=mime_type)
        if mime_type.startswith("image/") and stored.size < DOWNLOAD_LIMIT:
            try:
                with Image.open(stored.path) as image:
                    if image.width * image.height < 50_000_000:
                        upright = ImageOps.exif_transpose(image).convert("RGB")
                        stored.thumbnail = self._jpeg("thumbnail", upright, THUMB_SIDE)
            except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
                pass
        return stored

    def _jpeg(self, kind: str, image: Image.Image, side: int) -> StoredFile:
        copy = image.copy()
        copy.thumbnail((side, side))
        out = io.BytesIO()
        copy.save(out, "JPEG", quality=87)
        shape = {"width": copy.width, "height": copy.height}
        return self.add(kind, out.getvalue(), shape=shape, mime_type="image/jpeg")

    def resend(self, file_id: str, kind: str) -> StoredFile:
        """Return the file for a `file_id` where a `kind` is expected.

        Documents, videos and animations can be sent for each other and keep their own kind; a
        photo can only be sent as a photo (td: FileManager::check_input_file_id).
        """
        stored = self.get(file_id)
        if stored is None or stored.kind == "thumbnail":
            raise bad_request(WRONG_FILE)
        if ("photo" in {stored.kind, kind}) and stored.kind != kind:
            named = (stored.kind.replace("_", " ").title().replace(" ", ""), kind.title())
            raise bad_request(f"can't use file of type {named[0]} as {named[1]}")
        if kind == "photo" and not stored.sizes:
            for other in self._files.values():
                if stored in other.sizes:
                    return other
        return stored
