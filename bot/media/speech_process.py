"""Hear one sound with faster-whisper; started by bot/media/speech.py.

The sound is standard input, the model the only argument; the answer is one line of JSON with
`text`, or with `error` and exit code 1. Without a sound the model is only loaded. It must not know
settings, secrets or other modules of the bot.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys

MEMORY = 6 << 30  # bytes of address space: `large-v3` at int8 needs 3 GB
CPU_SECONDS = 600
SOUND_LIMIT = 20_000_000  # bytes


def main() -> int:
    """Answer, and return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    os.nice(5)  # the bot itself comes first
    sound = sys.stdin.buffer.read(SOUND_LIMIT + 1)
    answer = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    try:
        text = hear(sys.argv[1], sound)
    except Exception as exc:
        # Only the error's type: its text may name files and addresses.
        json.dump({"error": type(exc).__name__}, answer)
        return 1
    json.dump({"text": text}, answer)
    return 0


def hear(model: str, sound: bytes) -> str:
    """Return the words of a sound; "" without a sound, when the model is only loaded."""
    if len(sound) > SOUND_LIMIT:
        raise ValueError("the sound is too large")
    from faster_whisper import WhisperModel  # the extra `voice`

    whisper = WhisperModel(model, device="cpu", compute_type="int8")
    if not sound:
        return ""
    segments, _ = whisper.transcribe(io.BytesIO(sound), vad_filter=True)
    return " ".join(segment.text.strip() for segment in segments)


if __name__ == "__main__":
    sys.exit(main())
