"""Reports for admins: /stats as a picture, /ledger as a file. For everybody else these do not
exist."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

from aiogram import Bot, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.methods import SendDocument
from aiogram.types import BufferedInputFile, Message, User

from bot import texts
from bot.core.caps import day_start
from bot.core.clock import Clock
from bot.core.errors import TelegramRejected, TelegramUnreachable
from bot.core.task import TaskState
from handlers import reply
from handlers.context import Offer
from handlers.filters import admin
from storage import LedgerRow, Storage

STATS_DAYS, MOST_STATS_DAYS = 14, 90
LEDGER_DAYS, MOST_LEDGER_DAYS = 30, 366
TOP = 8
COLUMNS = (
    "id", "at", "kind", "user_id", "task_id", "payment_id", "roubles", "credit", "stars",
    "videos",
)  # fmt: skip

_NUMBER = re.compile(r"[0-9]{1,3}")


def router() -> Router:
    router = Router(name="reports")
    router.message.register(stats, Command("stats"), admin)
    router.message.register(ledger, Command("ledger"), admin)
    return router


async def stats(
    message: Message,
    command: CommandObject,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    from bot.texts import charts  # imports Pillow, which an idle bot does not need

    count = _days(command, STATS_DAYS, MOST_STATS_DAYS)
    if count is None:
        await reply.say(message, texts.reports.stats_usage(lang, MOST_STATS_DAYS))
        return
    now, zone = clock(), offer.zone
    bounds = [day_start(now, zone, days=day - count + 1) for day in range(count + 1)]
    chart_orders = await storage.operator.chart_orders(since=bounds[0])
    money = await storage.operator.money(bounds)
    days = []
    for (begins, ends), (spent, stars) in zip(pairwise(bounds), money, strict=True):
        mine = [point for point in chart_orders if begins <= point.ordered_at < ends]
        took = sorted(point.seconds for point in mine if point.seconds is not None)
        delivered = sum(point.state is TaskState.DELIVERED for point in mine)
        failed = sum(point.state is TaskState.FAILED for point in mine)
        days.append(
            charts.Day(
                day=begins.astimezone(zone).date(),
                delivered=delivered,
                failed=failed,
                other=len(mine) - delivered - failed,
                median=statistics.median(took) if took else None,
                p90=took[-(-9 * len(took) // 10) - 1] if took else None,
                spent=spent,
                stars=stars,
            )
        )
    top = []
    for user_id, number in Counter(point.user_id for point in chart_orders).most_common(TOP):
        user = await storage.users.get(user_id)
        top.append((f"{user.name[:24]} · {user_id}" if user else str(user_id), number))
    png = await asyncio.to_thread(charts.draw, days, top, texts.reports.chart_titles(lang))
    picture = BufferedInputFile(png, "stats.png")
    every = [point.seconds for point in chart_orders if point.seconds is not None]
    sums = texts.reports.Sums(
        delivered=sum(day.delivered for day in days),
        failed=sum(day.failed for day in days),
        other=sum(day.other for day in days),
        spent=Decimal(str(round(sum(day.spent for day in days), 2))),
        stars=round(sum(day.stars for day in days)),
        median=statistics.median(every) if every else None,
    )
    text = texts.reports.stats(lang, count, str(zone), sums)
    if await reply.show(message, picture, text) is None:
        await reply.say(message, text)


async def ledger(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Send the entries of some days to the admin in private, also when asked in a group."""
    count = _days(command, LEDGER_DAYS, MOST_LEDGER_DAYS)
    if count is None:
        await reply.say(message, texts.reports.ledger_usage(lang, MOST_LEDGER_DAYS))
        return
    now, zone = clock(), offer.zone
    since, until = day_start(now, zone, days=1 - count), day_start(now, zone, days=1)
    rows = await storage.ledger.between(since, until)
    table = await asyncio.to_thread(as_csv, rows)
    name = f"ledger-{since.astimezone(zone):%Y-%m-%d}-{now.astimezone(zone):%Y-%m-%d}.csv"
    caption = texts.reports.ledger(lang, count, len(rows), str(zone))
    try:
        await bot(
            SendDocument(
                chat_id=event_from_user.id,
                document=BufferedInputFile(table, name),
                **caption.as_caption_kwargs(),
            )
        )
    except (TelegramUnreachable, TelegramRejected):
        await reply.say(message, texts.reports.not_in_private(lang))
        return
    if message.chat.type != ChatType.PRIVATE:
        await reply.say(message, texts.reports.sent_in_private(lang))


def as_csv(rows: Iterable[LedgerRow]) -> bytes:
    """Return rows of the ledger as CSV in UTF-8, with times in UTC."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(
            [
                row.id, row.at.isoformat(), row.kind.value, row.user_id, row.task_id,
                row.payment_id, row.roubles, row.credit, row.stars, row.videos,
            ]
        )  # fmt: skip
    return out.getvalue().encode()


def _days(command: CommandObject, default: int, most: int) -> int | None:
    """Return the number of days that was asked for; None: it cannot be used."""
    if not (given := (command.args or "").strip()):
        return default
    days = int(given) if _NUMBER.fullmatch(given) else 0
    return days if 1 <= days <= most else None
