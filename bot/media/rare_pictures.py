"""Recognise picture formats that only libav decodes, by the first bytes of a file.

It must not decode them: bot/media/large_pictures.py does, in the reader process.
"""

from __future__ import annotations

import re

_CODECS = (
    (rb"v/1\x01", "exr"),  # OpenEXR
    (rb"#\?(?:RADIANCE|RGBE)", "hdr"),
    (rb"SDPX|XPDS", "dpx"),
    (rb"qoif", "qoi"),
    (rb"DDS \x7c\0\0\0", "dds"),
    (rb"\x0a[\0\x02-\x05][\0\x01][\x01\x02\x04\x08]", "pcx"),
    (rb"\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]", "sgi"),
    (rb"P[14]\s", "pbm"),
    (rb"P[25]\s", "pgm"),
    (rb"P[36]\s", "ppm"),
    (rb"P7\nWIDTH|P7\n#", "pam"),
    (rb"P[Ff]\s+\d", "pfm"),
    (rb"\x59\xa6\x6a\x95", "sunrast"),
    (rb"\xff\xd8\xff\xf7", "jpegls"),
)
_LONGEST = 16  # bytes
_PATTERNS = [(re.compile(pattern), codec) for pattern, codec in _CODECS]


def codec_of(start: bytes) -> str | None:
    """Return libav's name of the codec for a file with these first bytes; None for other files."""
    head = start[:_LONGEST]
    return next((codec for pattern, codec in _PATTERNS if pattern.match(head)), None)
