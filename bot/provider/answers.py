"""The provider's answers: jobs, and the only place for its codes and statuses (docs/provider.md).

Errors are classified by what happens next: ProviderBusy (again later), ProviderHeld (an operator
has to act), ProviderRefused (never).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from bot.core.errors import (
    ProviderBusy,
    ProviderError,
    ProviderHeld,
    ProviderRefused,
)
from bot.core.task import Hold, Reason
from bot.provider import documented

AGAIN = {1, 6, 500}

HOLDS = {2: Hold.KEY_REFUSED, 5: Hold.NO_BALANCE, 99: Hold.WRONG_ADDRESS}

_NEVER = {
    7: Reason.MODEL_GONE,
    1001: Reason.SENSITIVE_CONTENT,
    1002: Reason.UNSAFE_PROMPT,
}

# Redirects that keep method and body (RFC 9110, 15.4): this address has not accepted the order.
# After 302 and 303 that is unknown: some services answer so after they have accepted it.
_HTTP_HOLDS = {
    301: Hold.WRONG_ADDRESS,
    307: Hold.WRONG_ADDRESS,
    308: Hold.WRONG_ADDRESS,
    401: Hold.KEY_REFUSED,
    402: Hold.NO_BALANCE,
    403: Hold.KEY_REFUSED,
    404: Hold.WRONG_ADDRESS,
    405: Hold.WRONG_ADDRESS,
}

_FAILED = {"failed", "error", "cancelled", "canceled"}

_DOCUMENTED = documented.STATUSES.keys()

_RESULT_FIELDS = {
    "url": None, "video_url": None, "video": None, "videos": None, "result": None,
    "results": None, "output": None, "outputs": None, "content": None, "data": None, "urls": None,
}.keys()  # fmt: skip
"""Fields that may hold a result, for this or other models of the API, in order of preference."""

_NO_VIDEO = {
    "prompt", "image", "images", "cover", "cover_url", "thumbnail", "preview", "poster",
    "first_frame", "last_frame", "input", "webhook", "callback", "cover_image", "get", "cancel",
    "stream", "web", "self", "status", "response",
}  # fmt: skip
"""Names, also with `_url`, of links that are not the video: pictures, and addresses of the API
itself (Replicate: `get` and `cancel` in `urls`; the maker of Seedance: `last_frame_url`)."""
_URL = re.compile(r"_(?:url|uri)s?$")
_PICTURE = re.compile(r"\.(?:jpe?g|png|webp|gif|avif|heic|bmp)$", re.IGNORECASE)

_DEPTH = 4
"""Depth to which an answer is searched for a link."""


class JobStatus(StrEnum):
    """The provider's status of a job; an unknown status counts as PENDING (provider.md:
    statuses).
    """

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video at the provider."""

    id: str
    status: JobStatus
    url: str | None = None
    reason: Reason | None = None  # set when FAILED
    detail: str = ""


def code_of(answer: Mapping[str, Any]) -> int | None:
    code = answer.get("code")
    if isinstance(code, bool):
        return None
    if isinstance(code, float) and code.is_integer():
        return int(code)
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 10:
        return int(code)
    return code if isinstance(code, int) else None


def id_of(answer: Mapping[str, Any]) -> str:
    """Return the id of the job that an answer names; "" when it names none."""
    id_ = answer.get("id")
    if isinstance(id_, bool) or not isinstance(id_, str | int):
        return ""
    return str(id_).strip()


def _reason(code: int, answer: Mapping[str, Any]) -> Reason:
    if code == 3:
        return Reason.MODEL_GONE if _issue_on(answer, "model") else Reason.INVALID_INPUT
    return _NEVER.get(code, Reason.PROVIDER_REFUSED)


def error_of_code(
    code: int, headers: Mapping[str, str], answer: Mapping[str, Any]
) -> ProviderError:
    """Return the error of a `code` that came without an id (provider.md: codes)."""
    words = f"code {code} {message_of(answer)}".strip()
    if code in AGAIN:
        return ProviderBusy(words, retry_after=_retry_after(headers))
    if code in HOLDS:
        return ProviderHeld(HOLDS[code], words)
    return ProviderRefused(_reason(code, answer), words)


def error_of_http_status(
    status: int, headers: Mapping[str, str], answer: Mapping[str, Any]
) -> ProviderError | None:
    """Return the error of an answer without a code; None if the HTTP status proves nothing.

    A 5xx proves nothing: a proxy that lost its upstream does not know whether the order was
    accepted.
    """
    words = f"HTTP {status} {message_of(answer)}".strip()
    if status == 429 or (status == 503 and "retry-after" in headers):
        return ProviderBusy(words, retry_after=_retry_after(headers))
    if status in _HTTP_HOLDS:
        return ProviderHeld(_HTTP_HOLDS[status], words)
    if 400 <= status < 500 and status not in (408, 499):
        return ProviderRefused(Reason.INVALID_INPUT, words)
    return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`; None without one, or if it cannot be read.

    It may be a date (RFC 9110, 10.2.3), which is compared with the server's own `Date`.
    """
    said = headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        try:
            until, now = map(parsedate_to_datetime, (said, headers.get("date", "")))
            seconds = (until - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return seconds if 0 <= seconds < 86_400 else None


def message_of(answer: Mapping[str, Any]) -> str:
    """Return the provider's message for the operator: `message`, `error` or `error.message`."""
    error = answer.get("error")
    words = answer.get("message") or (error.get("message") if isinstance(error, dict) else error)
    return str(words)[:300] if words else ""


def _issue_on(answer: Mapping[str, Any], field: str) -> bool:
    issues = answer.get("issues")
    if not isinstance(issues, list):
        return False
    for issue in issues:
        path = issue.get("path") if isinstance(issue, dict) else None
        if path == field or (isinstance(path, list) and field in path):
            return True
    return False


def job_from(id_: str, answer: Mapping[str, Any], code: int | None) -> Job:
    """Return the job that an answer describes."""
    status = str(answer.get("status") or "").lower()
    detail = message_of(answer)
    if code and code not in AGAIN and code not in HOLDS:
        reason = _reason(code, answer)
        # An undocumented code does not end a job that is paid for.
        if reason is not Reason.PROVIDER_REFUSED or status in _FAILED:
            return Job(id=id_, status=JobStatus.FAILED, reason=reason, detail=detail)
    if status in _FAILED:
        return Job(id=id_, status=JobStatus.FAILED, reason=Reason.PROVIDER_FAILED, detail=detail)
    url = link_in(answer)
    if url is None and status == "done" and isinstance(answer.get("url"), str):
        url = answer["url"].strip() or None  # the download refuses a link that is not http(s)
    if url or status == "done":
        return Job(id=id_, status=JobStatus.DONE, url=url)
    return Job(id=id_, status=JobStatus.PENDING, detail=status)


def link_in(answer: Mapping[str, Any]) -> str | None:
    """Return the link to the video from any field of an answer that may hold it; None without a
    link.

    Only result fields are searched: a link in the echoed prompt, or a link to the first frame, is
    not the video (provider.md: result).
    """
    found = [
        link for key in _RESULT_FIELDS if key in answer for link in _links(answer[key], depth=0)
    ]
    # A preview may come before the video. The links of an ordered picture are all pictures.
    videos = (link for link in found if not _PICTURE.search(urlsplit(link).path))
    return next(videos, found[0] if found else None)


def _links(value: Any, *, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        value = value.strip()
        if _is_link(value):
            yield value
        if not value.startswith(("{", "[")):
            return
        try:
            value = json.loads(value)  # some services give their result as a text
        except (ValueError, RecursionError):
            return
    if depth >= _DEPTH:
        return
    inner: Iterable[Any] = ()
    if isinstance(value, list):
        inner = value
    elif isinstance(value, dict):
        known = [value[key] for key in _RESULT_FIELDS if key in value]
        others = [
            v
            for k, v in value.items()
            if k not in _RESULT_FIELDS and _URL.sub("", k) not in _NO_VIDEO
        ]
        inner = known + others
    for one in inner:
        yield from _links(one, depth=depth + 1)


def _is_link(text: str) -> bool:
    if any(c.isspace() for c in text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)


def shape_of(value: Any, depth: int = 0) -> str:
    """Return keys and types of an answer without its values, at most 300 characters."""
    if isinstance(value, dict) and depth < _DEPTH:
        inner = ", ".join(f"{key}: {shape_of(one, depth + 1)}" for key, one in value.items())
        return f"{{{inner}}}"[:300]
    if isinstance(value, list) and depth < _DEPTH:
        return f"[{', '.join(dict.fromkeys(shape_of(one, depth + 1) for one in value))}]"[:300]
    return type(value).__name__


def is_documented(answer: Mapping[str, Any]) -> bool:
    """Whether an answer to `result` has the documented form (provider.md: result)."""
    status, url = answer.get("status"), answer.get("url")
    return (
        isinstance(status, str)
        and status.lower() in _DOCUMENTED
        and (url is None or isinstance(url, str))
        and not _RESULT_FIELDS - {"url"} & answer.keys()
    )
