"""Serve a finished video or picture as object storage does: the whole file or the requested part.

It must not know tasks.
"""

from __future__ import annotations

from aiohttp import web

VIDEO = "video/mp4"
PICTURE = "image/png"


def result_file(request: web.Request, content: bytes, content_type: str = VIDEO) -> web.Response:
    """Return the answer to a GET with or without `Range` (RFC 9110, 14.2)."""
    headers = {"Accept-Ranges": "bytes"}
    try:
        start, stop, _ = request.http_range.indices(len(content))
    except ValueError:  # an invalid range is ignored
        start, stop = 0, len(content)
    if stop - start == len(content):
        return web.Response(body=content, content_type=content_type, headers=headers)
    if start >= stop:
        headers["Content-Range"] = f"bytes */{len(content)}"
        return web.Response(status=416, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return web.Response(
        status=206, body=content[start:stop], content_type=content_type, headers=headers
    )
