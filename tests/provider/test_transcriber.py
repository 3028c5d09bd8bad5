"""Speech to text over real HTTP; a failure is no answer, and the key stays secret."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from bot.provider.transcriber import BODY_LIMIT, Transcriber, endpoint, silence
from bot.sandbox.gptunnel.senses import HEARD
from bot.sandbox.gptunnel.server import GptunnelEmulator, Upload
from bot.sandbox.telegram.sounds import speak

KEY = "sk-very-secret"


@pytest.fixture
async def service() -> AsyncIterator[GptunnelEmulator]:
    emulator = GptunnelEmulator(api_key=KEY)
    await emulator.start()
    yield emulator
    await emulator.stop()


def answering(handle: object, *, seconds: float = 5.0) -> Transcriber:
    transport = httpx.MockTransport(handle)  # type: ignore[arg-type]
    return Transcriber(
        httpx.AsyncClient(base_url="http://ear", transport=transport), "ears", seconds=seconds
    )


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("https://example.org/openai/v1", "https://example.org/openai/v1"),
    ],
)
def test_the_version_is_added_to_an_address_without_a_path(given: str, base: str) -> None:
    assert endpoint(given) == base


async def test_the_words_of_a_voice_message_come_back(service: GptunnelEmulator) -> None:
    transcriber = Transcriber.connect(service.origin, KEY, "ears")
    sound, _ = speak("Рыжий кот бежит по снегу")
    assert await transcriber.hear(sound, "ogg") == "Рыжий кот бежит по снегу"
    await transcriber.close()
    [call] = service.calls
    assert call.name == "transcribe"
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    assert call.body["model"] == "ears"
    assert call.body["file"] == Upload("voice.ogg", sound)


@pytest.mark.parametrize(
    ("start", "name", "kind"),
    [
        (b"OggS\0\2", "voice.ogg", "audio/ogg"),
        (b"ID3\4\0", "voice.mp3", "audio/mpeg"),
        (b"\xff\xfb\x90\0", "voice.mp3", "audio/mpeg"),
        (b"\xff\xf3\x40\0", "voice.mp3", "audio/mpeg"),
        (b"\0\0\0\x1cftypM4A ", "voice.m4a", "audio/mp4"),
        (b"\0\0\0\x20ftypisom", "voice.m4a", "audio/mp4"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "voice.wav", "audio/wav"),
        (b"fLaC\0", "voice.flac", "audio/flac"),
        (b"\x1aE\xdf\xa3", "voice.webm", "audio/webm"),
        (b"", "voice.ogg", "audio/ogg"),
        (b"\xff", "voice.ogg", "audio/ogg"),
        (b"\xff\xf1\x50", "voice.ogg", "audio/ogg"),  # AAC without a container
    ],
)
async def test_a_sound_is_sent_with_the_name_and_type_of_its_content(
    start: bytes, name: str, kind: str
) -> None:
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.read())
        return httpx.Response(200, json={"text": "a cat"})

    assert await answering(handle).hear(start, "ogg") == "a cat"
    [body] = seen
    assert f'filename="{name}"'.encode() in body
    assert f"Content-Type: {kind}\r\n".encode() in body


async def test_silence_has_no_words_and_tells_that_the_service_answers(
    service: GptunnelEmulator,
) -> None:
    transcriber = Transcriber.connect(service.base_url, KEY, "ears")
    assert await transcriber.hear(silence(), "wav") == ""
    assert await transcriber.check() == ""
    await transcriber.close()
    wrong = Transcriber.connect(service.base_url, "sk-other", "ears")
    assert await wrong.check() == "the service answers HTTP 401"
    await wrong.close()


async def test_the_sandbox_hears_something_in_any_sound_and_refuses_the_rest(
    service: GptunnelEmulator,
) -> None:
    sound = bytearray(silence())
    sound[1000:1010] = b"\x7f" * 10
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as client:

        async def post(name: str, content: bytes) -> httpx.Response:
            return await client.post(
                f"{service.base_url}/audio/transcriptions",
                data={"model": "ears"},
                files={"file": (name, content)},
            )

        assert (await post("a.wav", bytes(sound))).json() == {"text": HEARD}
        assert (await post("a.exe", bytes(sound))).status_code == 400
        assert (await post("a.ogg", b"OggS")).status_code == 400


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "{}"), (401, "{}"), (429, "{}"), (400, "{}"),
        (500, "too short"), (200, "<html>"), (200, "[]"), (200, "{}"),
        (200, '{"text": 5}'), (200, "[" * 100_000), (200, " " * (BODY_LIMIT + 1)),
        (302, ""),
    ],
)  # fmt: skip
async def test_a_strange_answer_is_none(status: int, body: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text=body, headers={"Location": "http://elsewhere/"})

    assert await answering(handle).hear(b"OggS", "ogg") is None


@pytest.mark.parametrize(
    "error", [{"message": "Audio file is too short."}, {"code": "audio_too_short"}]
)
async def test_a_sound_too_short_for_words_has_none(error: object) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"error": error})

    assert await answering(handle).hear(b"OggS", "ogg") == ""


async def test_a_late_answer_is_none() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert await answering(never, seconds=0.01).hear(b"OggS", "ogg") is None
    assert "no answer within" in await answering(never, seconds=0.01).check()


async def test_nobody_listens_and_the_key_and_the_words_stay_secret(
    caplog: pytest.LogCaptureFixture, service: GptunnelEmulator
) -> None:
    caplog.set_level(logging.DEBUG, logger="bot")
    nobody = Transcriber.connect("http://127.0.0.1:9", KEY, "ears")
    assert await nobody.hear(b"OggS", "ogg") is None
    assert KEY not in await nobody.check()
    await nobody.close()
    said = Transcriber.connect(service.origin, KEY, "ears")
    await said.hear(speak("a private thing")[0], "ogg")
    await said.close()
    assert "not transcribed" in caplog.text
    assert KEY not in caplog.text
    assert "a private thing" not in caplog.text
