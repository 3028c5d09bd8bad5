"""Join the parts of a film inside the reader process: packets are copied, nothing is encoded.

Each part begins where the pictures of the one before it end. Its sound moves by the same time:
what is longer than the pictures is cut, what is shorter leaves silence. One part is open at a
time, and only its current packets and the film's index are in memory. It must not know settings,
secrets or other modules of the bot.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from bot.media.mp4 import Positioned, Unusable, film, find_index, pictures


class BadPart(Exception):
    """The part with this number, from 0, is not a playable MP4."""

    def __init__(self, part: int, what: str) -> None:
        super().__init__(f"part {part}: {what}")
        self.part, self.what = part, what


class NotAlike(BadPart):
    """The part cannot follow the first one without encoding; `what` differs: codec, size, rate
    or sound."""


class Target:
    """The film's file: written and read at its own position."""

    name = "film.mp4"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._place = self._size = 0

    def write(self, data: bytes) -> int:
        written = 0
        view = memoryview(data)
        while written < len(view):
            written += os.pwrite(self._descriptor, view[written:], self._place + written)
        self._place += written
        self._size = max(self._size, self._place)
        return written

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place


@dataclass(frozen=True)
class _Sort:
    """What must be equal for packets to be copied into one stream. `setup` is how the decoder is
    set up (H.264: the parameter sets)."""

    codec: str
    size: tuple[int, int]
    rate: Fraction
    setup: bytes

    def difference(self, other: _Sort) -> str | None:
        if self.codec != other.codec:
            return "codec"
        if self.size != other.size:
            return "size"
        if abs(self.rate - other.rate) * 100 > self.rate:  # the last picture's length varies
            return "rate"
        return None if self.setup == other.setup else "codec"


@dataclass(frozen=True)
class _Plan:
    """What one look at all parts brings; times in seconds of each part."""

    shown: Sequence[tuple[Fraction, Fraction]]  # when its pictures begin and end
    with_sound: int | None  # the first part that has sound
    index: int  # bytes to reserve for the film's index


def join(parts: Sequence[int], target: int) -> None:
    """Write the film of these parts, open files, into the file `target`, its index in front.

    Raises BadPart and NotAlike; OSError when the disk is to blame.
    """
    plan = _look(parts)
    os.ftruncate(target, 0)
    options = {"moov_size": str(plan.index)}
    with av.open(Target(target), "w", format="mp4", options=options) as out:
        with _opened(plan.with_sound or 0, parts) as template:  # all pictures are alike
            writer = _Writer(out, template, has_sound=plan.with_sound is not None)
        for number, (first, end) in enumerate(plan.shown):
            with _opened(number, parts) as container:
                writer.add(container, first, end)


def _look(parts: Sequence[int]) -> _Plan:
    """Read all parts once. Raises BadPart, and NotAlike for one that differs from the first."""
    index, with_sound = 4096, None
    picture = sound = None
    shown = []
    for number, part in enumerate(parts):
        with _blamed(number):
            moov, _ = find_index(Positioned(part), os.fstat(part).st_size)
        index += moov + 1024
        with _opened(number, parts) as container:
            ours = _picture_sort(container)
            picture = picture or ours
            if what := picture.difference(ours):
                raise NotAlike(number, what)
            if container.streams.audio:
                heard = _sound_sort(container)
                if sound is None:
                    sound, with_sound = heard, number
                if sound.difference(heard):
                    raise NotAlike(number, "sound")
            shown.append(_shown(container))
    return _Plan(shown, with_sound, index)


def _picture_sort(container: InputContainer) -> _Sort:
    stream = pictures(container)
    context = stream.codec_context
    return _Sort(
        context.codec.canonical_name,
        (stream.width, stream.height),
        stream.average_rate or Fraction(0),
        bytes(context.extradata or b""),
    )


def _sound_sort(container: InputContainer) -> _Sort:
    context = container.streams.audio[0].codec_context
    return _Sort(
        context.codec.canonical_name,
        (context.sample_rate, context.layout.nb_channels),
        Fraction(0),
        bytes(context.extradata or b""),
    )


@contextmanager
def _opened(number: int, parts: Sequence[int]) -> Iterator[InputContainer]:
    with _blamed(number), film(parts[number]) as container:
        yield container


@contextmanager
def _blamed(number: int) -> Iterator[None]:
    """Raise what is wrong with a part as BadPart with its number."""
    try:
        yield
    except BadPart:
        raise
    except (Unusable, av.error.FFmpegError, ValueError, struct.error) as exc:
        raise BadPart(number, f"{type(exc).__name__}: {exc}") from None


class _Writer:
    """The two streams of the film and the moment, in seconds, at which the next part begins."""

    def __init__(self, out: OutputContainer, template: InputContainer, *, has_sound: bool) -> None:
        self._out = out
        self._picture = out.add_stream_from_template(pictures(template), opaque=True)
        self._sound = (
            out.add_stream_from_template(template.streams.audio[0]) if has_sound else None
        )
        self._at = Fraction(0)
        self._heard = Fraction(0)  # until where there is sound
        self._last: dict[int, Fraction] = {}  # of each stream: when its last packet is decoded

    def add(self, container: InputContainer, first: Fraction, end: Fraction) -> None:
        """Copy one part, whose pictures begin at `first` and end at `end`."""
        shift, until = self._at - first, self._at + end - first
        video = pictures(container)
        copies = {video.index: _Copy(video, self._picture, shift, self._last.get(0))}
        if self._sound and container.streams.audio:
            audio = container.streams.audio[0]
            copies[audio.index] = _Copy(audio, self._sound, shift, self._last.get(1))
            copies[audio.index].keep(self._heard, until)
        for packet in container.demux([one.source for one in copies.values()]):
            if packet.dts is not None and packet.pts is not None:
                copies[packet.stream.index].write(packet, self._out)
        for number, copy in enumerate(copies.values()):
            self._last[number] = copy.last * copy.base
        if len(copies) > 1:
            self._heard = max(self._heard, copy.ends * copy.base)
        self._at = until


class _Copy:
    """One stream of a part on its way into the film; times in ticks of the stream."""

    def __init__(self, source: Any, target: Any, shift: Fraction, last: Fraction | None) -> None:
        self.source, self._target = source, target
        self.base = Fraction(source.time_base)
        self._shift = round(shift / self.base)
        self.last = -(1 << 60) if last is None else math.ceil(last / self.base)
        self.ends = 0
        self._until = 1 << 60

    def keep(self, heard: Fraction, until: Fraction) -> None:
        """Leave out what is mostly before `heard` or after `until`, in seconds of the film: half
        a packet of sound too much or too little is not heard."""
        self.ends = math.floor(heard / self.base)
        self._until = round(until / self.base)

    def write(self, packet: Packet[Any], out: OutputContainer) -> None:
        """Copy the packet to its time in the film."""
        assert packet.pts is not None
        assert packet.dts is not None
        pts, dts, lasts = packet.pts + self._shift, packet.dts + self._shift, packet.duration or 0
        if self._until < 1 << 60:
            if pts + lasts // 2 < self.ends or pts + lasts // 2 >= self._until:
                return
            self.ends = pts + lasts
        # each packet is decoded after the one before it
        self.last = dts = max(dts, self.last + 1)
        packet.pts, packet.dts = max(pts, dts), dts
        packet.stream = self._target
        out.mux(packet)


def _shown(container: InputContainer) -> tuple[Fraction, Fraction]:
    """Return when the first picture appears and the last one ends, in seconds of the part."""
    stream = pictures(container)
    first, end = 1 << 60, -(1 << 60)
    for packet in container.demux(stream):
        if packet.pts is not None and packet.dts is not None:
            first = min(first, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
    if end <= first or not stream.time_base:
        raise Unusable("there is no picture in it")
    return first * stream.time_base, end * stream.time_base
