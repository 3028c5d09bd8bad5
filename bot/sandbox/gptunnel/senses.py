"""What the emulator sees and hears: fixed but sensible words for a picture and for a sound.

A picture comes in a chat message in the OpenAI form, as a data URL; a sound as a file of a form.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from typing import Any

import av
import av.error
from PIL import Image

PICTURE_SIDE = 2048
"""px; the real service makes larger pictures smaller, and counts more tokens."""

_PROMPTS = (
    "A light wind moves hair and leaves, slow push in, soft light",
    "Everybody in the picture starts to dance, the camera circles them",
    "Large snowflakes begin to fall, the light turns cold, wide shot",
)
_LABELS: Mapping[str, tuple[str, ...]] = {
    "en": ("A light wind comes up", "Everybody starts to dance", "It begins to snow"),
    "ru": ("Поднимается лёгкий ветер", "Все начинают танцевать", "Начинается снегопад"),
}


class BadPicture(Exception):
    """The picture of a message cannot be read."""


class BadSound(Exception):
    """The file of a transcription cannot be heard."""


def is_picture(messages: Any) -> bool:
    """Whether the last message of a chat has parts, one of them a picture."""
    return _link(messages) is not None


def look(messages: Any, instruction: str) -> str:
    """Answer a chat about a picture: suggestions as JSON, in the language that is asked for.

    Raises BadPicture when the picture is no image in a data URL.
    """
    kind, comma, content = (_link(messages) or "").partition(",")
    if not (comma and kind.startswith("data:image/") and kind.endswith(";base64")):
        raise BadPicture("image_url must be a data URL of an image")
    try:
        with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as picture:
            picture.load()
            if max(picture.size) > PICTURE_SIDE:
                raise BadPicture("the image is too large")
    except (binascii.Error, OSError, ValueError, SyntaxError) as exc:
        raise BadPicture("the image cannot be read") from exc
    labels = _LABELS["ru" if "Russian" in instruction else "en"]
    ideas = [
        {"label": label, "prompt": prompt} for label, prompt in zip(labels, _PROMPTS, strict=True)
    ]
    return json.dumps(ideas, ensure_ascii=False)


HEARD = "A ginger cat runs through the snow"
"""What is heard in a sound that does not say its words."""
_SOUND_EXTENSIONS = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")


def hear(name: str, content: bytes) -> str:
    """Return the words of a sound: its title, otherwise always the same; "" for silence.

    Raises BadSound for a name or a content that the real service would refuse.
    """
    if name.rpartition(".")[2].lower() not in _SOUND_EXTENSIONS:
        raise BadSound("Unrecognized file format")
    try:
        with av.open(io.BytesIO(content), "r", metadata_errors="replace") as container:
            if not container.streams.audio:
                raise BadSound("there is no sound in the file")
            stream = container.streams.audio[0]
            said = stream.metadata.get("title") or container.metadata.get("title")
            loud = said or any(any(bytes(f.planes[0])) for f in container.decode(stream))
    except (av.error.FFmpegError, ValueError) as exc:
        raise BadSound("Audio file might be corrupted or unsupported") from exc
    return said or (HEARD if loud else "")


def _link(messages: Any) -> str | None:
    try:
        parts = messages[-1]["content"]
        links = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    except (LookupError, TypeError):
        return None
    return links[0] if links and isinstance(links[0], str) else None
