"""Wire handlers: the dispatcher, and what handlers may ask of the provider and the operator."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from decimal import Decimal
from functools import partial
from urllib.parse import urlsplit

from aiogram import Dispatcher

from bot.core import catalog, examples
from bot.core.catalog_file import Taken
from bot.core.chat_models import AUTO, KNOWN_SEEING, ChatModel
from bot.core.errors import ProviderError, ProviderRefused
from bot.core.events import ADMINS, CATALOG, MENDED, ORDERED
from bot.core.task import Reason
from bot.operator import price_check
from bot.operator.claim import AdminList
from bot.operator.hearing import HearingCheck
from bot.operator.translation import TranslationModel, picture_cost, story_cost
from bot.provider.client import Gptunnel
from bot.runtime.public_address import PublicAddress
from bot.settings import Settings
from bot.texts.zone import use_zone
from bot.wiring.edges import Edges
from bot.wiring.jobs import Jobs
from handlers import build_router
from handlers.context import Offer
from storage import Cluster, Storage

BALANCE_SECONDS = 4.0
"""An admin waits for the answer to a command."""


logger = logging.getLogger(__name__)


def wire_handlers(
    settings: Settings,
    storage: Storage,
    edges: Edges,
    jobs: Jobs,
    address: PublicAddress,
    admin_list: AdminList,
) -> Dispatcher:
    """Create the dispatcher with the routers and the values that handlers receive by name."""
    path = settings.examples_file
    cluster = storage.cluster
    use_zone(settings.day_zone)
    dispatcher = Dispatcher(disable_fsm=True)
    dispatcher.include_router(build_router())
    dispatcher.workflow_data.update(
        storage=storage,
        clock=edges.clock,
        access=settings.access_rules(edges.admins),
        stars_packages=settings.stars_offer,
        wake=partial(cluster.notify, ORDERED),
        claim_on_commit=jobs.worker,
        try_now=partial(cluster.notify, MENDED),
        find_job=partial(_find_job, edges.provider),
        take_over=partial(_take_over, settings, edges.provider, cluster),
        admins_changed=partial(_admins_changed, admin_list, cluster),
        balance=partial(_balance, edges.provider),
        prices=settings.price_view(edges.admins),
        forget_files=jobs.retention.forget_files,
        offer=Offer(
            model=settings.default_model,
            photos_on=settings.photos_on,
            tunnel_owner=settings.tunnel_owner,
            tunnel_state=lambda: address.state,
            zone=settings.day_zone,
            retention_days=settings.retention_days,
            models=settings.models,
            image_model=settings.drawing_model,
            examples=tuple(
                one
                for one in (examples.read(path) if path else examples.bundled())
                if settings.photos_on or not one.needs_photo
            ),
            # With `auto` there is none until the provider's list of models was read.
            translator=None if settings.translate_model == AUTO else edges.translator,
            transcriber=edges.transcriber,
            transcriber_host=urlsplit(settings.transcribe_url).hostname or "",
            viewer=None if settings.vision_model == AUTO else edges.viewer,
            storyteller=None if settings.story_model == AUTO else edges.storyteller,
            rules=settings.order_rules(edges.admins),
            bonus=settings.bonus,
            clock=edges.clock,
        ),
    )
    cluster.subscribe(CATALOG, partial(_read_catalog, settings, dispatcher))
    return dispatcher


def wire_translation(
    settings: Settings, edges: Edges, dispatcher: Dispatcher
) -> TranslationModel | None:
    """Make what chooses the chat model; None: nothing is translated."""
    translator = edges.translator
    if translator is None:
        return None

    def use(model: ChatModel | None) -> None:
        dispatcher["offer"] = replace(
            dispatcher["offer"],
            translator=None if model is None else translator,
            translates_by=model,
        )

    return TranslationModel(
        edges.provider.chat_models,
        translator,
        settings.translate_model,
        use,
        sleep=edges.sleep,
    )


def wire_vision(
    settings: Settings, edges: Edges, dispatcher: Dispatcher
) -> TranslationModel | None:
    """Make what chooses the chat model that looks at photos; None: none does."""
    viewer = edges.viewer
    if viewer is None:
        return None

    def use(model: ChatModel | None) -> None:
        dispatcher["offer"] = replace(
            dispatcher["offer"], viewer=None if model is None else viewer, views_by=model
        )

    return TranslationModel(
        edges.provider.chat_models,
        viewer,
        settings.vision_model,
        use,
        what="ideas for photos",
        known=KNOWN_SEEING,
        cost=picture_cost,
        sleep=edges.sleep,
    )


def wire_stories(
    settings: Settings, edges: Edges, dispatcher: Dispatcher
) -> TranslationModel | None:
    """Make what chooses the chat model of stories; None: people write the scenes."""
    storyteller = edges.storyteller
    if storyteller is None:
        return None

    def use(model: ChatModel | None) -> None:
        dispatcher["offer"] = replace(
            dispatcher["offer"],
            storyteller=None if model is None else storyteller,
            stories_by=model,
        )

    return TranslationModel(
        edges.provider.chat_models,
        storyteller,
        settings.story_model,
        use,
        what="stories",
        cost=story_cost,
        sleep=edges.sleep,
    )


def wire_hearing(settings: Settings, edges: Edges) -> HearingCheck | None:
    """Make what checks the transcription; None: voice messages are not heard."""
    if edges.transcriber is None:
        return None
    where = urlsplit(settings.transcribe_url).hostname or "this machine"
    by = f"{settings.transcribe_model} at {where}"
    return HearingCheck(edges.transcriber.check, by, sleep=edges.sleep)


async def _take_over(settings: Settings, provider: Gptunnel, cluster: Cluster) -> Taken:
    path = settings.catalog_file
    if path is None:
        return Taken.NOT_WRITTEN
    # The next start would refuse a MODEL or IMAGE_MODEL that is not in the catalog, except for the
    # default.
    kept = {settings.model, settings.image_model} - {Settings.model_fields["model"].default, ""}
    keep = frozenset(kept)
    return await price_check.take_over(provider, path, partial(cluster.notify, CATALOG), keep=keep)


def _read_catalog(settings: Settings, dispatcher: Dispatcher) -> None:
    """Read CATALOG_FILE again; an invalid file changes nothing."""
    if settings.catalog_file is None:
        return
    try:
        models, model = settings.models, settings.default_model
    except ValueError as exc:
        logger.error("CATALOG_FILE is not read again: %s", exc)
        return
    catalog.learn(settings.priced_models)
    dispatcher["offer"] = replace(
        dispatcher["offer"], model=model, models=models, image_model=settings.drawing_model
    )


async def _admins_changed(admin_list: AdminList, cluster: Cluster) -> None:
    await admin_list.read()
    cluster.notify(ADMINS)


async def _balance(provider: Gptunnel) -> Decimal | None:
    """Return the funds at the provider in roubles; None: it does not answer now."""
    try:
        async with asyncio.timeout(BALANCE_SECONDS):
            return await provider.balance()
    except (ProviderError, TimeoutError):
        return None


async def _find_job(provider: Gptunnel, job_id: str) -> bool | None:
    """Return whether the provider knows the id; None if it does not answer now."""
    try:
        await provider.result(job_id)
    except ProviderRefused as exc:
        return exc.reason is not Reason.PROVIDER_FORGOT
    except ProviderError:
        return None
    return True
