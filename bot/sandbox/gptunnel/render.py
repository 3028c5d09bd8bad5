"""Draw the video: a real MP4 of a prompt, an aspect ratio and perhaps a first frame.

Pure and slow (seconds of CPU): call it in a thread. It knows no HTTP and no tasks.
"""

from __future__ import annotations

import hashlib
import io
import math
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from PIL import Image, ImageDraw, ImageFont, ImageOps

FPS = 24
# provider.md: "The video". Faststart is a second pass over the file, so it has to be a file.
_CONTAINER = {"movflags": "+faststart"}
_CODEC = {"preset": "veryfast", "crf": "24"}
# Pillow's own font has no Cyrillic letters.
_FONT = Path(__file__).parents[1] / "static" / "fonts" / "DejaVuSans.ttf"
_ZOOM = 0.14
_CAPTION_FROM, _CAPTION_FULL = FPS // 3, FPS

Colour = tuple[int, int, int]
Draw = Callable[[int], Image.Image]


@dataclass(frozen=True)
class Scene:
    """What to draw. `width` and `height` are even, in pixels; `frame` is an image file with which
    the video starts; `caption` is small text below the prompt."""

    width: int
    height: int
    seconds: int
    prompt: str
    caption: str
    frame: bytes | None = None
    number: int = 0  # of a picture: one prompt has several variants

    @property
    def frames(self) -> int:
        return self.seconds * FPS


@lru_cache(maxsize=8)
def render(scene: Scene) -> bytes:
    """Return the bytes of an MP4: H.264, yuv420p, 24 fps, no sound, ready for streaming.

    The first picture is the first frame itself, without zoom or caption.
    """
    draw = _still(scene, scene.frame) if scene.frame is not None else _landscape(scene)
    with tempfile.TemporaryDirectory(prefix="gptunnel-sandbox-") as folder:
        path = Path(folder) / "video.mp4"
        _encode(path, scene, _captioned(scene, draw))
        return path.read_bytes()


def still(scene: Scene, passed: float) -> Image.Image:
    """Return one picture of a scene without a first frame; `passed`: 0 at the start, 1 at the
    end."""
    return _landscape(scene)(round(passed * (scene.frames - 1)))


def picture_of(scene: Scene, picture: Image.Image | None = None) -> Image.Image:
    """Return the scene in the middle of its light, or another picture, with the words below."""
    drawn = picture or _landscape(scene)(scene.frames // 2)
    words, mask = _caption(scene)
    drawn.paste(words, (0, scene.height - mask.height), mask)
    return drawn


def _encode(path: Path, scene: Scene, pictures: Iterator[Image.Image]) -> None:
    with av.open(str(path), "w", options=_CONTAINER) as file:
        stream = file.add_stream("libx264", rate=FPS, options=_CODEC)
        stream.width, stream.height, stream.pix_fmt = scene.width, scene.height, "yuv420p"
        context = stream.codec_context
        context.thread_count = 1
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        for picture in pictures:
            frame = av.VideoFrame.from_image(picture).reformat(  # type: ignore[no-untyped-call]
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                dst_color_primaries=ColorPrimaries.BT709,
                dst_color_trc=ColorTrc.BT709,
                threads=1,
            )
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def _still(scene: Scene, content: bytes) -> Draw:
    """The scene for a first frame: a slow zoom into it."""
    with Image.open(io.BytesIO(content)) as opened:
        image = ImageOps.fit(
            ImageOps.exif_transpose(opened).convert("RGB"),
            (scene.width, scene.height),
            Image.Resampling.LANCZOS,
        )
    dice = _dice(scene)
    focus_x, focus_y = dice.uniform(0.35, 0.65), dice.uniform(0.35, 0.55)

    def draw(number: int) -> Image.Image:
        if number == 0:
            return image.copy()
        cut = _ZOOM * _eased(number / scene.frames)
        left, top = cut * focus_x * scene.width, cut * focus_y * scene.height
        box = (left, top, left + (1 - cut) * scene.width, top + (1 - cut) * scene.height)
        return image.resize(image.size, Image.Resampling.BILINEAR, box=box)

    return draw


@dataclass(frozen=True)
class _Mood:
    """Colours of a landscape: the sky at the start and at the end (top, horizon), the light, the
    farthest and the nearest hills."""

    dawn: tuple[Colour, Colour]
    day: tuple[Colour, Colour]
    light: Colour
    far: Colour
    near: Colour
    stars: bool = False


_MOODS = (
    _Mood(
        ((38, 28, 74), (240, 128, 110)),
        ((64, 92, 168), (255, 200, 140)),
        (255, 232, 190),
        (150, 92, 130),
        (30, 20, 52),
    ),
    _Mood(
        ((6, 10, 34), (40, 52, 110)),
        ((12, 18, 56), (86, 74, 150)),
        (226, 232, 255),
        (52, 60, 118),
        (6, 8, 26),
        stars=True,
    ),
    _Mood(
        ((20, 92, 122), (160, 222, 200)),
        ((44, 140, 176), (236, 244, 206)),
        (255, 252, 224),
        (104, 176, 166),
        (10, 58, 66),
    ),
    _Mood(
        ((120, 50, 60), (250, 150, 84)),
        ((180, 86, 78), (255, 206, 120)),
        (255, 240, 200),
        (206, 110, 78),
        (66, 24, 34),
    ),
    _Mood(
        ((64, 46, 112), (236, 146, 190)),
        ((110, 96, 180), (252, 206, 214)),
        (255, 240, 246),
        (164, 116, 178),
        (46, 26, 74),
    ),
    _Mood(
        ((14, 34, 48), (96, 150, 140)),
        ((30, 72, 84), (196, 214, 160)),
        (250, 250, 214),
        (92, 142, 128),
        (12, 32, 34),
        stars=True,
    ),
)
_HILLS = 4


def _landscape(scene: Scene) -> Draw:
    """The scene without a first frame: a drive along hills towards the light; the prompt decides
    the hills and the light.
    """
    dice = _dice(scene)
    mood = dice.choice(_MOODS)
    size = (scene.width, scene.height)
    begin, end = (_sky(size, *colours) for colours in (mood.dawn, mood.day))
    if mood.stars:
        _sow_stars(begin, dice)
    unit = min(size)
    sun = _disc(round(unit * dice.uniform(0.16, 0.26)))
    glow = _glow(round(unit * 1.2))
    sun_x = round(scene.width * dice.uniform(0.25, 0.75))
    rise_from, rise_to = dice.uniform(0.56, 0.64), dice.uniform(0.26, 0.36)
    # Whole pixels per picture, because hills between pixels would flicker.
    pace = max(1, round(scene.height / 700))
    hills = [_hills(scene, dice, layer, speed=pace * layer) for layer in range(_HILLS)]
    colours = [_mix(mood.far, mood.near, layer / (_HILLS - 1)) for layer in range(_HILLS)]

    def draw(number: int) -> Image.Image:
        passed = number / scene.frames
        picture = Image.blend(begin, end, passed)
        sun_y = round(scene.height * (rise_from + (rise_to - rise_from) * _eased(passed)))
        for mask in (glow, sun):
            at = (sun_x - mask.width // 2, sun_y - mask.height // 2)
            picture.paste(mood.light, (*at, at[0] + mask.width, at[1] + mask.height), mask)
        for layer, ((top, ridge), colour) in enumerate(zip(hills, colours, strict=True)):
            left = pace * layer * number
            foot = top + ridge.height
            seen = ridge.crop((left, 0, left + scene.width, ridge.height))
            picture.paste(colour, (0, top, scene.width, foot), seen)
            picture.paste(colour, (0, foot, scene.width, scene.height))
        return picture

    return draw


def _sky(size: tuple[int, int], top: Colour, horizon: Colour) -> Image.Image:
    ramp = Image.linear_gradient("L").point(lambda value: min(255, round(value * 1.45)))
    return ImageOps.colorize(ramp, top, horizon).resize(size, Image.Resampling.BICUBIC)


def _sow_stars(sky: Image.Image, dice: random.Random) -> None:
    pen = ImageDraw.Draw(sky)
    for _ in range(sky.width * sky.height // 6000):
        x, y = dice.random() * sky.width, dice.random() ** 1.6 * sky.height * 0.6
        size = dice.choice((0.6, 0.9, 1.4)) * max(1, min(sky.size) / 480)
        shade = dice.randint(110, 240)
        pen.ellipse((x - size, y - size, x + size, y + size), fill=(shade, shade, 255))


def _disc(diameter: int) -> Image.Image:
    big = Image.new("L", (diameter * 4, diameter * 4))
    ImageDraw.Draw(big).ellipse((4, 4, diameter * 4 - 4, diameter * 4 - 4), fill=235)
    return big.resize((diameter, diameter), Image.Resampling.LANCZOS)


def _glow(diameter: int) -> Image.Image:
    inside = Image.radial_gradient("L").point(
        lambda away: round(150 * max(0.0, 1 - away / 181) ** 2.2)
    )
    return inside.resize((diameter, diameter), Image.Resampling.BICUBIC)


def _hills(
    scene: Scene, dice: random.Random, layer: int, *, speed: int
) -> tuple[int, Image.Image]:
    """One ridge: its distance from the top, and its mask down to its lowest point, wide enough for
    the whole drive. The nearest ridge, of the highest `layer`, is the lowest."""
    width = scene.width + speed * scene.frames
    base = scene.height * (0.54 + 0.1 * layer)
    rough = scene.height * (0.10 - 0.014 * layer)
    unit = min(scene.width, scene.height) * 2
    waves = [
        (dice.uniform(0.6, 1.0) / power, power * dice.uniform(2.2, 3.4), dice.uniform(0, math.tau))
        for power in (1, 2, 4, 9)
    ]

    def ridge(x: int) -> float:
        return base + rough * sum(
            weight * math.sin(math.tau * x / unit * often + phase)
            for weight, often, phase in waves
        )

    line = [(x, ridge(x)) for x in range(0, width + 6, 6)]
    top = math.floor(min(y for _, y in line)) - 1
    tall = math.ceil(max(y for _, y in line)) + 1 - top
    # Drawn at double height: smooth edges for half the cost of drawing at double size.
    mask = Image.new("L", (width, tall * 2))
    outline = [(x, (y - top) * 2) for x, y in line]
    ImageDraw.Draw(mask).polygon([(0, tall * 2), *outline, (width + 6, tall * 2)], fill=255)
    return top, mask.resize((width, tall), Image.Resampling.BOX)


def _captioned(scene: Scene, draw: Draw) -> Iterator[Image.Image]:
    words, mask = _caption(scene)
    at = (0, scene.height - mask.height)
    for number in range(scene.frames):
        picture = draw(number)
        shown = min(1.0, (number - _CAPTION_FROM) / (_CAPTION_FULL - _CAPTION_FROM))
        if shown > 0:
            picture.paste(words, at, mask if shown == 1 else mask.point(lambda a: a * shown))  # noqa: B023 - used at once
        yield picture


def _caption(scene: Scene) -> tuple[Image.Image, Image.Image]:
    """Draw the strip at the bottom: the prompt in at most two lines, the caption below."""
    size = max(12, round(min(scene.width, scene.height) / 24))
    large = ImageFont.truetype(_FONT, size)
    small = ImageFont.truetype(_FONT, round(size * 0.72))
    margin = size
    lines = _wrap(scene.prompt, large, scene.width - 2 * margin, limit=2)
    height = round(size * 1.35 * len(lines) + size * 1.2 + margin * 2.4)
    strip = Image.new("RGB", (scene.width, height), (8, 8, 14))
    shade = Image.linear_gradient("L").resize(strip.size).point(lambda value: round(value * 0.72))
    letters = Image.new("L", strip.size)
    pen = ImageDraw.Draw(letters)
    y = margin * 1.6
    for line in lines:
        pen.text((margin, y), line, font=large, fill=255)
        y += size * 1.35
    pen.text((margin, y + size * 0.15), scene.caption, font=small, fill=190)
    strip.paste((255, 255, 255), mask=letters)
    shade.paste(255, mask=letters)
    return strip, shade


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: float, *, limit: int) -> list[str]:
    """Return at most `limit` lines no wider than `width`; the rest is replaced by an ellipsis."""
    words = text.split()
    lines: list[str] = []
    while words and len(lines) < limit:
        count = len(words)
        while count > 1 and font.getlength(" ".join(words[:count])) > width:
            count -= 1
        lines.append(" ".join(words[:count]))
        words = words[count:]
    if lines and (words or font.getlength(lines[-1]) > width):
        lines[-1] = _clip(lines[-1], font, width)
    return [_clip(line, font, width) if font.getlength(line) > width else line for line in lines]


def _clip(line: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line.rstrip(" ,.;:…") + "…"


def _dice(scene: Scene) -> random.Random:
    seed = f"{scene.prompt} {scene.number}" if scene.number else scene.prompt
    return random.Random(hashlib.sha256(seed.encode()).digest())


def _eased(passed: float) -> float:
    return passed * passed * (3 - 2 * passed)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
