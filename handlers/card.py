"""The card: shows a draft as it would be ordered, with buttons to order and change it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiogram import Bot, Router
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardMarkup,
    InputFile,
    Message,
    Update,
)
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.alerts import HOLDS, AlertKind, Switch
from bot.core.clock import Clock
from bot.core.errors import (
    InputError,
    NotOrdered,
    TelegramError,
    TelegramRejected,
    TelegramTooLarge,
)
from bot.core.task import AspectRatio, Frame, Problem, Task, TaskState
from bot.media import frames
from bot.telegram.first_frame import fetch_frame
from bot.texts import keyboards
from bot.texts.callback_data import CancelTask, PickRatio
from bot.texts.subject import speak_of
from handlers import reply
from handlers.context import Offer, Wake
from handlers.ownership import why_not
from storage import ClaimOnCommit, Storage

_UNSEEN = 0.02


@dataclass(frozen=True, kw_only=True)
class Picture:
    """How a card shows the first frame."""

    nearest: AspectRatio
    preview: bytes | None = None  # a small JPEG that shows the cut; None to show the photo itself
    is_cut: bool = True  # the cut to the nearest ratio removes enough to be shown
    is_blurry: bool = False  # too few pixels for a sharp video


def router() -> Router:
    router = Router(name="card")
    router.callback_query.register(pick_ratio, PickRatio.filter())
    router.callback_query.register(cancel, CancelTask.filter())
    return router


# --- showing -------------------------------------------------------------------------------


async def look_at(bot: Bot, frame: Frame, ratio: AspectRatio | None = None) -> Picture:
    """Fetch and check a first frame; InputError says why it cannot be one. `ratio`: offered first
    instead of the nearest."""
    try:
        content = await fetch_frame(bot, frame, limit=frames.MAX_BYTES)
    except TelegramTooLarge:
        raise InputError(Problem.FILE_TOO_BIG, limit=frames.MAX_BYTES) from None
    except TelegramRejected:
        raise InputError(Problem.FILE_UNAVAILABLE) from None
    info = await frames.check(content)
    nearest = ratio or frames.nearest_ratio(info.width, info.height)
    is_cut = cuts(info.width, info.height, nearest)
    return Picture(
        nearest=nearest,
        preview=await frames.make_preview(content, nearest if is_cut else None)
        if is_cut or not frame.is_photo
        else None,
        is_cut=is_cut,
        is_blurry=frames.is_blurry(info.width, info.height, nearest),
    )


def cuts(width: int, height: int, ratio: AspectRatio) -> bool:
    """Whether the cut removes so much that the person should see it."""
    return abs(width / height / ratio.value_of - 1) > _UNSEEN


async def send_card(
    message: Message,
    task: Task,
    *,
    bot: Bot,
    storage: Storage,
    picture: Picture | None = None,
    offer: Offer | None = None,
    ratio: AspectRatio | None = None,
    heard: bool = False,
    ends: tuple[int, datetime] | None = None,
) -> int | None:
    """Show the draft once: as a reply to `message`, or on its existing card.

    A photo without a prompt asks for one; the id of that message is returned. Without a photo, the
    ratio of the video from which the draft was made is offered first, otherwise `ratio`. `ends`:
    the update that this answer completes, and the time; it is marked as done together with the
    card. `heard`: its words come from speech.
    """
    if task.state is not TaskState.DRAFT or task.card_revision == task.revision:
        return None
    if task.prompt is None:
        # There is no card yet: it is sent when the prompt arrives.
        asked = await _ask_for_words(message, task, storage, offer)
        await storage.tasks.card_shown(task, card_message_id=None, ends=ends)
        return asked
    is_new = picture is not None
    if task.frame and (picture is None or (picture.is_cut and picture.preview is None)):
        try:
            picture = await look_at(bot, task.frame)
        except InputError:
            pass  # the picture was checked when it arrived; the order will check it again
        except TelegramError:
            if not task.frame.is_photo:
                raise
    speak_of(task)
    old = task.card_message_id
    text = texts.cards.card(
        task.lang,
        task,
        asks_consent=await asks_consent(task, storage),
        is_blurry=picture is not None and picture.is_blurry,
        heard=heard,
        untranslated=offer is not None and offer.untranslated(task),
        left=await offer.left(storage, task.user_id, task.price) if offer else None,
        answered=words_of(message) if old is None else None,  # an older card answers another
    )
    nearest = picture.nearest if picture else task.aspect_ratio or ratio
    keyboard = keyboards.cards.card(task, nearest, offer.card_options() if offer else None)
    shown = _photo_of(task.frame, picture)
    if old is not None and task.card_is_media == (shown is not None):
        if shown is not None and is_new:
            there = await reply.replace(bot, task.chat, old, shown, text, keyboard)
        else:
            there = await reply.rewrite(
                bot, task.chat, old, text, is_media=task.card_is_media, keyboard=keyboard
            )
        if there:
            await storage.tasks.card_shown(
                task, card_message_id=old, is_media=task.card_is_media, ends=ends
            )
            return None
    card_id = None
    if shown is not None:
        card_id = await reply.show(message, shown, text, keyboard, quotes=True)
    is_media = card_id is not None
    if card_id is None:
        card_id = await reply.say(message, text, keyboard, quotes=True)
    await storage.tasks.card_shown(task, card_message_id=card_id, is_media=is_media, ends=ends)
    if old is not None:
        await reply.take_away(bot, task.chat, old)
    return None


def words_of(message: Message | None) -> str | None:
    """Return the words of a person's message without the spaces around them."""
    words = message and (message.text or message.caption)
    return words.strip() if words else None


async def _ask_for_words(
    message: Message, task: Task, storage: Storage, offer: Offer | None
) -> int:
    """Ask for the prompt of a photo, with a button for suggestions if a model can look at it."""
    if offer is None or offer.viewer is None:
        kept = texts.cards.album_kept if task.media_group_id else texts.cards.frame_kept
        options = offer.card_options() if offer else None
        keyboard = keyboards.cards.card(task, card_options=options)
        return await reply.say(message, kept(task.lang), keyboard, quotes=True)
    text = texts.suggestions.frame_kept(
        task.lang,
        is_album=task.media_group_id is not None,
        asks_consent=await asks_consent(task, storage),
    )
    return await reply.say(message, text, keyboards.suggestions.wordless(task), quotes=True)


async def asks_consent(task: Task, storage: Storage) -> bool:
    """Whether the card has to tell the person who receives the photo."""
    if not task.frame_is_own:
        return False
    return not await storage.privacy.consented(task.user_id)


def _photo_of(frame: Frame | None, picture: Picture | None) -> str | InputFile | None:
    if picture and picture.preview:
        return BufferedInputFile(picture.preview, "frame.jpg")
    return frame.file_id if frame and frame.is_photo else None


# --- pressing ------------------------------------------------------------------------------


async def pick_ratio(
    query: CallbackQuery,
    callback_data: PickRatio,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    wake: Wake,
    claim_on_commit: ClaimOnCommit,
    lang: str,
) -> None:
    try:
        task = await storage.tasks.confirm(
            callback_data.task_id,
            user_id=query.from_user.id,
            aspect_ratio=callback_data.ratio,
            update_id=event_update.update_id,
            now=clock(),
            shown=_pressed(query),
            claim_on_commit=claim_on_commit,
        )
    except NotOrdered:
        speak_of(await storage.tasks.get(callback_data.task_id))  # the refusal names it
        raise
    if task is None:
        known = await storage.tasks.get(callback_data.task_id)
        await reply.toast(query, why_not(known, query.from_user.id, lang), alert=True)
        return
    speak_of(task)
    await start_status(query, task, texts.statuses.press_accepted(lang), bot, storage, wake)
    if task.lease_owner is not None:
        # A repeat would show the toast and the position again: harmless.
        storage.inbox.ended.add(event_update.update_id)


async def start_status(
    query: CallbackQuery, task: Task, answer: str, bot: Bot, storage: Storage, wake: Wake
) -> None:
    """Turn the pressed card into the status message of the ordered task."""
    speak_of(task)
    message_id, is_media = task.card_message_id, task.card_is_media
    pressed = _pressed(query)
    if pressed is not None and pressed[0] != message_id and pressed[2] == task.chat.chat_id:
        message_id, is_media = pressed[:2]
        await storage.tasks.set_card(task.id, card_message_id=message_id, is_media=is_media)
    wake()
    await reply.toast(query, answer)
    if message_id is None or task.lease_owner is not None:
        return  # this process's worker has the task since that commit, and shows its progress
    place = await storage.tasks.queue_position(task.id)
    if place is None:
        return  # another worker has it
    await reply.rewrite(
        bot,
        task.chat,
        message_id,
        await _queued(task, place, storage),
        is_media=is_media,
        keyboard=keyboards.results.status(task),
    )


async def _queued(task: Task, place: int, storage: Storage) -> Text:
    """What a queued order is told: nobody is next in a queue that does not move."""
    wrong = {alert.kind for alert in (await storage.alerts.all_open()).values()}
    if wrong & set(HOLDS.values()) or await storage.alerts.is_held(Switch.SUBMITS):
        return texts.statuses.held(task.lang)
    if AlertKind.PROVIDER_AWAY in wrong:
        return texts.statuses.status_away(task.lang, task)
    return texts.statuses.status_queued(task.lang, task, place)


def _pressed(query: CallbackQuery) -> tuple[int, bool, int] | None:
    """Return the id of the pressed message, whether its text is a caption, and its chat; None if
    unknown.
    """
    if query.message is None:
        return None
    is_media = isinstance(query.message, Message) and bool(query.message.photo)
    return query.message.message_id, is_media, query.message.chat.id


async def cancel(
    query: CallbackQuery,
    callback_data: CancelTask,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    user_id = query.from_user.id
    task = await storage.tasks.cancel(callback_data.task_id, user_id=user_id, now=clock())
    if task is None:
        task = await storage.tasks.get(callback_data.task_id)
        if task is not None and task.state is TaskState.QUEUED:
            # The provider has just refused the order: it is queued again and can be cancelled.
            task = await storage.tasks.cancel(task.id, user_id=user_id, now=clock()) or task
        if task is None or task.user_id != user_id or task.state is not TaskState.CANCELLED:
            await reply.toast(query, why_not_cancelled(task, user_id, lang), alert=True)
            return
    speak_of(task)
    if task.variant_of == callback_data.task_id:
        # The first video has begun, so the message now shows its status.
        await reply.toast(query, texts.statuses.press_cancelled(lang, others=True), alert=True)
        return
    await reply.toast(query, texts.statuses.press_cancelled(lang))
    words, keyboard = await cancelled(task, storage)
    shown = {task.card_message_id: task.card_is_media}
    if isinstance(query.message, Message) and query.message.chat.id == task.chat.chat_id:
        shown.setdefault(query.message.message_id, bool(query.message.photo))
    for message_id, is_media in shown.items():
        if message_id is not None:
            await reply.rewrite(
                bot, task.chat, message_id, words, is_media=is_media, keyboard=keyboard
            )


async def cancelled(
    task: Task, storage: Storage, prompt: str | None = None, *, others: bool = False
) -> tuple[Text, InlineKeyboardMarkup | None]:
    """Return what is said of a cancelled order, or of the film whose part it is."""
    if task.storyboard_id is None:
        return texts.statuses.cancelled(task.lang, prompt, others=others), None
    parts = await storage.storyboards.parts(task.storyboard_id)
    keyboard = keyboards.storyboards.after_end(None, task)
    return texts.storyboards.stopped_by_person(task.lang, parts), keyboard


def why_not_cancelled(task: Task | None, user_id: int, lang: str) -> str:
    """Tell the person why a press on Cancel changed nothing."""
    speak_of(task)
    if task and task.user_id == user_id and task.state in _BEING_MADE:
        return texts.statuses.press_too_late(lang)
    return why_not(task, user_id, lang)


_BEING_MADE = (TaskState.SUBMITTING, TaskState.GENERATING)
