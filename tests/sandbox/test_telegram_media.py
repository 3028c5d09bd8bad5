"""Files: taken in, measured, sent again by id, refused when too large or of another kind."""

import io
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from bot.sandbox.telegram.files import MB
from tests.sandbox.telegram_client import Client, jpeg, mp4, talking


async def download(bot: Client, file_id: str) -> bytes:
    file = (await bot("getFile", file_id=file_id)).result
    url = f"{bot.emulator.url}/file/bot{bot.emulator.token}/{file['file_path']}"
    async with bot.session.get(url) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_a_persons_photo_comes_in_sizes_upright_and_without_exif() -> None:
    async with talking() as (_, bot, anna):
        exif = Image.Exif()
        exif[0x0112] = 6  # lies on its side
        exif[0x010F] = "a camera"
        out = io.BytesIO()
        Image.new("RGB", (2000, 1500), "red").save(out, "JPEG", exif=exif)
        message = await anna.send_photo(out.getvalue())
        sizes = [(size["width"], size["height"]) for size in message["photo"]]
        assert sizes == [(67, 90), (240, 320), (600, 800), (960, 1280)]
        image = Image.open(io.BytesIO(await download(bot, message["photo"][-1]["file_id"])))
        assert (image.size, image.format, dict(image.getexif())) == ((960, 1280), "JPEG", {})


async def test_a_document_keeps_its_bytes() -> None:
    async with talking() as (_, bot, anna):
        data = b"\x00\x01 exactly these"
        message = await anna.send_document(data, "a.bin", "application/x-thing", "look")
        assert message["document"]["mime_type"] == "application/x-thing"
        assert message["caption"] == "look"
        assert await download(bot, message["document"]["file_id"]) == data


async def test_a_video_has_the_senders_values_and_is_resent_by_id(tmp_path: Path) -> None:
    clip = mp4(tmp_path)
    async with talking() as (emulator, bot, anna):
        files = {"v": ("v.mp4", clip), "t": ("t.jpg", jpeg(100, 150))}
        told = {"width": 64, "height": 96, "duration": 1, "supports_streaming": True}
        message = (
            await bot.upload(
                "sendVideo",
                files,
                chat_id=anna.id,
                video="attach://v",
                thumbnail="attach://t",
                caption="x",
                **told,
            )
        ).result
        video = message["video"]
        assert (video["width"], video["height"], video["duration"]) == (64, 96, 1)
        assert (video["thumbnail"]["width"], video["thumbnail"]["height"]) == (100, 150)
        again = (await bot("sendVideo", chat_id=anna.id, video=video["file_id"])).result
        assert again["video"] == video
        first, second = emulator.calls_of("sendVideo")
        assert first.uploads["video"]["size"] == len(clip)
        assert first.params["supports_streaming"] is True
        assert second.uploads == {}


async def test_a_video_without_values_is_square_with_no_duration(tmp_path: Path) -> None:
    async with talking() as (emulator, bot, anna):
        files = {"video": ("v.mp4", mp4(tmp_path)), "thumbnail": ("t.jpg", jpeg(400, 300))}
        message = (await bot.upload("sendVideo", files, chat_id=anna.id)).result
        video = message["video"]
        assert (video["width"], video["height"], video["duration"]) == (320, 320, 0)
        assert "thumbnail" not in video
        assert "400x300" in emulator.calls_of("sendVideo")[0].notes[0]


async def test_a_silent_video_by_url_becomes_an_animation(tmp_path: Path) -> None:
    clips = {"silent": mp4(tmp_path), "loud": mp4(tmp_path, sound=True)}

    async def serve(request: web.Request) -> web.Response:
        return web.Response(body=clips[request.match_info["name"]], content_type="video/mp4")

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with talking() as (_, bot, anna):
        silent = (await bot("sendVideo", chat_id=anna.id, video=f"{base}/silent")).result
        assert "video" not in silent
        assert silent["animation"]["width"] == 64
        loud = (await bot("sendVideo", chat_id=anna.id, video=f"{base}/loud")).result
        assert loud["video"]["height"] == 96
        gone = await bot("sendVideo", chat_id=anna.id, video="http://127.0.0.1:9/x")
        assert "failed to get HTTP URL content" in gone.error
    await runner.cleanup()


async def test_a_file_cannot_change_its_kind() -> None:
    async with talking() as (_, bot, anna):
        document = (await anna.send_document(jpeg(), "a.jpg", "image/jpeg"))["document"]["file_id"]
        photo = (await anna.send_photo(jpeg()))["photo"][-1]["file_id"]
        error = (await bot("sendPhoto", chat_id=anna.id, photo=document)).error
        assert error == "Bad Request: can't use file of type Document as Photo"
        error = (await bot("sendVideo", chat_id=anna.id, video=photo)).error
        assert error == "Bad Request: can't use file of type Photo as Video"
        error = (await bot("sendVideo", chat_id=anna.id, video="BAAD")).error
        assert "wrong file_id or the file is temporarily unavailable" in error
        assert "wrong file_id" in (await bot("getFile", file_id="nothing")).error
        assert (await bot("sendPhoto", chat_id=anna.id, photo=photo)).result["photo"]


async def test_missing_and_invalid_pictures_are_refused() -> None:
    async with talking() as (_, bot, anna):
        wrong = await bot.upload("sendPhoto", {"photo": ("a.jpg", b"no")}, chat_id=anna.id)
        assert wrong.error == "Bad Request: IMAGE_PROCESS_FAILED"
        files = {"photo": ("a.jpg", jpeg(4200, 100))}
        wrong = await bot.upload("sendPhoto", files, chat_id=anna.id)
        assert wrong.error == "Bad Request: PHOTO_INVALID_DIMENSIONS"
        empty = await bot.upload("sendDocument", {"document": ("a", b"")}, chat_id=anna.id)
        assert "file must be non-empty" in empty.error
        missing = await bot.upload("sendPhoto", {}, chat_id=anna.id, photo="attach://x")
        assert "there is no file x" in missing.error
        assert "there is no photo" in (await bot("sendPhoto", chat_id=anna.id)).error
        assert [m["text"] for m in anna.messages] == ["hi"]


async def test_uploads_over_50_mb_and_downloads_over_20_mb_are_refused() -> None:
    async with talking() as (_, bot, anna):
        files = {"document": ("a.bin", bytes(50 * MB + 1))}
        answer = await bot.upload("sendDocument", files, chat_id=anna.id)
        assert (answer.status, answer.error) == (413, "Request Entity Too Large")
        files = {"document": ("a.bin", bytes(20 * MB + 1))}
        message = (await bot.upload("sendDocument", files, chat_id=anna.id)).result
        error = (await bot("getFile", file_id=message["document"]["file_id"])).error
        assert error == "Bad Request: file is too big"


async def test_an_album_is_all_or_nothing() -> None:
    async with talking() as (_, bot, anna):
        files = {"a": ("a.jpg", jpeg()), "b": ("b.jpg", jpeg())}
        media = [
            {"type": "photo", "media": "attach://a", "caption": "two"},
            {"type": "photo", "media": "attach://b"},
        ]
        sent = (await bot.upload("sendMediaGroup", files, chat_id=anna.id, media=media)).result
        assert len({m["media_group_id"] for m in sent}) == 1
        assert [m.get("caption") for m in sent] == ["two", None]
        wrong = [media[0], {"type": "photo", "media": "nothing"}]
        assert not (await bot.upload("sendMediaGroup", files, chat_id=anna.id, media=wrong)).body[
            "ok"
        ]
        mixed = [media[0], {"type": "document", "media": "attach://b"}]
        answer = await bot.upload("sendMediaGroup", files, chat_id=anna.id, media=mixed)
        assert "can't be mixed" in answer.error
        one = await bot.upload("sendMediaGroup", files, chat_id=anna.id, media=media[:1])
        assert "2-10 items" in one.error
        assert len(anna.messages) == 3


@pytest.mark.parametrize(("length", "ok"), [(1024, True), (1025, False)])
async def test_captions_end_at_1024(length: int, ok: bool) -> None:
    async with talking() as (_, bot, anna):
        answer = await bot.upload(
            "sendPhoto", {"photo": ("a.jpg", jpeg())}, chat_id=anna.id, caption="a" * length
        )
        assert answer.body["ok"] is ok
        if not ok:
            assert answer.error == "Bad Request: message caption is too long"


async def test_a_text_can_become_the_video(tmp_path: Path) -> None:
    async with talking() as (_, bot, anna):
        sent = (await bot("sendMessage", chat_id=anna.id, text="wait")).result
        place = {"chat_id": anna.id, "message_id": sent["message_id"]}
        media = {"type": "video", "media": "attach://v", "caption": "here"}
        files = {"v": ("v.mp4", mp4(tmp_path))}
        edited = (await bot.upload("editMessageMedia", files, **place, media=media)).result
        assert "text" not in edited
        assert edited["video"]["file_name"] == "v.mp4"
        video = edited["video"]["file_id"]
        same = {"type": "video", "media": video, "caption": "here"}
        assert "not modified" in (await bot("editMessageMedia", **place, media=same)).error
