"""Turn pixels of any kind into 8 bits per channel, opaque, and then into sRGB.

It must not know files: pictures are decoded already.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from contextlib import suppress

from PIL import Image, ImageChops, ImageCms

_BITS, _SAMPLE_FORMAT = 258, 339  # tags of a TIFF
# The brightest value, and what white is then. Programs differ: floats are fractions of white, with
# lights above it, or as large as integers; integers of 32 bits may use only 8 or 16 of them.
_SCALES = {
    "F": ((16.0, 1.0), (255.0, 255.0), (math.inf, 65535.0)),
    "I": ((255.0, 255.0), (32767.0, 32767.0), (65535.0, 65535.0), (math.inf, 2.0**31)),
}
_UNSIGNED = 2.0**32  # white of 32 bits without a sign


def converter(
    image: Image.Image, *, is_negative: bool = False, is_swapped: bool = False
) -> Callable[[Image.Image], Image.Image]:
    """Return a function that makes a strip of this decoded picture plain: mode L, RGB or CMYK,
    with white behind transparent parts. `is_negative`: its greys count from white; `is_swapped`:
    its colours are BGR, and multiplied by alpha."""
    white = _white(image)

    def plain(strip: Image.Image) -> Image.Image:
        if white is not None:
            strip = _eight_bits(strip, white)
        if is_negative:
            strip = _inverted(strip)
        if is_swapped and strip.mode in {"RGB", "RGBA"}:
            red, green, blue, *alpha = strip.split()
            strip = Image.merge("RGBa" if alpha else "RGB", (blue, green, red, *alpha))
            strip = strip.convert(image.mode)
        return _opaque(strip)

    return plain


def _white(image: Image.Image) -> float | None:
    """Return the value of white in a channel of more than 8 bits; None with 8 bits or fewer."""
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        return 4095.0 if tags.get(_BITS) == (12,) else 65535.0
    if image.mode not in _SCALES:
        return None
    darkest, brightest = image.getextrema()
    assert isinstance(darkest, int | float)  # of one channel
    if image.mode == "I" and darkest < 0 and tags.get(_SAMPLE_FORMAT) != (2,):
        return _UNSIGNED
    for limit, white in _SCALES[image.mode]:
        if brightest <= limit:  # type: ignore[operator]
            return white
    return 1.0  # not a number


def _eight_bits(strip: Image.Image, white: float) -> Image.Image:
    if strip.mode.startswith("I;16"):
        strip = strip.convert("I")
    if white == _UNSIGNED:
        # Pillow has only signed ones: the last of the four bytes is the highest
        return Image.frombytes("CMYK", strip.size, strip.tobytes("raw", "I")).getchannel("K")
    return strip.point(lambda value: value * (255 / white)).convert("L")


def _inverted(strip: Image.Image) -> Image.Image:
    """Return the positive of a grey negative; its transparency stays."""
    grey = ImageChops.invert(strip.convert("L"))
    if strip.mode == "LA":
        grey.putalpha(strip.getchannel("A"))
    return grey


def _opaque(strip: Image.Image) -> Image.Image:
    """Return the picture with white behind transparent parts, in mode L, RGB or CMYK."""
    if strip.has_transparency_data:
        # greys stay greys: a profile of one channel fits nothing else
        clear, opaque = ("LA", "L") if strip.mode in {"1", "L", "LA", "La"} else ("RGBA", "RGB")
        strip = strip.convert(clear)
        behind = Image.new(opaque, strip.size, "white")
        behind.paste(strip.convert(opaque), mask=strip.getchannel("A"))
        return behind
    if strip.mode in {"L", "RGB", "CMYK"}:
        return strip
    return strip.convert("L" if strip.mode == "1" else "RGB")


def in_srgb(picture: Image.Image, profile: object) -> Image.Image:
    """Return a plain picture in RGB, converted with its ICC profile if that can be used."""
    if isinstance(profile, bytes) and profile:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            if converted is not None:
                return converted
    return picture.convert("RGB")
