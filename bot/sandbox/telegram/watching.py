"""The view of a person: the chats, the menu, and waiting for the bot's actions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bot.sandbox.telegram.profile import commands_for
from bot.sandbox.telegram.state import CallbackQuery, Chat, InlineQuery, Json, World

ChatRef = Chat | int | None


class CannotAct(Exception):
    """The client would not let the person do this: no such button, or another person's message."""


class Watching:
    """What a person sees."""

    def __init__(self, world: World, user: Json) -> None:
        self._world = world
        self.id: int = user["id"]

    @property
    def user(self) -> Json:
        """The current User object."""
        return self._world.users[self.id]

    @property
    def chat(self) -> Chat:
        """The private chat with the bot."""
        return self._world.chats[self.id]

    @property
    def messages(self) -> list[Json]:
        """The current messages of the private chat, the oldest first."""
        return list(self.chat.messages.values())

    def chat_of(self, chat: ChatRef) -> Chat:
        """Return the private chat by default; a group must have the person in it."""
        place = (
            self.chat
            if chat is None
            else self._world.chats[chat]
            if isinstance(chat, int)
            else chat
        )
        if place.migrated_to is not None:
            place = self._world.chats[place.migrated_to]
        if not self._world.sees(self.id, place):
            raise CannotAct(f"{self.user['first_name']} is not in chat {place.id}")
        if place.private and place.members[self._world.bot["id"]] == "kicked":
            raise CannotAct("unblock the bot first")
        return place

    def commands(self, chat: ChatRef = None) -> list[Json]:
        """The menu of commands that this person's client shows."""
        return commands_for(self._world, self.id, self.chat_of(chat).id)

    async def expect(
        self,
        wanted: Callable[[Json], bool],
        *,
        chat: ChatRef = None,
        within: float = 30,
    ) -> Json:
        """Return the first message of the chat that `wanted` accepts, now or within `within`
        seconds.

        The text of a TimeoutError lists the messages of the chat.
        """
        place = self._world.chats[chat] if isinstance(chat, int) else chat or self.chat

        async def look() -> Json | None:
            return next((m for m in place.messages.values() if wanted(m)), None)

        found: Json = await self._until(look, within, lambda: list(place.messages.values())[-5:])
        return found

    async def answer_to(self, query: CallbackQuery, *, within: float = 30) -> Json:
        """Return the bot's answer to a press: text, show_alert, url."""

        async def look() -> Json | None:
            return query.answer

        answer: Json = await self._until(look, within, lambda: "no answer to the press")
        return answer

    async def inline_results(self, query: InlineQuery, *, within: float = 30) -> list[Json]:
        """Return the bot's answer to an inline query."""

        async def look() -> list[Json] | None:
            return None if query.results is None else query.results["results"]

        results: list[Json] = await self._until(look, within, lambda: "no inline answer")
        return results

    async def _until(
        self, look: Callable[[], Awaitable[Any]], within: float, why: Callable[[], object]
    ) -> Any:
        async with self._world.listen() as events:
            try:
                async with asyncio.timeout(within):
                    while (found := await look()) is None:
                        await events.get()
            except TimeoutError:
                raise TimeoutError(f"not within {within} s; there is: {why()}") from None
        return found
