"""A voice message without a microphone: a hum as Ogg Opus whose title holds the words.

The emulated transcription reads them there (bot/sandbox/gptunnel/senses.py).
"""

import io
import math
from array import array
from fractions import Fraction

import av

RATE = 48_000
WORDS_A_SECOND = 2.5
SHORTEST, LONGEST = 1, 90
"""Seconds."""


def speak(text: str) -> tuple[bytes, int]:
    """Return an Ogg file, and its length in whole seconds, as long as the words take."""
    seconds = min(LONGEST, max(SHORTEST, math.ceil(len(text.split()) / WORDS_A_SECOND)))
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=RATE)
        stream.bit_rate = 16_000
        stream.layout = "mono"
        stream.metadata["title"] = text
        hum = array("h", (int(900 * math.sin(i * 2 * math.pi * 140 / RATE)) for i in range(RATE)))
        for second in range(seconds):
            frame = av.AudioFrame(format="s16", layout="mono", samples=RATE)
            frame.planes[0].update(hum.tobytes())
            frame.sample_rate = RATE
            frame.time_base, frame.pts = Fraction(1, RATE), second * RATE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue(), seconds
