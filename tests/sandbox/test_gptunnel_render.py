"""The emulator's video is a real one, of what was asked for."""

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageStat

from bot.sandbox.gptunnel import render as rendering
from bot.sandbox.gptunnel.models import MODELS
from bot.sandbox.gptunnel.render import Scene, render

pytestmark = pytest.mark.campaign


def pictures(video: bytes) -> Iterator[Image.Image]:
    with av.open(io.BytesIO(video), "r") as file:
        for frame in file.decode(video=0):
            yield frame.to_image()  # type: ignore[no-untyped-call]


def first_picture(video: bytes) -> Image.Image:
    return next(pictures(video))


def quarters(size: tuple[int, int], kind: str = "PNG") -> bytes:
    """Four colours, so that turning or mirroring would be noticed."""
    image = Image.new("RGB", size, (200, 30, 30))
    pen = ImageDraw.Draw(image)
    width, height = size
    pen.rectangle((width // 2, 0, width, height // 2), fill=(30, 160, 40))
    pen.rectangle((0, height // 2, width // 2, height), fill=(40, 60, 190))
    pen.rectangle((width // 2, height // 2, width, height), fill=(230, 210, 60))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of a channel, 0–255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


@pytest.mark.parametrize(
    ("model", "ratio", "size", "seconds"),
    [
        ("seedance-1-lite-480P-2s", "16:9", (864, 480), 2),
        ("seedance-1-lite-480P-2s", "9:16", (480, 864), 2),
        ("seedance-1-lite-480P-5s", "1:1", (640, 640), 5),
    ],
)
def test_the_file_is_what_the_provider_promises(
    model: str, ratio: str, size: tuple[int, int], seconds: int
) -> None:
    width, height = MODELS[model].size(ratio)
    video = render(Scene(width, height, MODELS[model].seconds, "a cat", ratio))
    with av.open(io.BytesIO(video), "r") as file:
        [stream] = file.streams
        assert isinstance(stream, av.VideoStream)
        assert file.format.name.startswith("mov,mp4")
        assert (stream.width, stream.height) == size
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 24
        assert stream.frames == 24 * seconds
        assert file.duration == seconds * 1_000_000
    assert video.index(b"moov") < video.index(b"mdat"), "it must play before it is loaded"


def test_the_video_begins_with_the_given_frame() -> None:
    frame = quarters((480, 864), "JPEG")
    shown = list(pictures(render(Scene(480, 864, 2, "waves", "9:16", frame))))
    with Image.open(io.BytesIO(frame)) as given:
        assert difference(shown[0], given.convert("RGB")) < 4
    assert difference(shown[0], shown[-1]) > 5, "it moves"


def test_a_frame_of_another_size_fills_the_picture() -> None:
    shown = first_picture(render(Scene(480, 864, 2, "waves", "9:16", quarters((960, 1728)))))
    with Image.open(io.BytesIO(quarters((480, 864)))) as expected:
        assert difference(shown, expected) < 4


def test_without_a_frame_the_prompt_decides_the_moving_scene() -> None:
    cat = list(pictures(render(Scene(864, 480, 2, "a cat", "16:9"))))
    dog = first_picture(render(Scene(864, 480, 2, "a dog", "16:9")))
    assert difference(cat[0], dog) > 3
    assert difference(cat[0], cat[-1]) > 3
    assert len(cat[0].getcolors(1_000_000) or ()) > 500, "more than a flat colour"


def test_the_same_prompt_gives_the_same_film() -> None:
    """To the eye: x264 does not write the same bytes each time, whatever it is given."""
    scene = Scene(480, 480, 2, "a cat", "1:1")
    one, other = (list(pictures(render.__wrapped__(scene))) for _ in range(2))
    assert len(one) == len(other)
    assert max(map(difference, one, other)) < 1


def test_the_prompt_is_written_in_russian_letters() -> None:
    font = ImageFont.truetype(rendering._FONT, 20)
    missing = bytes(font.getmask("\uffff"))
    text = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ«»—…№₽Az09"
    assert [letter for letter in text if bytes(font.getmask(letter)) == missing] == []


@pytest.mark.parametrize("prompt", ["", "x" * 500, "очень " * 100, "a\n\nb", "слово"])
def test_a_caption_of_any_length_stays_inside_the_picture(prompt: str) -> None:
    strip, mask = rendering._caption(Scene(480, 864, 2, prompt, "9:16"))
    assert strip.size == mask.size
    assert strip.width == 480
    assert strip.height < 864 / 4
    font = ImageFont.truetype(rendering._FONT, 20)
    lines = rendering._wrap(prompt, font, 400, limit=2)
    assert len(lines) <= 2
    assert all(font.getlength(line) <= 400 for line in lines)
    assert "".join(lines).endswith("…") == (font.getlength(" ".join(prompt.split())) > 800)


def test_every_model_has_even_sides_and_its_price() -> None:
    assert sum(not model.is_picture for model in MODELS.values()) == 42
    assert str(MODELS["seedance-1-lite-480P-5s"].price) == "17"
    for model in MODELS.values():
        for ratio in ("1:1", "16:9", "9:16"):
            assert all(side % 2 == 0 for side in model.size(ratio))


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        (Fraction(480, 864), (480, 864)),
        (Fraction(1080, 1920), (480, 864)),
        (Fraction(16, 9), (864, 480)),
        (Fraction(4, 3), (736, 560)),
    ],
)
def test_a_frame_of_another_shape_overrides_the_ratio(
    shape: Fraction, size: tuple[int, int]
) -> None:
    assert MODELS["seedance-1-lite-480P-5s"].size("9:16", shape) == size
