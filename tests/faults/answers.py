"""Faults that can replace a good answer on the network, by name."""

from __future__ import annotations

from typing import Any

from bot.sandbox.faults import Fault

HTML = "<html><head><title>Bad gateway</title></head><body>nginx</body></html>"


def http(status: int, body: Any = HTML, act: str = "answer", **headers: str) -> Fault:
    """An answer of this HTTP status, as a proxy gives it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault.model_validate(
        {"on": "*", "act": act, "status": status, "body": body, "headers": named}
    )


def says(code: int, status: int = 200, **more: Any) -> Fault:
    """An error in the form of the media API (provider.md: errors)."""
    return http(status, {"code": code, "message": "no", **more})


def broken(act: str, **how: Any) -> Fault:
    """A connection that breaks before the answer."""
    return Fault.model_validate({"on": "*", "act": act, **how})


def refusal(status: int, description: str | None, **parameters: int) -> Fault:
    """An error in Telegram's form (Bot API: making requests)."""
    body: dict[str, Any] = {"ok": False, "error_code": status}
    if description is not None:
        body["description"] = description
    if parameters:
        body["parameters"] = parameters
    return http(status, body)


LOST: dict[str, tuple[Fault, bool]] = {
    "500 HTML": (http(500), False),
    "502 HTML": (http(502), False),
    "503 empty": (http(503, None), False),
    "504 HTML": (http(504), False),
    "504 after it was taken": (http(504, act="answer_after"), True),
    "408": (http(408), False),
    "redirect": (http(302, None, Location="https://elsewhere.test/"), False),
    "200 HTML": (http(200), False),
    "200 HTML after it was taken": (http(200, act="answer_after"), True),
    "malformed JSON": (http(200, b'{"code": 0, "id": "687f'), False),
    "malformed JSON after it was taken": (http(200, b'{"cod', act="answer_after"), True),
    "empty body": (http(200, None), False),
    "a list": (http(200, []), False),
    "nested without end": (http(200, b"[" * 100_000), False),
    "neither id nor code": (http(200, {"hello": "world"}), False),
    "code 0 without an id": (http(200, {"code": 0, "id": None}), False),
    "huge body": (http(200, b" " * (2 << 20)), False),
    "huge body after it was taken": (http(200, b" " * (2 << 20), act="answer_after"), True),
    "reset before": (broken("reset_before"), False),
    "reset after": (broken("reset_after"), True),
    "reset in mid-body": (broken("truncate"), True),
}
"""Answers that leave the outcome open: the fault, and whether the request was accepted."""

SLOW: dict[str, tuple[Fault, bool]] = {
    "silence before": (broken("hang_before"), False),
    "silence after": (broken("hang_after"), True),
    "a byte a second": (broken("slow", rate=1), True),
}
"""The same, found out by a timeout alone."""
