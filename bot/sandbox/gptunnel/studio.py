"""Make the videos and pictures of tasks in threads: fetch the first frame, check it, render.

It runs in threads and must not use the event loop or the records.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import httpx
from PIL import Image

from bot.sandbox.gptunnel.models import DEFAULT_RATIO, Model
from bot.sandbox.gptunnel.paint import paint
from bot.sandbox.gptunnel.records import Made
from bot.sandbox.gptunnel.render import Scene, render

Renderer = Callable[[Scene], bytes]

# provider.md: "Images".
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
IMAGE_BYTES = 30_000_000
IMAGE_SIDES = (300, 6000)
IMAGE_SHAPES = (Fraction(4, 10), Fraction(25, 10))
IMAGE_SECONDS = 10.0
_FETCHERS = 4


class BadImage(Exception):
    """The first frame cannot be fetched or used; the text gives the reason."""


class Studio:
    """Accepts orders in parallel and renders one at a time, to leave CPU for other programs."""

    def __init__(
        self,
        renderer: Renderer = render,
        image_seconds: float = IMAGE_SECONDS,
        painter: Renderer = paint,
    ) -> None:
        self._renderer = renderer
        self._painter = painter
        self._painted = itertools.count(1)
        self._image_seconds = image_seconds
        self._rendering = threading.Lock()
        self._threads = ThreadPoolExecutor(_FETCHERS, "gptunnel-studio")

    def order(
        self, model: Model, prompt: str, ratio: str | None, image: str | None
    ) -> asyncio.Future[Made]:
        """Start at once; the future never raises, but its `Made` may contain an error."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, self._make, model, prompt, ratio, image)

    async def close(self) -> None:
        """Stop after the current rendering; waiting orders are never made."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def _make(self, model: Model, prompt: str, ratio: str | None, image: str | None) -> Made:
        frame: bytes | None = None
        shape: Fraction | None = None
        try:
            if image is not None:
                frame = _fetch(image, self._image_seconds)
                shape = _judge(frame)
        except BadImage as exc:
            return Made(None, frame, str(exc))
        width, height = model.size(ratio or DEFAULT_RATIO, shape)
        caption = f"{ratio or DEFAULT_RATIO} · {model.id}"
        with self._rendering:
            if model.is_picture:
                number = next(self._painted)
                scene = Scene(width, height, 1, prompt, caption, frame, number)
                return Made(self._painter(scene), frame)
            video = self._renderer(Scene(width, height, model.seconds, prompt, caption, frame))
        return Made(video, frame)


def _fetch(url: str, seconds: float) -> bytes:
    """Return the image at the link; raise BadImage if it does not arrive soon."""
    content = bytearray()
    try:
        with (
            httpx.Client(timeout=seconds, follow_redirects=True, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != 200:
                raise BadImage(f"image link answered HTTP {answer.status_code}")
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > IMAGE_BYTES:
                    raise BadImage("image is larger than 30 MB")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise BadImage(f"image link cannot be read: {type(exc).__name__}") from exc
    return bytes(content)


def _judge(content: bytes) -> Fraction:
    """Return width divided by height of a good image; raise BadImage with the broken limit."""
    try:
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            width, height = image.size
            least, most = IMAGE_SIDES
            if not all(least <= side <= most for side in image.size):
                raise BadImage(f"image is {width}x{height}, each side must be {least}-{most} px")
            if not IMAGE_SHAPES[0] <= Fraction(width, height) <= IMAGE_SHAPES[1]:
                raise BadImage(f"image is {width}x{height}, width/height must be 0.4-2.5")
            image.load()
            # A camera's image may be rotated by a tag, which also swaps its sides.
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return Fraction(height, width) if turned else Fraction(width, height)
    except (OSError, Image.DecompressionBombError, ValueError, SyntaxError) as exc:
        raise BadImage("image format is not supported") from exc
