"""The person's side: the actions of people in their clients, as Python methods. Nothing here calls
the bot.

A `Person` acts in a chat (the private one with the bot unless `chat` is given); each action
creates the same update as Telegram.
"""

import asyncio
import secrets
from typing import Any

from bot.sandbox.telegram.files import StoredFile
from bot.sandbox.telegram.media import media_content
from bot.sandbox.telegram.messages import NOT_COPIED, forward_origin
from bot.sandbox.telegram.profile import member_json
from bot.sandbox.telegram.state import (
    ANONYMOUS_ADMIN,
    CallbackQuery,
    Chat,
    InlineQuery,
    Json,
    new_id,
)
from bot.sandbox.telegram.text import with_automatic
from bot.sandbox.telegram.till import CHECKOUT_SECONDS, CURRENCY
from bot.sandbox.telegram.watching import CannotAct, ChatRef, Watching


class Person(Watching):
    """One user of the emulated Telegram."""

    def set_language(self, language_code: str) -> None:
        """Change the client's language; the bot gets it with the next update."""
        self._world.users[self.id] = {**self.user, "language_code": language_code}
        self._world.emit("people")

    # --- writing ---

    async def send_text(
        self, text: str, *, entities: list[Json] | None = None, **where: Any
    ) -> Json:
        """Send a text. `where` of all send methods: chat, reply_to (message or
        id), thread, anonymous=True (as the group's anonymous admin).
        """
        found = with_automatic(text, entities or [])
        return self._send({"text": text, **({"entities": found} if found else {})}, **where)

    async def send_photo(self, data: bytes, caption: str = "", **where: Any) -> Json:
        """Send a compressed photo: several sizes, JPEG, no EXIF."""
        return self._send(await self._photo(data) | _caption(caption), **where)

    async def send_document(
        self,
        data: bytes,
        name: str,
        mime_type: str = "application/octet-stream",
        caption: str = "",
        **where: Any,
    ) -> Json:
        """Send an unchanged file."""
        files = self._world.files
        stored = await asyncio.to_thread(files.document, data, name, mime_type)
        return self._send(media_content(stored) | _caption(caption), **where)

    async def send_video(self, data: bytes, caption: str = "", **where: Any) -> Json:
        """Send a clip, measured as clients do."""
        return self._send(media_content(await self._clip(data)) | _caption(caption), **where)

    async def send_live_photo(
        self, photo: bytes, video: bytes, caption: str = "", **where: Any
    ) -> Json:
        """Send a live photo, with both `live_photo` and `photo`."""
        files = self._world.files
        still = await asyncio.to_thread(files.photo, photo)
        clip = await self._clip(video, "live_photo")
        clip.sizes = still.sizes
        return self._send(media_content(clip) | _caption(caption), **where)

    async def send_sticker(self, data: bytes = b"", emoji: str = "🎬", **where: Any) -> Json:
        """A static sticker of a set."""
        shape = {
            "type": "regular",
            "width": 512,
            "height": 512,
            "is_animated": False,
            "is_video": False,
            "emoji": emoji,
            "set_name": "Animals",
        }
        stored = self._world.files.add("sticker", data or b"RIFF\0\0\0\0WEBP", shape=shape)
        return self._send(media_content(stored), **where)

    async def send_voice(self, data: bytes = b"OggS", duration: int = 3, **where: Any) -> Json:
        """A voice note."""
        stored = self._world.files.add(
            "voice", data, mime_type="audio/ogg", shape={"duration": duration}
        )
        return self._send(media_content(stored), **where)

    async def send_album(self, photos: list[bytes], caption: str = "", **where: Any) -> list[Json]:
        """Send photos as one album; the first has the caption."""
        group = str(secrets.randbelow(9 * 10**16) + 10**16)
        contents = [await self._photo(data) for data in photos]
        contents[0] |= _caption(caption)
        return [self._send(content, media_group_id=group, **where) for content in contents]

    async def forward(self, message: Json, **where: Any) -> Json:
        """Forward any message, from any chat."""
        content = {k: v for k, v in message.items() if k not in NOT_COPIED}
        return self._send(content | {"forward_origin": forward_origin(message)}, **where)

    async def send_raw(self, content: Json, **where: Any) -> Json:
        """Send any other content: location, contact, dice…"""
        return self._send(content, **where)

    async def _photo(self, data: bytes) -> Json:
        return media_content(await asyncio.to_thread(self._world.files.photo, data))

    async def _clip(self, data: bytes, kind: str = "video") -> StoredFile:
        return await asyncio.to_thread(self._world.files.measured_video, data, kind)

    def _send(
        self,
        content: Json,
        *,
        chat: ChatRef = None,
        reply_to: Json | int | None = None,
        thread: int | None = None,
        anonymous: bool = False,
        media_group_id: str | None = None,
        via_bot: Json | None = None,
    ) -> Json:
        world, place = self._world, self.chat_of(chat)
        sender, extra = self.user, {}
        if anonymous:
            sender, extra = ANONYMOUS_ADMIN, {"sender_chat": world.chat_json(place)}
        if isinstance(reply_to, int):
            reply_to = place.messages[reply_to]
        place.started = True
        message = world.post(
            place,
            sender,
            content,
            reply_to=reply_to,
            thread=thread,
            media_group_id=media_group_id,
            via_bot=via_bot,
            **extra,
        )
        if self._reaches_bot(place, message):
            world.update("message", message)
        return message

    def _reaches_bot(self, chat: Chat, message: Json) -> bool:
        """Whether the bot gets the message in privacy mode: in groups it gets only commands,
        mentions and replies to it.
        """
        world, bot = self._world, self._world.bot
        status = world.member_status(chat, bot["id"])
        if chat.private or status == "administrator" or not world.privacy_mode:
            return status not in {"left", "kicked"}
        if status in {"left", "kicked"}:
            return False
        if message.get("reply_to_message", {}).get("from", {}).get("id") == bot["id"]:
            return True
        text = message.get("text") or message.get("caption") or ""
        name = f"@{bot['username']}".lower()
        for entity in message.get("entities") or message.get("caption_entities") or []:
            units = text.encode("utf-16-le")
            start, stop = entity["offset"] * 2, (entity["offset"] + entity["length"]) * 2
            word = units[start:stop].decode("utf-16-le").lower()
            if entity["type"] == "mention" and word == name:
                return True
            if entity["type"] == "bot_command" and ("@" not in word or word.endswith(name)):
                return True
        return False

    # --- changing ---

    async def edit_text(self, message: Json, text: str) -> Json:
        """Edit one's own message: its text, or its caption if it has media."""
        chat = self.chat_of(message["chat"]["id"])
        old = chat.messages.get(message["message_id"])
        if old is None or old["from"]["id"] != self.id:
            raise CannotAct("only one's own messages can be edited")
        field, entities = (
            ("text", "entities") if "text" in old else ("caption", "caption_entities")
        )
        found = with_automatic(text, [])
        kept = {k: v for k, v in old.items() if k not in {field, entities}}
        new = kept | {field: text, "edit_date": self._world.now()}
        new = self._world.replace(chat, new | ({entities: found} if found else {}))
        if self._reaches_bot(chat, new):
            self._world.update("edited_message", new)
        return new

    async def delete(self, message: Json) -> None:
        """Delete a message; bots get no update."""
        chat = self.chat_of(message["chat"]["id"])
        if not self._world.delete(chat, message["message_id"]):
            raise CannotAct("there is no such message")

    async def press(self, message: Json, button: str, *, old: bool = False) -> CallbackQuery:
        """Presses an inline button by its text or callback data.

        `old` presses a button of the message as given, even if it has been edited or deleted.
        """
        chat = self.chat_of(message["chat"]["id"])
        now = chat.messages.get(message["message_id"])
        shown = message if old else now
        if shown is None:
            raise CannotAct("the message is gone")
        rows = shown.get("reply_markup", {}).get("inline_keyboard", [])
        for one in (one for row in rows for one in row):
            if button in {one["text"], one.get("callback_data")}:
                return self._pressed(chat, message, now, one)
        raise CannotAct(f"no button {button!r}")

    def _pressed(self, chat: Chat, message: Json, now: Json | None, button: Json) -> CallbackQuery:
        if "callback_data" not in button:
            raise CannotAct(f"button {button['text']!r} tells the bot nothing")
        world = self._world
        query = CallbackQuery(new_id(), self.id, chat.id, message["message_id"], world.clock())
        world.callbacks[query.id] = query
        gone = {"chat": world.chat_json(chat), "message_id": message["message_id"], "date": 0}
        payload: Json = {
            "id": query.id,
            "from": self.user,
            "chat_instance": str(chat.id * 31 + 7),
            "data": button["callback_data"],
        }
        inline = {place: key for key, place in world.inline_messages.items()}
        if key := inline.get((chat.id, message["message_id"])):
            payload["inline_message_id"] = key
        else:
            payload["message"] = now or gone
        world.update("callback_query", payload)
        return query

    async def pay(self, message: Json) -> Json:
        """Pay an invoice and return the service message. CannotAct when the bot declines.

        Telegram asks the bot first, and cancels if the bot does not answer in time.
        """
        world, chat = self._world, self.chat_of(message["chat"]["id"])
        invoice = message.get("invoice")
        payload = world.till.invoices.get((chat.id, message["message_id"]))
        if invoice is None or payload is None:
            raise CannotAct("this is no invoice")
        checkout = world.till.open(self.id, world.clock())
        asked = {"currency": CURRENCY, "total_amount": invoice["total_amount"]}
        asked |= {"invoice_payload": payload}
        world.update("pre_checkout_query", {"id": checkout.id, "from": self.user} | asked)
        try:
            async with asyncio.timeout(CHECKOUT_SECONDS):
                await checkout.answered.wait()
        except TimeoutError:
            raise CannotAct("the bot did not answer the checkout in time") from None
        if not checkout.ok:
            raise CannotAct(f"the bot declined: {checkout.error}")
        payment = world.till.take(self.id, invoice["total_amount"], payload, world.now())
        paid = asked | {
            "telegram_payment_charge_id": payment.charge_id,
            "provider_payment_charge_id": payment.charge_id,
        }
        return self._send({"successful_payment": paid}, chat=chat)

    async def react(self, message: Json, emoji: str | None) -> None:
        """Set or remove one's reaction."""
        chat = self.chat_of(message["chat"]["id"])
        of_message = chat.reactions.setdefault(message["message_id"], {})
        before = of_message.get(self.id, [])
        after = [{"type": "emoji", "emoji": emoji}] if emoji else []
        of_message[self.id] = after
        world = self._world
        world.emit(
            "reaction", chat_id=chat.id, message_id=message["message_id"], reactions=of_message
        )
        update = {"chat": world.chat_json(chat), "message_id": message["message_id"]}
        update |= {"user": self.user, "date": world.now()}
        world.update("message_reaction", update | {"old_reaction": before, "new_reaction": after})

    async def stop_draft(self, draft_id: int) -> None:
        """Press the Stop button of a streamed draft."""
        draft = self.chat.drafts.get(draft_id)
        if draft is None or not draft["can_stop"]:
            raise CannotAct("there is no draft to stop")
        if not draft["keep_on_stop"]:
            del self.chat.drafts[draft_id]
            self._world.emit("draft_gone", chat_id=self.id, draft_id=draft_id)
        update = {"chat": self._world.chat_json(self.chat), "draft_id": draft_id}
        self._world.update("stopped_message_generation", update)

    async def block_bot(self) -> None:
        """Block the bot in the private chat."""
        self._set_bot_status("kicked")

    async def unblock_bot(self) -> None:
        """Starts it again."""
        self._set_bot_status("member")

    def _set_bot_status(self, status: str) -> None:
        world, bot = self._world, self._world.bot
        before = self.chat.members[bot["id"]]
        if before == status:
            return
        self.chat.members[bot["id"]] = status
        world.emit("people")
        update = {"chat": world.chat_json(self.chat), "from": self.user, "date": world.now()}
        update["old_chat_member"] = member_json(bot, before)
        update["new_chat_member"] = member_json(bot, status)
        world.update("my_chat_member", update)

    # --- inline mode ---

    async def inline_query(
        self, query: str, *, offset: str = "", chat: ChatRef = None
    ) -> InlineQuery:
        """Type `@bot query`; `wait_inline` returns the results."""
        world, place = self._world, self.chat_of(chat)
        asked = InlineQuery(new_id(), self.id, place.id, query, world.clock())
        world.inline_queries[asked.id] = asked
        kind = "sender" if place.private else place.type
        payload = {"id": asked.id, "from": self.user, "query": query, "offset": offset}
        world.update("inline_query", payload | {"chat_type": kind})
        return asked

    async def choose(
        self, query: InlineQuery, result_id: str, *, thread: int | None = None
    ) -> Json:
        """Send one of the results into the chat of the query, or into a topic of it."""
        for result in (query.results or {}).get("results", []):
            if result["id"] == result_id:
                break
        else:
            raise CannotAct(f"no inline result {result_id}")
        world, place = self._world, self.chat_of(query.chat_id)
        message = self._send(result["content"], chat=place, thread=thread, via_bot=world.bot)
        key = new_id()
        world.inline_messages[key] = (place.id, message["message_id"])
        chosen = {"result_id": result_id, "from": self.user, "query": query.query}
        if "reply_markup" in result["content"]:
            chosen["inline_message_id"] = key
        world.update("chosen_inline_result", chosen)
        return message

    async def choose_by_id(
        self, query_id: str, result_id: str, *, thread: int | None = None
    ) -> Json:
        """Like `choose`, by the id of one's own query."""
        query = self._world.inline_queries.get(query_id)
        if query is None or query.user_id != self.id:
            raise CannotAct("no such inline query")
        return await self.choose(query, result_id, thread=thread)


def _caption(text: str) -> Json:
    if not text:
        return {}
    found = with_automatic(text, [])
    return {"caption": text, **({"caption_entities": found} if found else {})}
