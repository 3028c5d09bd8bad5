"""Telegram's published rates: each visible call to a chat waits for its turn.

It must not know what is sent or why.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from aiogram import Bot
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.methods import (
    DeleteMessage,
    Response,
    SendChatAction,
    SendMediaGroup,
    TelegramMethod,
)
from aiogram.methods.base import TelegramType

from bot.core.clock import Sleep
from bot.core.errors import TelegramFlood


class RateLimiter:
    """Telegram's rates: about 30 a second in all, 1 a second in a chat, 20 a minute in a group.

    Short bursts are allowed, as by Telegram (docs/telegram.md: limits). In all chats together the
    latest turns are remembered, so that twenty videos go at once and no second gets too many. For
    each chat the time is stored at which it is free again. A call reserves its turn and waits.
    """

    ALL = (29, 1.12)
    """The largest number of calls, and the seconds in which they may be made. It is a little more
    than Telegram's one second, since some calls take longer to arrive than others."""
    SHARED = (1 / 26, 0.1)
    """The same for several processes: seconds per call, and the size of a burst in seconds of
    calls. Such processes share one time in the database, not a list of turns."""
    BUSY = 15
    """After this many calls within the seconds of ALL, unimportant calls are postponed."""
    PRIVATE = (1.0, 3.0)
    GROUP = (4.0, 16.0)
    """At most 4 + 15 in any minute."""
    KEPT = 10_000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._free: dict[int | str, float] = {}
        self._turns: deque[float] = deque(maxlen=self.ALL[0])
        self._others_until = 0.0
        self._flooded: dict[int | str, float] = {}  # until when Telegram wants no calls to it

    def flooded(self, chat_id: int | str, seconds: float) -> None:
        """Postpone unimportant calls to this chat, as Telegram asked: each would only be refused
        too. Important ones ask for themselves.
        """
        now = self._clock()
        if len(self._flooded) >= self.KEPT:
            self._flooded = {k: at for k, at in self._flooded.items() if at > now}
        self._flooded[chat_id] = now + seconds

    def wait(self, chat_id: int | str | None) -> float:
        """Reserve the next call to this chat; return the seconds until it may be sent."""
        now = self._clock()
        turn = max(now, self._others_until)
        if len(self._turns) == self._turns.maxlen:
            turn = max(turn, self._turns[0] + self.ALL[1])
        self._turns.append(turn)
        return max(turn - now, self._chat(chat_id, take=True))

    def behind(self, wait: float) -> None:
        """Delay the next call by these seconds, because calls of other processes come first."""
        self._others_until = max(self._others_until, self._clock() + wait)

    def busy(self, chat_id: int | str | None) -> bool:
        """Whether an unimportant call should be postponed: videos and answers go first."""
        now = self._clock()
        return (
            self._others_until > now
            or (chat_id is not None and self._flooded.get(chat_id, 0.0) > now)
            or sum(turn > now - self.ALL[1] for turn in self._turns) >= self.BUSY
            or self._chat(chat_id, take=False) > 0
        )

    def _chat(self, chat_id: int | str | None, *, take: bool) -> float:
        if chat_id is None:
            return 0.0
        is_group = isinstance(chat_id, str) or chat_id < 0
        each, burst = self.GROUP if is_group else self.PRIVATE
        now = self._clock()
        free = max(self._free.get(chat_id, 0.0), now)
        if take:
            if len(self._free) >= self.KEPT:
                self._free = {k: at for k, at in self._free.items() if at > now}
            self._free[chat_id] = free + each
        return max(free + each - now - burst, 0.0)


SharedLimiter = Callable[[float, float], Awaitable[float]]
"""A limit shared by all processes of this bot: gets seconds per call and seconds of burst,
reserves a turn and returns the seconds until it.
"""

# sendChatAction begins with "send" too, but is no message
_MESSAGES = ("send", "edit", "copy", "forward", "delete")

YIELD_SECONDS, YIELDS = 0.25, 12
"""Seconds that a deletion waits for other calls before it checks again, and how often it waits."""


class RateLimitMiddleware(BaseRequestMiddleware):
    """Makes each visible call to a chat wait for its turn."""

    def __init__(
        self, pace: RateLimiter, sleep: Sleep = asyncio.sleep, line: SharedLimiter | None = None
    ) -> None:
        self._pace = pace
        self._sleep = sleep
        self._line = line

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        if isinstance(method, DeleteMessage):
            await self._give_way()
        name, chat_id = method.__api_method__, getattr(method, "chat_id", None)
        is_message = name.startswith(_MESSAGES) and not isinstance(method, SendChatAction)
        if is_message:
            # Telegram counts each message of an album.
            messages = len(method.media) if isinstance(method, SendMediaGroup) else 1
            wait = max(self._pace.wait(chat_id) for _ in range(messages))
            each, burst = self._pace.SHARED
            if self._line is not None and (ahead := await self._line(each * messages, burst)):
                self._pace.behind(ahead)
                wait = max(wait, ahead)
            if wait > 0:
                await self._sleep(wait)
        try:
            return await make_request(bot, method)
        except TelegramFlood as exc:
            if is_message and chat_id is not None:  # an action is counted apart
                self._pace.flooded(chat_id, exc.retry_after)
            raise

    async def _give_way(self) -> None:
        """Wait a little if calls are queued, so that videos and answers go before a deletion."""
        for _ in range(YIELDS):
            if not self._pace.busy(None):
                return
            await self._sleep(YIELD_SECONDS)
