"""Results of image models: any picture becomes one clean JPEG, anything else is refused."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.media.picture_reader import NotAPicture, PictureTooLarge, prepare
from bot.media.pictures import PHOTO_SIDE


def drawn(size: tuple[int, int], kind: str, mode: str = "RGB", **how: object) -> io.BytesIO:
    file = io.BytesIO()
    Image.new(mode, size, (200, 90, 40) if mode == "RGB" else (200, 90, 40, 0)).save(
        file, kind, **how
    )
    return file


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "TIFF", "AVIF"])
async def test_every_kind_becomes_a_jpeg_of_the_same_size(kind: str) -> None:
    file = drawn((704, 1248), kind)
    before = file.getvalue()
    picture = await prepare(file)
    with Image.open(picture.file) as shown:
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (704, 1248))
        assert not shown.getexif()
    assert picture.size == len(picture.file.getvalue())  # type: ignore[attr-defined]
    assert file.getvalue() == before


async def test_a_large_picture_is_scaled_and_a_transparent_one_is_opaque() -> None:
    picture = await prepare(drawn((4096, 2304), "PNG", "RGBA"))
    with Image.open(picture.file) as shown:
        assert shown.size == (PHOTO_SIDE, 1440)
        assert shown.mode == "RGB"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<html>sorry</html>", b"\0\0\0\x18ftypmp42 a video",
        drawn((90, 90), "PNG").getvalue()[:99],
    ],
    ids=["empty", "page", "video", "cut"],
)  # fmt: skip
async def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(NotAPicture):
        await prepare(io.BytesIO(content))


async def test_a_strip_that_telegram_takes_for_no_photo_is_refused() -> None:
    with pytest.raises(NotAPicture):
        await prepare(drawn((4000, 100), "PNG"))


async def test_too_many_bytes_or_pixels_are_told_apart() -> None:
    with pytest.raises(PictureTooLarge):
        await prepare(io.BytesIO(b"\0" * (20 * 1024 * 1024 + 1)))
    large = io.BytesIO()
    Image.new("1", (9000, 9000)).save(large, "PNG")
    with pytest.raises(PictureTooLarge):
        await prepare(large)
