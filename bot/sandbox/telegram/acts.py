"""A person's actions by name, as the page and other processes request them over HTTP.

`POST /sandbox/people/<id>/<act>` with a JSON object, or a form with files. `chat_id` is always
optional (the private chat), as are `reply_to` and `thread` when sending.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from bot.sandbox.telegram.watching import CannotAct


@dataclass
class Form:
    """The fields of an act, and its files as (name, content type, bytes)."""

    fields: Json
    files: list[tuple[str, str, bytes]] = field(default_factory=list)

    def where(self) -> Json:
        """The place of a message, for `Person.send_…`."""
        place = {"chat": "chat_id", "reply_to": "reply_to", "thread": "thread"}
        found = {
            key: int(self.fields[name]) for key, name in place.items() if self.fields.get(name)
        }
        return found | ({"anonymous": True} if self.fields.get("anonymous") else {})

    def file(self) -> tuple[str, str, bytes]:
        """The first file."""
        if not self.files:
            raise CannotAct("no file in the form")
        return self.files[0]


Act = Callable[[Person, Form], Awaitable[Any]]


async def read_form(request: web.Request) -> Form:
    """Reads JSON or multipart."""
    if request.content_type == "multipart/form-data":
        form = Form({})
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                data = value.file.read()
                form.files.append((value.filename, value.content_type, data))
            else:
                form.fields[name] = value
        return form
    body = await request.json() if request.can_read_body else {}
    if not isinstance(body, dict):
        raise ValueError("a JSON object expected")
    return Form(body)


def _message(person: Person, form: Form, name: str = "message_id") -> Json:
    chat = person.chat_of(int(form.fields.get("chat_id") or person.id))
    message = chat.messages.get(int(form.fields[name]))
    if message is None:
        raise CannotAct("there is no such message")
    return message


async def _text(person: Person, form: Form) -> Json:
    text = str(form.fields["text"]).strip()
    if not text:
        raise CannotAct("nothing to send")
    return await person.send_text(text, **form.where())


async def _photo(person: Person, form: Form) -> Any:
    """Send photos: one file is a photo, several are an album."""
    caption, photos = form.fields.get("caption", ""), [data for _, _, data in form.files]
    if len(photos) > 1:
        return await person.send_album(photos, caption, **form.where())
    return await person.send_photo(form.file()[2], caption, **form.where())


async def _document(person: Person, form: Form) -> Json:
    name, mime_type, data = form.file()
    caption = form.fields.get("caption", "")
    return await person.send_document(data, name, mime_type, caption, **form.where())


async def _video(person: Person, form: Form) -> Json:
    return await person.send_video(form.file()[2], form.fields.get("caption", ""), **form.where())


async def _live_photo(person: Person, form: Form) -> Json:
    """Send a live photo from two files: the picture, then the clip."""
    photo, video = (data for _, _, data in form.files)
    caption = form.fields.get("caption", "")
    return await person.send_live_photo(photo, video, caption, **form.where())


async def _sticker(person: Person, form: Form) -> Json:
    return await person.send_sticker(emoji=form.fields.get("emoji", "🎬"), **form.where())


async def _voice(person: Person, form: Form) -> Json:
    return await person.send_voice(**form.where())


async def _forward(person: Person, form: Form) -> Json:
    """Forward the message `message_id` of `from_chat_id` to `chat_id`."""
    source = Form({"chat_id": form.fields.get("from_chat_id"), **_only(form, "message_id")})
    return await person.forward(_message(person, source), **form.where())


def _only(form: Form, *names: str) -> Json:
    return {name: form.fields[name] for name in names}


async def _edit(person: Person, form: Form) -> Json:
    return await person.edit_text(_message(person, form), str(form.fields["text"]))


async def _delete(person: Person, form: Form) -> bool:
    await person.delete(_message(person, form))
    return True


async def _press(person: Person, form: Form) -> Json:
    """Press a button; `button` is its text or its callback data."""
    query = await person.press(_message(person, form), str(form.fields["button"]))
    return {"query_id": query.id}


async def _pay(person: Person, form: Form) -> Json:
    return await person.pay(_message(person, form))


async def _react(person: Person, form: Form) -> bool:
    await person.react(_message(person, form), form.fields.get("emoji"))
    return True


async def _stop_draft(person: Person, form: Form) -> bool:
    await person.stop_draft(int(form.fields["draft_id"]))
    return True


async def _block(person: Person, form: Form) -> bool:
    await (person.unblock_bot() if form.fields.get("on") is False else person.block_bot())
    return True


async def _language(person: Person, form: Form) -> Json:
    person.set_language(str(form.fields["language_code"]))
    return person.user


async def _inline(person: Person, form: Form) -> Json:
    chat = form.where().get("chat")
    offset = str(form.fields.get("offset", ""))
    query = await person.inline_query(str(form.fields["query"]), offset=offset, chat=chat)
    return {"query_id": query.id}


async def _choose(person: Person, form: Form) -> Json:
    query_id, result_id = form.fields["query_id"], form.fields["result_id"]
    return await person.choose_by_id(query_id, result_id, thread=form.where().get("thread"))


ACTS: dict[str, Act] = {
    "text": _text,
    "photo": _photo,
    "document": _document,
    "video": _video,
    "live_photo": _live_photo,
    "sticker": _sticker,
    "voice": _voice,
    "forward": _forward,
    "edit": _edit,
    "delete": _delete,
    "press": _press,
    "pay": _pay,
    "react": _react,
    "stop_draft": _stop_draft,
    "block": _block,
    "language": _language,
    "inline": _inline,
    "choose": _choose,
}
