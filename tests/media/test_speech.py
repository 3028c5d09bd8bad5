"""Speech to text on this machine, with a stand-in for the library; the sound of a video note."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

import av
import pytest

from bot.media import speech, video_reader
from bot.media.speech import LocalTranscriber
from bot.media.video_reader import NotAVideo
from tests.media.test_film_join import payloads
from tests.media.test_video_reader import mp4

STAND_IN = '''
"""As much of faster_whisper as the process uses."""
import os
import time
from types import SimpleNamespace


class WhisperModel:
    def __init__(self, model, device, compute_type):
        if model == "missing":
            raise OSError("/secret/place/of/models")
        assert (device, compute_type) == ("cpu", "int8")
        print("a library that talks")

    def transcribe(self, sound, vad_filter):
        content = sound.read()
        if content == b"greedy":
            bytearray(8 << 30)
        if content == b"crash":
            os.abort()
        if content == b"slow":
            time.sleep(60)
        if content == b"secrets":
            return [SimpleNamespace(text=" ".join(os.environ))], None
        words = content.decode().split()
        return (SimpleNamespace(text=f" {word}") for word in words), None
'''


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faster_whisper.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path.cwd())]))


@pytest.mark.usefixtures("library")
async def test_a_sound_is_heard_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIBE_KEY", "secret")
    transcriber = LocalTranscriber("small")
    assert await transcriber.hear("рыжий кот".encode(), "ogg") == "рыжий кот"
    assert await transcriber.check() == ""
    names = await transcriber.hear(b"secrets", "ogg")
    assert names is not None
    assert "PATH" in names
    assert "TRANSCRIBE_KEY" not in names


@pytest.mark.usefixtures("library")
async def test_what_breaks_the_process_breaks_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transcriber = LocalTranscriber("small")
    assert await transcriber.hear(b"greedy", "ogg") is None
    assert "MemoryError" in caplog.text
    assert await transcriber.hear(b"crash", "ogg") is None
    assert await LocalTranscriber("small", seconds=1.5).hear(b"slow", "ogg") is None
    assert await transcriber.hear(b"again", "ogg") == "again"
    wrong = await LocalTranscriber("missing").check()
    assert wrong == "OSError"


async def test_without_the_library_a_check_says_so() -> None:
    assert not speech.is_installed()
    assert await LocalTranscriber("small").check() == "ModuleNotFoundError"


# --- the sound of a video note -------------------------------------------------------------------


def opened(data: bytes = b"") -> BinaryIO:
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the test
    file.write(data)
    return file


async def test_only_the_sound_of_a_video_note_is_copied(tmp_path: Path) -> None:
    note = mp4(tmp_path, sound=True)
    with opened(note) as file, opened() as target:
        await video_reader.sound(file, target)
        target.seek(0)
        copied = target.read()
    with av.open(io.BytesIO(copied), "r") as container:
        assert not container.streams.video
        assert container.streams.audio
    assert payloads(copied, "audio") == payloads(note, "audio")


async def test_a_silent_or_broken_note_is_refused(tmp_path: Path) -> None:
    for content in (mp4(tmp_path), b"no video", mp4(tmp_path, sound=True)[:2000]):
        with opened(content) as file, opened() as target, pytest.raises(NotAVideo):
            await video_reader.sound(file, target)
