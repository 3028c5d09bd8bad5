"""Undo the compression that a server declares for a file (RFC 9110, 8.4: Content-Encoding).

The bot asks for `identity`; some stores still send what was uploaded compressed, or name a coding
that changes no bytes. Memory use does not depend on the file: a bomb comes out in pieces, which
the caller counts. It must not know where the file comes from.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

PIECE = 1 << 18  # bytes
_GZIP, _ZLIB = b"\x1f\x8b", b"\x78"
_EITHER = 32 + zlib.MAX_WBITS  # zlib's own format, or that of gzip
_PACKED = {"gzip", "x-gzip", "deflate"}
_UNKNOWN = {"br", "zstd", "compress", "x-compress", "dcb", "dcz"}


class CannotDecode(Exception):
    """The file is compressed in a way that is not known here, or damaged."""


class Decoder:
    """Returns what it is fed, unchanged."""

    is_complete = True

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Iterate over the pieces of the file that this chunk brings. Raises CannotDecode."""
        return (chunk,) if chunk else ()


class _Unpacking(Decoder):
    is_complete = False

    def __init__(self) -> None:
        self._unpack = zlib.decompressobj(_EITHER)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            if self._unpack.eof:
                if not chunk.startswith(_GZIP):
                    return  # padding
                self._unpack = zlib.decompressobj(_EITHER)  # the next member (RFC 1952, 2.2)
            try:
                piece = self._unpack.decompress(chunk, PIECE)
            except zlib.error:
                raise CannotDecode("compressed, and damaged") from None
            chunk = self._unpack.unconsumed_tail or self._unpack.unused_data
            self.is_complete = self._unpack.eof
            if piece:
                yield piece


def listed(headers: Iterable[str]) -> list[str]:
    """Return the codings of all Content-Encoding headers, in the order in which they were
    applied.

    Other words, like `aws-chunked`, `binary` or `utf-8`, are left out: the uploader sent them, the
    store repeats them, and they do not change the file.
    """
    words = (word.strip().lower() for line in headers for word in line.split(","))
    return [word for word in words if word in _PACKED | _UNKNOWN]


def decoder(codings: list[str], start: bytes) -> Decoder:
    """Return the decoder of a file that begins so. Raises CannotDecode.

    The first bytes decide: files are also declared as compressed that are not.
    """
    if not codings or start[4:8] == b"ftyp":
        return Decoder()
    if start.startswith(_GZIP) or ("deflate" in codings and start.startswith(_ZLIB)):
        if len(codings) == 1 and codings[0] in _PACKED:
            return _Unpacking()
    elif _PACKED.issuperset(codings):
        return Decoder()
    raise CannotDecode(f"compressed with {', '.join(codings)}, which nobody asked for")
