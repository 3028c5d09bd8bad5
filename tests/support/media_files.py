"""Files that journeys start with: pictures that people send, quickly drawn clips, learnt
durations."""

from __future__ import annotations

import io
import random
import tempfile
from contextlib import ExitStack
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from PIL import ExifTags, Image, ImageOps

from bot.core.clock import utc_now
from bot.core.schedule import ENOUGH
from bot.sandbox.gptunnel.render import FPS, Scene
from storage import open_storage
from storage.address import sqlite_file
from tests.support.databases import with_tables

RED, GREEN, BLUE = (210, 30, 30), (30, 180, 40), (30, 40, 210)
MODEL = "seedance-1-lite-480P-5s"


def opened(files: ExitStack, data: bytes = b"") -> BinaryIO:
    """An open file with these bytes, which `files` closes."""
    file: BinaryIO = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    file.write(data)
    file.flush()
    return file


def mux_sound(
    file: OutputContainer, stream: AudioStream, frames: int, *, noisy: bool = False
) -> None:
    """Encode silence or noise, in stereo frames of 1,024 samples, and end the stream."""
    for number in range(frames):
        form = "s16" if noisy else "fltp"
        frame = av.AudioFrame(format=form, layout="stereo", samples=1024)
        frame.sample_rate, frame.pts = stream.rate, number * 1024
        for plane in frame.planes:
            size = plane.buffer_size
            plane.update(random.Random(number).randbytes(size) if noisy else bytes(size))
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def clip(scene: Scene) -> bytes:
    """A real MP4 as the provider sends it, but standing still: seconds of CPU less each."""
    return _clip(scene.width, scene.height, scene.frames, scene.frame)


@cache
def _clip(width: int, height: int, pictures: int, frame: bytes | None) -> bytes:
    shown = Image.new("RGB", (width, height), GREEN)
    if frame is not None:
        shown = ImageOps.fit(Image.open(io.BytesIO(frame)).convert("RGB"), (width, height))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
            stream = file.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number in range(pictures):
                picture = av.VideoFrame.from_image(shown)  # type: ignore[no-untyped-call]
                picture.pts = number
                file.mux(stream.encode(picture))
            file.mux(stream.encode(None))
        return path.read_bytes()


def film(kind: str, codec: str, pixel: Fraction | None = None) -> bytes:
    """A red film of two seconds, 160 × 96 px, in any container and codec that libav writes."""
    data = io.BytesIO()
    with av.open(data, "w", format=kind) as made:
        stream = made.add_stream(codec, rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = 160, 96
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        if pixel is not None:
            stream.sample_aspect_ratio = pixel
        for _ in range(48):
            picture = Image.new("RGB", (160, 96), RED)
            made.mux(stream.encode(av.VideoFrame.from_image(picture)))  # type: ignore[no-untyped-call]
        made.mux(stream.encode(None))
    return data.getvalue()


def flag(size: tuple[int, int], *colours: tuple[int, int, int]) -> Image.Image:
    """Upright stripes from left to right: what was cut away can be seen in what is left."""
    picture = Image.new("RGB", size)
    width = size[0] // len(colours)
    for number, colour in enumerate(colours):
        end = size[0] if number == len(colours) - 1 else (number + 1) * width
        picture.paste(colour, (number * width, 0, end, size[1]))
    return picture


def jpeg(picture: Image.Image, exif: Image.Exif | None = None) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92, **({"exif": exif} if exif is not None else {}))
    return out.getvalue()


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def from_a_camera(upright: Image.Image) -> bytes:
    """As a phone held upright stores it: lying on its side, with the place and the maker."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "CanaryCam"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (55.0, 45.0, 7.0),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (37.0, 37.0, 4.0),
        }
    )
    return jpeg(upright.transpose(Image.Transpose.ROTATE_90), exif)


async def learnt(database_url: str, seconds: float) -> None:
    """A bot that knows its model to take so long: it asks soon, and the tests are short."""
    file = sqlite_file(database_url)
    if file is not None and not file.exists():
        with_tables(file)
    async with open_storage(database_url) as storage:
        for _ in range(ENOUGH):
            await storage.durations.add(MODEL, seconds, seconds, now=utc_now())
