"""`bot check --order`: order the cheapest video twice and compare the provider with its documents.

A plain script, not the bot's worker: it writes no rows of orders. An order that was sent is never
repeated, and its id is printed as soon as it is known.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from bot import wiring
from bot.cli import order_account
from bot.cli.frame_host import Fetch, PublishedFrame, draw, publish
from bot.cli.order_report import Charged, Order, OrderReport, Outcome
from bot.cli.video_facts import VideoFacts
from bot.core.catalog import CATALOG, Model
from bot.core.clock import utc_now
from bot.core.errors import FramesOff, ProviderError, ProviderLost, ProviderRefused
from bot.core.task import AspectRatio
from bot.media import video_reader
from bot.provider import documented
from bot.provider.answers import Job, JobStatus, code_of
from bot.provider.comparison import Comparison
from bot.provider.documented import Mark
from bot.provider.observed import ObservedGptunnel
from bot.provider.scrubbing import Scrubber
from bot.settings import Settings
from storage import Charging

Say = Callable[[str], None]
Confirm = Callable[[str], bool]

PAUSE = 2.0
"""Seconds between two polls."""
LINK_TRIES = 5
"""Number of polls for a video that is done without a link."""
JOB_CALLS = ("media/create", "media/result")
WORDS = "A lighthouse on a rocky coast at dusk, long waves rolling in, the camera slowly rising"
PICTURE = "The small boat drifts slowly to the right while the sun sinks into the calm sea"


async def run(settings: Settings, say: Say, confirm: Confirm, *, pause: float = PAUSE) -> bool:
    """Order two videos if `confirm` agrees; return whether everything was as documented."""
    async with AsyncExitStack() as stack:
        provider = ObservedGptunnel.connect(
            settings.gptunnel_base_url,
            settings.gptunnel_api_key.get_secret_value(),
            proxy_url=settings.provider_proxy,
        )
        stack.push_async_callback(provider.close)
        stack.callback(video_reader.readers.close)
        check = OrderCheck(settings, provider, say, pause=pause)
        try:
            if not await check.prepare(stack, confirm):
                return False
        except asyncio.CancelledError:
            say("note  order: nothing was ordered")
            raise
        return await check.order()


class OrderCheck:
    """One run."""

    def __init__(
        self, settings: Settings, provider: ObservedGptunnel, say: Say, *, pause: float
    ) -> None:
        hosts = (settings.public_url, settings.frames_s3_endpoint)
        own = (*settings.secrets, *((urlsplit(host).hostname or "") for host in hosts))
        self._settings = settings
        self._provider = provider
        self._say = say
        self._pause = pause
        self._scrub = Scrubber(own, (WORDS, PICTURE))
        self._facts = Comparison(self._scrub)
        self._video = VideoFacts(self._facts, wiring.wire_downloads(settings))
        self._frame: PublishedFrame | None = None
        self._report: OrderReport | None = None

    # --- before anything is paid -----------------------------------------------------------------

    async def prepare(self, stack: AsyncExitStack, confirm: Confirm) -> bool:
        """Make the free calls, show the price and ask for confirmation; return False if it is
        refused.
        """
        model, price = await self._cheapest()
        try:
            funds = await self._provider.balance()
        except ProviderError as exc:
            self._say(f"FAIL  balance: {self._scrub.text(str(exc))}; nothing was ordered")
            return False
        orders = [Order("words", AspectRatio.WIDE, WORDS)]
        picture = Order("picture", AspectRatio.TALL, PICTURE)
        try:
            self._frame = await stack.enter_async_context(
                publish(
                    self._settings,
                    wiring.open_bucket(self._settings),
                    await draw(picture.ratio),
                )
            )
            orders.append(picture)
        except FramesOff as exc:
            self._facts.not_seen("picture: order", exc)
            self._say(f"note  picture: not ordered, {exc}")
        cost = price * len(orders)
        kinds = " and ".join(f"one from {order.kind}" for order in orders)
        said = f"{model.id}, {kinds}: {cost.normalize():f} ₽ of {funds:.2f} ₽"
        if funds < cost:
            self._say(f"FAIL  order: the balance is too low for {said}; nothing was ordered")
            return False
        if not confirm(f"This costs real money: {said}"):
            self._say("note  order: nothing was ordered")
            return False
        self._report = OrderReport(
            at=utc_now(), model=model, price=price, orders=orders, facts=self._facts,
            scrub=self._scrub, secrets=self._settings.secrets, account=self._settings.account_mark,
        )  # fmt: skip
        return True

    async def _cheapest(self) -> tuple[Model, Decimal]:
        """Return the cheapest model whose parameters are known, and its price in the provider's
        list.
        """
        known = {model.id: model for model in self._settings.models} | CATALOG
        try:
            listed = await self._provider.prices()
        except ProviderError as exc:
            self._facts.not_seen("models: answer", exc)
            listed = {model.id: model.price for model in known.values()}
        if self._provider.exchanges:
            answer = self._provider.exchanges[-1]
            self._facts.price_list(answer.status, answer.answer, CATALOG.values())
        offered = [
            (listed[id_], id_)
            for id_ in known
            if id_ in listed and listed[id_].is_finite() and listed[id_] > 0
        ]
        if not offered:
            raise ValueError("the provider lists none of the known models; nothing was ordered")
        price, id_ = min(offered)
        return known[id_], price

    # --- the orders ------------------------------------------------------------------------------

    async def order(self) -> bool:
        """Order, follow both orders to the end and print the table, even after an interruption."""
        report = self._report
        assert report is not None  # prepare
        url = self._settings.database_url
        try:
            await self._mistakes()
            await order_account.disturb(url, utc_now())
            for order in report.orders:
                await self._one(order, report)
                if order.outcome not in (Outcome.DONE, Outcome.FAILED):
                    break  # the next order would fail for the same reason
        finally:
            self._finish(report)
        await order_account.disturb(url, utc_now())
        await order_account.learn(
            url,
            Charging(charged=report.charged, account=report.account, seen_at=report.at),
        )
        ended = all(order.outcome is Outcome.DONE for order in report.orders)
        return ended and report.deviations == 0

    async def _mistakes(self) -> None:
        answers = await self._provider.answers_to_mistakes(secrets.token_hex(12))
        for error, exchange in answers.items():
            self._facts.answer(error, exchange.status, exchange.answer)

    async def _one(self, order: Order, report: OrderReport) -> None:
        order.before = order.after = await self._funds()
        image = self._frame.link if order.kind == "picture" and self._frame else None
        seen = len(self._provider.exchanges)
        # In doubt until there is an answer, even if this process is stopped.
        order.outcome, order.sent_at = Outcome.IN_DOUBT, time.monotonic()
        self._save(report)
        try:
            job = await self._provider.create(
                model=report.model.id, prompt=order.prompt, ar=order.ratio.value, image=image
            )
        except ProviderLost as exc:
            order.why = self._scrub.text(str(exc))
            self._say(order.line)
            return
        except ProviderError as exc:
            order.outcome, order.why = Outcome.REFUSED, self._scrub.text(str(exc))
            if len(self._provider.exchanges) > seen:
                self._refusal(self._provider.exchanges[-1].answer)
            self._say(order.line)
            return
        order.outcome, order.id = Outcome.ACCEPTED, job.id
        order.answered = self._age(order)
        self._say(f"ok    {order.kind}: accepted, id {job.id}")
        self._save(report)
        answer = self._provider.exchanges[-1]
        self._facts.answer("create", answer.status, answer.answer)
        self._echo(order, report.model, answer.answer)
        self._status(order, answer.answer)
        self._facts.measured("create: seconds", f"{order.answered:.1f}")
        await self._charge(order, Charged.ACCEPTANCE)
        job = await self._follow(order, job)
        if order.outcome is not Outcome.ACCEPTED:
            order.ended = self._age(order)
            await self._ended(order, job, report)
        else:
            order.why = f"no end within {self._settings.task_deadline_seconds} s"
        if order.kind == "picture":
            self._fetched(order)
        self._say(order.line)
        self._save(report)

    async def _follow(self, order: Order, job: Job) -> Job:
        """Poll until the order ends or the deadline passes."""
        linkless = 0
        while self._age(order) < self._settings.task_deadline_seconds:
            if job.status is JobStatus.FAILED:
                order.outcome = Outcome.FAILED
                order.why = self._scrub.text(f"{job.reason}: {job.detail}")
                return job
            if job.status is JobStatus.DONE:
                linkless += 1
                if job.url or linkless > LINK_TRIES:
                    order.outcome = Outcome.DONE if job.url else Outcome.FAILED
                    order.why = "" if job.url else "done without a link"
                    return job
            await asyncio.sleep(self._pause)
            job = await self._ask(order, job)
            if order.charged is Charged.NEVER:
                await self._charge(order, Charged.LATER)
        return job

    async def _ask(self, order: Order, job: Job) -> Job:
        seen = len(self._provider.exchanges)
        try:
            job = await self._provider.result(job.id)
        except ProviderRefused as exc:
            job = Job(id=job.id, status=JobStatus.FAILED, reason=exc.reason, detail=str(exc))
        except ProviderError as exc:
            self._facts.measured("result: no answer", exc)
        for exchange in self._provider.exchanges[seen:]:
            self._facts.answer("result", exchange.status, exchange.answer)
            self._status(order, exchange.answer)
        return job

    async def _ended(self, order: Order, job: Job, report: OrderReport) -> None:
        """Check the video, and read the balance once more."""
        self._facts.expect(
            "order: end", f"{order.kind} {order.outcome}", "done", Mark.DOC,
            holds=order.outcome is Outcome.DONE,
        )  # fmt: skip
        if job.url:
            assert order.ended is not None
            self._facts.expect(
                "order: seconds to the video",
                f"{order.ended:.0f}",
                f"at most {documented.DONE_SECONDS}",
                Mark.GUESS,
                holds=order.ended <= documented.DONE_SECONDS,
            )
            jobs = [one for one in self._provider.exchanges if one.call in JOB_CALLS]
            link = jobs[-1].answer.get("url")
            self._facts.expect(
                "result: link", "in url" if link == job.url else "elsewhere", "in url", Mark.DOC
            )
            await self._video.look(job.url, report.model, order.ratio)
        if order.charged is Charged.NEVER:
            await self._charge(order, Charged.LATER)
        order.after = await self._funds()
        self._balance(order, report.price)

    # --- facts -----------------------------------------------------------------------------------

    def _echo(self, order: Order, model: Model, answer: Mapping[str, object]) -> None:
        echo, wanted = answer.get("prompt"), f"{order.prompt} --ar {order.ratio}"
        said = "with --ar" if echo == wanted else "unchanged" if echo == order.prompt else "other"
        self._facts.expect("create: prompt comes back", said, "with --ar", Mark.DOC)
        same = answer.get("model") == model.id
        self._facts.expect("create: model comes back", str(same).lower(), "true", Mark.DOC)

    def _status(self, order: Order, answer: Mapping[str, object]) -> None:
        status = answer.get("status")
        if isinstance(status, str):
            word = self._scrub.name(status)
            if not order.statuses or order.statuses[-1][0] != word:
                order.statuses.append((word, self._age(order)))

    def _refusal(self, answer: Mapping[str, object]) -> None:
        if (code := code_of(answer)) is not None:
            self._facts.code(code)
        else:
            self._facts.expect("create: code", "missing", 0, Mark.DOC)

    def _fetched(self, order: Order) -> None:
        assert self._frame is not None
        fetches: list[Fetch] | None = self._frame.fetches
        if fetches is None:
            self._facts.not_seen("frame: requests", "it was in the bucket, which has its own log")
            return
        methods = [one.method for one in fetches]
        said = ", ".join(f"{methods.count(one)} {one}" for one in sorted(set(methods))) or "none"
        self._facts.expect("frame: requests", said, documented.FRAME_REQUESTS, Mark.GUESS)
        for one in fetches:
            after = one.at - order.sent_at - (order.answered or 0.0)
            when = f"{after:.1f} s after the order was accepted"
            self._facts.measured("frame: when", when if after >= 0 else "before the answer")
            part = ", a part of it" if one.ranged else ""
            self._facts.measured("frame: client", one.client + part)

    def _balance(self, order: Order, price: Decimal) -> None:
        if order.charged is Charged.UNKNOWN:
            self._facts.not_seen("balance: charged at", "it could not be read")
            return
        if order.outcome is Outcome.FAILED:
            self._facts.measured("balance: cost of a failed order", order.cost)
            return
        self._facts.expect("balance: charged at", order.charged, documented.CHARGED, Mark.GUESS)
        # Fractions of a kopeck come from rounding in the answer.
        same = order.cost is not None and abs(order.cost - price) < Decimal("0.01")
        said = "the price" if same else f"{order.cost} instead of {price}"
        self._facts.expect("balance: moved by", said, "the price", Mark.GUESS)

    async def _funds(self) -> Decimal | None:
        try:
            funds = await self._provider.balance()
        except ProviderError as exc:
            self._facts.not_seen("balance: reading", exc)
            return None
        answer = self._provider.exchanges[-1]
        self._facts.answer("balance", answer.status, answer.answer)
        return funds

    async def _charge(self, order: Order, when: Charged) -> None:
        """Read the balance and record whether it has moved since the order was sent."""
        funds = await self._funds()
        if funds is None or order.before is None or funds > order.before:
            order.charged = Charged.UNKNOWN
        elif funds == order.before:
            order.charged = Charged.NEVER
        else:
            order.charged, order.charged_after = when, self._age(order)

    # --- the end ---------------------------------------------------------------------------------

    def _age(self, order: Order) -> float:
        return time.monotonic() - order.sent_at

    def _save(self, report: OrderReport) -> Path | None:
        """Write the report as known so far; the orders continue if this fails."""
        try:
            return report.write(self._settings.data_dir, self._provider.exchanges)
        except OSError as exc:
            self._say(f"FAIL  report: cannot be written ({exc.strerror})")
            return None

    def _finish(self, report: OrderReport) -> None:
        for order in report.orders:
            if order.outcome not in (Outcome.DONE, Outcome.FAILED):
                self._say(order.line)
        for fact in self._facts.facts:
            self._say(fact.line)
        path = self._save(report) or "not written"
        self._say(f"{report.deviations} different or new; the report without secrets: {path}")
