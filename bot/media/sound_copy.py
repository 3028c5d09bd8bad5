"""Copy the sound of a video inside the reader process: packets as they are, nothing is encoded.

Only the sound of a video note goes to a transcription, never the picture of who speaks. It must
not know settings, secrets or other modules of the bot.
"""

from __future__ import annotations

import os

import av

from bot.media.film_join import Target
from bot.media.mp4 import Unusable, film


def copy_sound(source: int, target: int) -> None:
    """Write the first sound track of an MP4, an open file, into the empty open file `target`.

    Raises Unusable without one, and libav's errors for a broken file.
    """
    os.ftruncate(target, 0)
    with film(source) as container:
        if not container.streams.audio:
            raise Unusable("there is no sound in it")
        sound = container.streams.audio[0]
        with av.open(Target(target), "w", format="mp4") as out:
            copy = out.add_stream_from_template(sound)
            for packet in container.demux(sound):
                if packet.dts is None:
                    continue
                packet.stream = copy
                out.mux(packet)
