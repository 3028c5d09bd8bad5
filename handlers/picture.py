"""A photo, or an image sent as a file, becomes a first frame; its caption is the prompt.

Problems with a picture are reported at once, before there is a draft.
"""

from __future__ import annotations

from contextlib import suppress

from aiogram import Bot, Router
from aiogram.types import Document, ExternalReplyInfo, Message, PhotoSize, Update

from bot.core.alerts import Switch
from bot.core.clock import Clock
from bot.core.errors import InputError, TelegramError
from bot.core.prompt import clean_prompt
from bot.core.task import Frame, Problem
from bot.media import frames
from handlers.card import Picture, cuts, look_at, send_card
from handlers.context import DraftTexts, Offer, draft_texts, origin, own_ratio
from handlers.filters import addressed, no_command
from handlers.suggestions import suggest_at_once
from storage import Storage, User

# Types that clients use for a file of unknown type
_ANYTHING = "application/octet-stream"
# Names of pictures; some clients send them under a type of no sense, or one of the program
_NAMED = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".hif", ".avif", ".gif",
    ".bmp", ".tif", ".tiff", ".jp2", ".j2k", ".tga", ".psd", ".ico", ".dng", ".cr2", ".nef",
    ".arw", ".cr3", ".crw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".x3f",
    ".exr", ".hdr", ".dpx", ".qoi", ".dds", ".pcx", ".sgi", ".ppm", ".pgm", ".pbm", ".pam", ".pfm",
)  # fmt: skip


def router() -> Router:
    router = Router(name="picture")
    router.message.register(take_picture, photo, no_command, addressed)
    router.message.register(take_picture, sent_as_file, no_command, addressed)
    return router


async def photo(message: Message | ExternalReplyInfo) -> bool:
    return bool(message.photo)


async def sent_as_file(message: Message | ExternalReplyInfo) -> bool:
    if message.sticker is not None:
        # Telegram turns a WebP that is sent as a file into a sticker that belongs to no set.
        file = message.sticker
        return not (file.set_name or file.is_animated or file.is_video)
    # An animation has `document` filled in as well (Bot API: Message)
    return message.document is not None and message.animation is None


async def take_picture(
    message: Message,
    words: str | None,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    if not offer.photos_on or await storage.alerts.is_held(Switch.PHOTOS):
        raise InputError(Problem.PHOTOS_OFF)
    # The cheap check first: problems with the text are reported without fetching the picture.
    prompt = clean_prompt(words) if words and words.strip() else None
    frame, picture = await frame_of(message, bot)
    said: DraftTexts | None = await draft_texts(offer, prompt) if prompt else None
    start = origin(message, offer, lang, clock(), person)
    request = await storage.photo_requests.open(start["user_id"], start["chat"], start["now"])
    if request is not None:  # of a template
        model = offer.model_of(request.model, person)
        start = {**start, "model": model.id, "price": model.price}
    task = await storage.tasks.draft_from_frame(
        **start,
        **said or {"prompt": None},
        frame=frame,
        media_group_id=message.media_group_id,
        request=request,
    )
    if task.aspect_ratio is not None and task.frame == frame:  # the template's
        with suppress(TelegramError):  # without it the nearest ratio is first
            picture = await look_at(bot, frame, task.aspect_ratio)
    asked = await send_card(
        message,
        task,
        bot=bot,
        storage=storage,
        picture=picture if task.frame == frame else None,
        offer=offer,
        ratio=own_ratio(person),
        ends=(event_update.update_id, clock()),
    )
    if asked is not None:
        await suggest_at_once(task, asked, bot=bot, storage=storage, offer=offer)


async def frame_of(message: Message | ExternalReplyInfo, bot: Bot) -> tuple[Frame, Picture]:
    """Return the picture of a message as a first frame; InputError says why it cannot be one."""
    if message.photo:
        largest = max(message.photo, key=lambda size: size.width * size.height)
        return Frame(file_id=largest.file_id, kind="photo"), _judged(largest)
    file = message.sticker or message.document
    if file is None or not (message.sticker or _may_be_picture(message.document)):
        raise InputError(Problem.NOT_AN_IMAGE)
    if file.file_size and file.file_size > frames.MAX_BYTES:
        raise InputError(Problem.FILE_TOO_BIG, size=file.file_size, limit=frames.MAX_BYTES)
    frame = Frame(file_id=file.file_id, kind="document")
    return frame, await look_at(bot, frame)


async def answered(
    message: Message, bot: Bot, offer: Offer
) -> tuple[Frame | None, Picture | None]:
    """Return the picture to which this text replies, also in another chat or topic; for a card of
    the bot, the picture of its draft.
    """
    answers = message.reply_to_message
    if answers and answers.from_user and answers.from_user.id == bot.id:
        return None, None
    replied = answers or message.external_reply
    if replied is None:
        return None, None
    if not (await photo(replied) or await sent_as_file(replied)):
        return None, None
    if not offer.photos_on:
        raise InputError(Problem.PHOTOS_OFF)
    return await frame_of(replied, bot)


def _may_be_picture(document: Document | None) -> bool:
    """Return whether its type or its name is that of a picture; the content decides later."""
    if document is None:
        return False
    mime_type, name = document.mime_type or _ANYTHING, document.file_name or ""
    return mime_type.startswith(("image/", _ANYTHING)) or name.lower().endswith(_NAMED)


def _judged(size: PhotoSize) -> Picture:
    """Check the known sizes of a photo before fetching it; raise InputError if it is too small."""
    width, height = size.width, size.height
    if min(width, height) < frames.SMALLEST_SIDE:
        raise InputError(
            Problem.IMAGE_SIDES, width=width, height=height, minimum=frames.SMALLEST_SIDE
        )
    nearest = frames.nearest_ratio(width, height)
    return Picture(
        nearest=nearest,
        is_cut=cuts(width, height, nearest),
        is_blurry=frames.is_blurry(width, height, nearest),
    )
