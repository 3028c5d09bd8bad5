"""The record of each call, and the checked call that a method's code receives."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.telegram.schema import Upload
from bot.sandbox.telegram.state import World

Json = dict[str, Any]


@dataclass
class Call:
    """One call of the Bot API, as tests and the page read it; times are Unix seconds."""

    number: int
    method: str
    params: Json
    started: float
    ended: float | None = None
    # HTTP status of the answer; None while the call runs, or if a fault interrupted it.
    status: int | None = None
    result: Any = None
    description: str | None = None
    fault: str | None = None
    # Files that were uploaded with the call, by parameter name: name, size, sha256.
    uploads: dict[str, Json] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    # Things Telegram ignores silently: an ignored thumbnail, a video turned into an animation.
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the method had its effect (a fault may still have dropped the answer)."""
        return self.description is None and self.result is not None

    def json(self) -> Json:
        """For `/sandbox/calls`."""
        return {**self.__dict__, "ok": self.ok}


@dataclass
class Request:
    """A checked call, as a method receives it."""

    world: World
    params: Json
    # Multipart files that `attach://<name>` refers to.
    files: dict[str, Upload]
    call: Call
    fetch: Callable[[str], Awaitable[tuple[bytes, str]]]


Method = Callable[[Request], Awaitable[Any]]


def public(value: Any) -> Any:
    """Parameters without the bytes of files."""
    if isinstance(value, Upload):
        return {"file_name": value.name, "size": value.size, "sha256": value.sha256}
    if isinstance(value, dict):
        return {key: public(one) for key, one in value.items()}
    if isinstance(value, list):
        return [public(one) for one in value]
    return value


def uploaded(params: Json, files: dict[str, Upload], path: str = "") -> dict[str, Json]:
    """Return uploads by their place in the parameters: `video`, `thumbnail`, `media[0].media`."""
    found: dict[str, Json] = {}
    for name, value in params.items():
        place = f"{path}{name}"
        if isinstance(value, str) and value.startswith("attach://"):
            value = files.get(value.removeprefix("attach://"))
        if isinstance(value, Upload):
            found[place] = public(value)
        elif isinstance(value, dict):
            found |= uploaded(value, files, f"{place}.")
        elif isinstance(value, list):
            for index, one in enumerate(value):
                if isinstance(one, dict):
                    found |= uploaded(one, files, f"{place}[{index}].")
    return found
