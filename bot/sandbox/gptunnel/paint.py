"""Paint the picture of an image model: a scene of a prompt, or a photo that was changed.

Each order has a `number`, so that variants of one prompt differ. Pure and slow (a part of a second
of CPU): call it in a thread. It knows no HTTP and no tasks.
"""

from __future__ import annotations

import hashlib
import io
import random

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from bot.sandbox.gptunnel.render import Scene, picture_of

_TINTS = ((20, 34, 92), (120, 46, 20), (16, 84, 74), (88, 26, 96))


def paint(scene: Scene) -> bytes:
    """Return a PNG of exactly this size."""
    picture = _changed(scene, scene.frame) if scene.frame is not None else picture_of(scene)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _changed(scene: Scene, content: bytes) -> Image.Image:
    """The photo in other light: one look for each order."""
    dice = random.Random(hashlib.sha256(f"{scene.prompt} {scene.number}".encode()).digest())
    with Image.open(io.BytesIO(content)) as opened:
        photo = ImageOps.fit(
            ImageOps.exif_transpose(opened).convert("RGB"), (scene.width, scene.height)
        )
    tint = ImageOps.colorize(ImageOps.grayscale(photo), dice.choice(_TINTS), (255, 244, 224))
    mixed = Image.blend(photo, tint, dice.uniform(0.45, 0.7))
    soft = mixed.filter(ImageFilter.GaussianBlur(max(2, scene.height // 160)))
    changed = Image.blend(mixed, soft, 0.35)
    return picture_of(scene, ImageEnhance.Contrast(changed).enhance(1.15))
