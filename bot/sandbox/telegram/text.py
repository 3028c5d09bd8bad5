"""Formatted text as in Telegram: UTF-16 units, HTML mode, checking and finding entities."""

import html
import re
from typing import Any

from bot.sandbox.telegram.errors import ApiError, bad_request

Entity = dict[str, Any]

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
}
KINDS = {*TAGS.values(), "blockquote", "expandable_blockquote", "text_link", "text_mention"}
KINDS |= {"custom_emoji", "date_time"}
# The server finds these kinds itself; such entities from a bot are dropped and searched again.
AUTOMATIC = ("mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number")
FOUND = re.compile(
    r"(?P<bot_command>(?<![\w/])/[A-Za-z0-9_]{1,32}(?:@[A-Za-z]\w{3,31})?(?![\w/]))"
    r"|(?P<email>\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<mention>(?<![\w@])@[A-Za-z]\w{3,31}\b)"
    r"|(?P<hashtag>(?<!\w)#\w*[^\W\d]\w*)"
    r"|(?P<url>https?://[^\s<>\"]*[^\s<>\".,;:!?)\]}'])"
)
TOKEN = re.compile(r"<(/?)([^<>\s/]*)([^<>]*)>|<|&(#x?[0-9A-Fa-f]+|lt|gt|amp|quot);")
ATTRIBUTE = re.compile(r"([\w-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")


def utf16_len(text: str) -> int:
    """Return the length as Telegram counts it: a character outside the BMP is two units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def formatted(
    text: str, parse_mode: str | None, entities: list[Entity] | None
) -> tuple[str, list[Entity]]:
    """Return the stored form of a text, and its entities, sorted.

    Raises ApiError 400 "can't parse entities: …" or for entities out of the text's bounds.
    """
    if parse_mode:
        if parse_mode.lower() != "html":
            if parse_mode.lower() in {"markdown", "markdownv2"}:
                raise ApiError(501, f"the sandbox does not read parse_mode {parse_mode}")
            raise bad_request("unsupported parse_mode")
        text, found = parse_html(text)
    else:
        found = checked(text, entities or [])
    text, found = _trimmed(text, found)
    return text, with_automatic(text, found)


def with_automatic(text: str, entities: list[Entity]) -> list[Entity]:
    """Return `entities` and the commands, mentions and links that the server itself finds in
    `text`.
    """
    taken = [(e["offset"], e["offset"] + e["length"]) for e in entities if e["type"] in _OPAQUE]
    result = list(entities)
    for match in FOUND.finditer(text):
        start, length = utf16_len(text[: match.start()]), utf16_len(match[0])
        if not any(low < start + length and start < high for low, high in taken):
            assert match.lastgroup
            result.append({"offset": start, "length": length, "type": match.lastgroup})
    return sorted(result, key=lambda e: (e["offset"], -e["length"]))


_OPAQUE = {"code", "pre", "text_link", "text_mention"}


def checked(text: str, entities: list[Entity]) -> list[Entity]:
    """Return the entities given by a bot, without those that the server finds itself."""
    end = utf16_len(text)
    kept = []
    for entity in entities:
        offset, length, kind = entity["offset"], entity["length"], entity["type"]
        if offset < 0 or length <= 0:
            raise bad_request("can't parse entities: wrong offset or length")
        if offset + length > end:
            raise bad_request(
                f"entity beginning at UTF-16 offset {offset} ends after the end of the text at"
                f" UTF-16 offset {offset + length}"
            )
        if kind in AUTOMATIC:
            continue
        if kind not in KINDS:
            raise bad_request(f"can't parse entities: unsupported entity type {kind}")
        kept.append(entity)
    return kept


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """HTML mode of the Bot API: text and entities; raises its "can't parse entities" errors."""
    out: list[str] = []
    size = 0
    entities: list[Entity] = []
    stack: list[tuple[str, int, Entity]] = []
    place = 0

    def emit(piece: str) -> None:
        nonlocal size
        out.append(piece)
        size += utf16_len(piece)

    for token in TOKEN.finditer(source):
        emit(source[place : token.start()])
        place = token.end()
        offset = len(source[: token.start()].encode())
        closing, tag, rest, char = token.groups()
        if char:
            emit(html.unescape(token[0]))
        elif tag is None:
            raise _unparsed(f"Unclosed start tag at byte offset {offset}")
        elif closing:
            if not stack:
                raise _unparsed(f"Unexpected end tag at byte offset {offset}")
            name, start, entity = stack.pop()
            if tag and tag.lower() != name:
                raise _unparsed(
                    f"Unmatched end tag at byte offset {offset},"
                    f' expected "</{name}>", found "</{tag}>"'
                )
            if size > start:
                entities.append({"offset": start, "length": size - start, **entity})
        else:
            name = tag.lower()
            stack.append((name, size, _opened(name, rest, offset)))
    emit(source[place:])
    if stack:
        raise _unparsed(f'Can\'t find end tag corresponding to start tag "{stack[-1][0]}"')
    return "".join(out), _languages(entities)


def _opened(name: str, rest: str, offset: int) -> Entity:
    attributes = {
        m[1].lower(): html.unescape(m[2] or m[3] or m[4] or "") for m in ATTRIBUTE.finditer(rest)
    }
    if name == "code" and attributes.get("class", "").startswith("language-"):
        return {"type": "code", "language": attributes["class"].removeprefix("language-")}
    if name in TAGS:
        return {"type": TAGS[name]}
    if name == "span":
        if attributes.get("class") != "tg-spoiler":
            raise _unparsed(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
        return {"type": "spoiler"}
    if name == "blockquote":
        expandable = "expandable" in attributes
        return {"type": "expandable_blockquote" if expandable else "blockquote"}
    if name == "a" and attributes.get("href"):
        return {"type": "text_link", "url": attributes["href"]}
    if name == "tg-emoji" and attributes.get("emoji-id"):
        return {"type": "custom_emoji", "custom_emoji_id": attributes["emoji-id"]}
    raise _unparsed(f'Unsupported start tag "{name}" at byte offset {offset}')


def _languages(entities: list[Entity]) -> list[Entity]:
    """`<pre><code class="language-x">` is one entity: a `pre` with its language."""
    pres = {(e["offset"], e["length"]): e for e in entities if e["type"] == "pre"}
    kept = []
    for entity in entities:
        if "language" in entity and entity["type"] == "code":
            if pre := pres.get((entity["offset"], entity["length"])):
                pre["language"] = entity["language"]
                continue
            del entity["language"]
        kept.append(entity)
    return kept


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    lead = utf16_len(text) - utf16_len(text.lstrip())
    text = text.strip()
    end = utf16_len(text)
    kept = []
    for entity in entities:
        start = max(0, entity["offset"] - lead)
        stop = min(end, entity["offset"] + entity["length"] - lead)
        if stop > start:
            kept.append({**entity, "offset": start, "length": stop - start})
    return text, kept


def _unparsed(text: str) -> ApiError:
    return bad_request(f"can't parse entities: {text}")
