"""aiogram's session, which also reads answers that are not as documented: those of proxies, or
with broken text.

It must not know what a call is for.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import cast

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramNetworkError
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from pydantic import ValidationError

from bot.telegram.errors import error_of_http_status
from bot.telegram.parsing import known_parts


class Session(AiohttpSession):
    """Reads every answer as UTF-8, and follows no redirects: a redirected call becomes a GET
    without its fields."""

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109 - aiogram names it
    ) -> TelegramType:
        session = await self.create_session()
        try:
            async with session.post(
                self.api.api_url(token=bot.token, method=method.__api_method__),
                data=self.build_form_data(bot=bot, method=method),
                timeout=aiohttp.ClientTimeout(total=self.timeout if timeout is None else timeout),
                allow_redirects=False,
            ) as answer:
                # One broken character must not hide a page of updates
                # (python-telegram-bot #1076: people can send any bytes).
                said = (await answer.read()).decode("utf-8-sig", "replace")
        except TimeoutError as exc:
            raise TelegramNetworkError(method=method, message="timeout") from exc
        except aiohttp.ClientError as exc:
            raise TelegramNetworkError(method=method, message=type(exc).__name__) from exc
        try:
            response = self.check_response(
                bot=bot, method=method, status_code=answer.status, content=said
            )
        except (ClientDecodeError, TelegramAPIError) as exc:
            if isinstance(exc, ClientDecodeError) and answer.status < 300:
                response = _known_parts(bot, method, exc)
            else:
                says_why = isinstance(exc, TelegramAPIError) and exc.message is not None
                if not says_why and (error := error_of_http_status(answer.status)):
                    raise error from None
                raise
        return cast(TelegramType, response.result)


def _known_parts(
    bot: Bot, method: TelegramMethod[TelegramType], exc: ClientDecodeError
) -> Response[TelegramType]:
    """Parse the rest of an answer. What was sent must not be sent again because the message that
    it replies to cannot be parsed. Raises `exc` when there is no such rest.
    """
    if isinstance(exc.data, dict) and exc.data.get("ok") is True:
        model = Response[method.__returning__]  # type: ignore[name-defined]
        with suppress(ValidationError):
            return known_parts(partial(model.model_validate, context={"bot": bot}), exc.data)
    raise exc
