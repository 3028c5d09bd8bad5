"""Check requests (and our own answers) against the published Bot API schema.

It knows names, types and limits, and must not know chats, messages or files. It is stricter than
Telegram in one point: it refuses unknown parameters, which Telegram ignores.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bot.sandbox.telegram.errors import ApiError, bad_request
from bot.sandbox.telegram.text import utf16_len

Field = dict[str, Any]


@dataclass
class Upload:
    """A file of a multipart request, already on disk."""

    path: Path
    name: str
    content_type: str
    size: int
    sha256: str


# Telegram's own words for a parameter that is missing; others follow the general form.
MISSING = {
    "chat_id": "chat_id is empty",
    "text": "message text is empty",
    "photo": "there is no photo in the request",
    "video": "there is no video in the request",
    "document": "there is no document in the request",
    "animation": "there is no animation in the request",
    "message_id": "message identifier is not specified",
    "file_id": "invalid file_id: file_id is empty",
    "media": 'parameter "media" is required',
}
# Telegram's own words for a size out of bounds, by (owner, field).
SIZES = {
    ("InlineKeyboardButton", "callback_data"): "BUTTON_DATA_INVALID",
    ("CopyTextButton", "text"): "BUTTON_COPY_TEXT_INVALID",
    ("answerCallbackQuery", "text"): "MESSAGE_TOO_LONG",
    ("BotCommand", "command"): "BOT_COMMAND_INVALID",
    ("BotCommand", "description"): "BOT_COMMAND_DESCRIPTION_INVALID",
    ("setWebhook", "secret_token"): "bad webhook: secret token contains unallowed characters",
    ("InlineQueryResult", "id"): "RESULT_ID_INVALID",
}
# These unions also allow plain values, not only objects.
FREE = {"RichText", "InputFile"}


class Schema:
    """`check` turns the raw parameters of a call into typed ones, or raises Telegram's error."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.version: str = data["version"]
        self.methods: dict[str, dict[str, Field]] = data["methods"]
        self.types: dict[str, dict[str, Any]] = data["types"]
        self._by_lower = {name.lower(): name for name in self.methods}
        self._required = {
            kind: [name for name, field in type_["fields"].items() if field.get("required")]
            for kind, type_ in self.types.items()
            if "fields" in type_
        }

    def method(self, name: str) -> str | None:
        """Return the proper name of a method, whose names are case-insensitive; None for an
        unknown method.
        """
        return self._by_lower.get(name.lower())

    def limit(self, owner: str, field: str) -> int:
        """Return the largest number of UTF-16 units for `field` of a method or type."""
        fields = self.methods.get(owner) or self.types[owner]["fields"]
        return int(fields[field]["characters"][1])

    def check(self, method: str, raw: dict[str, Any]) -> dict[str, Any]:
        """Return typed parameters; form fields arrive as text and are read as JSON where the type
        requires it.

        Raises ApiError for unknown, missing, wrong-typed and over-long parameters.
        """
        fields = self.methods[method]
        for name in raw:
            if name not in fields:
                raise bad_request(f'unknown parameter "{name}" of {method} (strict sandbox)')
        params: dict[str, Any] = {}
        for name, field in fields.items():
            value = raw.get(name)
            if value is None or (value == "" and field["type"] not in {"String"}):
                if field.get("required"):
                    raise bad_request(MISSING.get(name, f'parameter "{name}" is required'))
                continue
            params[name] = self._value(field, value, owner=method, name=name, top=True)
        return params

    def check_object(self, kind: str, value: object) -> None:
        """Raise ApiError if `value` is not a complete and valid object of the type `kind`."""
        self._value({"type": kind}, value, owner="", name=kind, top=False)

    def _value(self, field: Field, value: Any, *, owner: str, name: str, top: bool) -> Any:
        kind: str = field["type"]
        if isinstance(value, str) and top and not _takes_text(kind):
            value = _from_text(kind, value, name)
        errors = []
        for option in _options(kind):
            try:
                value = self._as(option, value, name)
                break
            except ApiError as error:
                errors.append(error)
        else:
            raise errors[0]
        self._limits(field, value, owner=owner, name=name)
        return value

    def _as(self, kind: str, value: Any, name: str) -> Any:
        if kind.startswith("Array of "):
            if not isinstance(value, list):
                raise _mistyped(name, "Array")
            item = {"type": kind.removeprefix("Array of ")}
            return [self._value(item, one, owner="", name=name, top=False) for one in value]
        if kind in {"Integer", "Float", "Boolean", "True", "String"}:
            return _scalar(kind, value, name)
        if kind == "InputFile":
            if not isinstance(value, Upload):
                raise _mistyped(name, "InputFile")
            return value
        if kind in FREE:
            return value
        if not isinstance(value, dict):
            raise _mistyped(name, "Object")
        union = self.types[kind].get("union")
        if union is None:
            self._object(kind, value)
            return value
        return self._union(kind, union, value)

    def _union(self, kind: str, members: list[str], value: dict[str, Any]) -> dict[str, Any]:
        errors: list[ApiError] = []
        for member in members:
            fields: dict[str, Field] = self.types[member].get("fields", {})
            constants = [(n, f["const"]) for n, f in fields.items() if "const" in f]
            if any(value.get(n) != const for n, const in constants):
                continue
            try:
                self._object(member, value)
            except ApiError as error:
                errors.append(error)
            else:
                return value
        raise errors[0] if errors else bad_request(f"can't parse {kind}: unknown kind of it")

    def _object(self, kind: str, value: dict[str, Any]) -> None:
        fields: dict[str, Field] = self.types[kind]["fields"]
        for name in value:
            if name not in fields:
                raise bad_request(f'can\'t parse {kind}: unknown field "{name}" (strict sandbox)')
        for name in self._required[kind]:
            if value.get(name) is None:
                raise bad_request(f"can't parse {kind}: Can't find field \"{name}\"")
        owner = "InlineQueryResult" if kind.startswith("InlineQueryResult") else kind
        for name, one in value.items():
            if one is not None:
                self._value(fields[name], one, owner=owner, name=name, top=False)

    def _limits(self, field: Field, value: Any, *, owner: str, name: str) -> None:
        if isinstance(value, str):
            sizes = []
            if "characters" in field and not field.get("after_entities"):
                sizes.append((utf16_len(value), field["characters"]))
            if "bytes" in field:
                sizes.append((len(value.encode()), field["bytes"]))
            for size, (low, high) in sizes:
                if not low <= size <= high:
                    text = f'"{name}" must be {low}-{high} long, not {size}'
                    raise bad_request(SIZES.get((owner, name), text))
            if "one_of" in field and value not in field["one_of"]:
                raise bad_request(f'"{name}" must be one of {", ".join(field["one_of"])}')
        if isinstance(value, list) and "items" in field:
            low, high = field["items"]
            if not low <= len(value) <= high:
                raise bad_request(f'"{name}" must include {low}-{high} items, not {len(value)}')


@cache
def _options(kind: str) -> list[str]:
    """`A or B` as [A, B]; `Array of A, B and C` as arrays of each would lose mixes: see below."""
    if kind.startswith("Array of ") and " and " in kind:
        return ["Array of InputMedia"]
    if " or " in kind:
        return kind.split(" or ")
    return [kind]


@cache
def _takes_text(kind: str) -> bool:
    return "String" in kind.split(" or ") or kind == "InputFile"


def _from_text(kind: str, value: str, name: str) -> Any:
    if kind == "Boolean":
        return value.lower() in {"true", "1", "yes"}
    try:
        return json.loads(value)
    except ValueError:
        if kind in {"Integer", "Float"}:
            raise _mistyped(name, kind) from None
        raise bad_request(f"can't parse {name} JSON object") from None


def _scalar(kind: str, value: Any, name: str) -> Any:
    if kind == "Integer":
        if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif kind == "Float":
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
    elif kind in {"Boolean", "True"}:
        if isinstance(value, bool) and (value or kind == "Boolean"):
            return value
    elif isinstance(value, str):
        return value
    raise _mistyped(name, kind)


def _mistyped(name: str, kind: str) -> ApiError:
    return bad_request(f'can\'t parse "{name}": it must be of type {kind}')


@cache
def load() -> Schema:
    """Return the schema of this folder, read once."""
    return Schema(json.loads(Path(__file__).with_name("schema.json").read_text()))
