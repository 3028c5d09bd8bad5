"""Texts of a film that is ordered as a whole: its card, one scene, and what stopped it.

Scenes may be a model's words: they are quoted as plain text. It must not know who proposes scenes,
nor when a part begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from aiogram.utils.formatting import Bold, ExpandableBlockQuote, Text, sizeof

from bot.core.catalog import CATALOG
from bot.core.prices import Left
from bot.core.storyboard import FEWEST, MOST, Scene, Storyboard
from bot.core.task import ACTIVE, Task, TaskState
from bot.texts.cards import consent
from bot.texts.formatting import TEXT_LIMIT, cut, left_today, lines, message
from bot.texts.i18n import Words, fill, words

SCENE_ROOM = 220
"""UTF-16 units of a scene on the card; the buttons below show it whole."""


def card(
    lang: str, board: Storyboard, *, asks_consent: bool = False, left: Left | None = None
) -> Text:
    """All scenes with their prompts, the price or the allowance of the whole, and how to order.

    `left`: what a guest may still order; None: as much as they like.
    """
    _ = words(lang)
    count = len(board.scenes)
    model = CATALOG.get(board.model)
    length = model.seconds * count if model else None
    head = _.plural("Film of {n} part", "Film of {n} parts", count).format(n=count)
    if length is not None:
        head = f"{head} · {_.duration(length)}"
    facts = [model.title, model.quality, _.duration(model.seconds)] if model else [board.model]
    rest = lines(
        "🎬 " + " · ".join(facts),
        fill(_("💳 Price of all parts: {price}"), price=Bold(_whole(_, board.price, count)))
        if _.money
        else left_today(_, left),
        _.plural("🎟 It takes {n} of them.", "🎟 It takes {n} of them.", count).format(n=count)
        if not _.money and left is not None
        else None,
        _("🖼 Your photo is the first frame; edges that do not fit are cut off.")
        if board.frame and board.frame.kind != "video"
        else None,
        _("🎞 It starts where part {number} ends.").format(number=board.first_place - 1)
        if board.frame and board.frame.kind == "video"
        else None,
        consent(lang) if asks_consent and board.frame else None,
        "",
        _("Each part starts where the one before it ends. If one fails, the rest is not ordered"
          " and not paid for.")
        if _.money
        else _("Each part starts where the one before it ends. If one fails, the rest is not"
               " ordered and does not count."),
        _("Press a number to change a scene, or an aspect ratio to order all parts:"),
    )  # fmt: skip
    return lines(
        Text("🎞 ", Bold(head)),
        *_listed(board.scenes, board.first_place, TEXT_LIMIT - len(rest) - len(head) - 40),
        "",
        rest,
    )


def _listed(scenes: Sequence[Scene], first: int, room: int) -> list[Text]:
    """The scenes with their prompts, which are shortened until all fit."""
    each = max(60, room // max(1, len(scenes)) - 12)
    rows: list[Text] = []
    for number, scene in enumerate(scenes, first):
        text = cut(scene.text, min(SCENE_ROOM, each))
        rows.append(Text(Bold(f"{number}."), " ", text))
        left = each - sizeof(text)
        if scene.prompt != scene.text and left > 30:
            rows.append(Text(ExpandableBlockQuote(cut(scene.prompt, left))))
    return rows


def _whole(_: Words, price: Decimal, count: int) -> str:
    """4 × 17 ₽ = 68 ₽"""
    if count == 1:
        return _.price(price)
    return f"{count} × {_.price(price)} = {_.price(price * count)}"


def scene(lang: str, board: Storyboard, index: int) -> Text:
    """One scene, whole, and what can be done with it."""
    _ = words(lang)
    one = board.scenes[index]
    number, count = board.first_place + index, board.first_place + len(board.scenes) - 1
    head = _("Scene {number} of {count}").format(number=number, count=count)
    room = TEXT_LIMIT // 3
    same = one.prompt == one.text
    return lines(
        Text("🎞 ", Bold(head)),
        cut(one.text, room),
        None if same else _("This prompt is sent:"),
        None if same else ExpandableBlockQuote(cut(one.prompt, room)),
    )


def ask_scene(lang: str, number: int) -> Text:
    """Asks for the words of one scene."""
    _ = words(lang)
    return message(
        "✏️",
        _("Write scene {number}.").format(number=number),
        _("Send it as a reply to this message. You will see the card before anything is ordered."),
    )


def ask_scenes(lang: str, *, failed: bool = False) -> Text:
    """Asks for the scenes of a film, one a line; `failed`: no model has proposed any."""
    _ = words(lang)
    return message(
        "🎞",
        _("I could not think of scenes this time: please write them yourself.")
        if failed
        else _("Write the scenes of your film."),
        _("One scene a line, {fewest} to {most} lines, as a reply to this message. Each becomes a"
          " video that starts where the one before it ends.").format(fewest=FEWEST, most=MOST),
        _("You will see a card before anything is ordered."),
    )  # fmt: skip


def usage(lang: str, *, tells: bool) -> Text:
    """Answers the command without an idea; `tells`: a model proposes scenes."""
    _ = words(lang)
    return message(
        "🎞",
        _("Write the idea of your film after the command.")
        if tells
        else _("Write the scenes of your film after the command."),
        _("For example: /film an old lighthouse keeper finds a letter. I propose the scenes, and"
          " you change them before anything is ordered.")
        if tells
        else None,
        (
            _("You can also write the scenes yourself: one a line, {fewest} to {most} lines."
              " With a photo, or as a reply to one, the film starts from it.")
            if tells
            else _("One scene a line, {fewest} to {most} lines. With a photo, or as a reply to"
                   " one, the film starts from it.")
        ).format(fewest=FEWEST, most=MOST),
    )  # fmt: skip


def wrong_number(lang: str, count: int) -> Text:
    """A film has too few scenes, or too many."""
    _ = words(lang)
    return message(
        "🤔",
        _.plural("You wrote {n} scene.", "You wrote {n} scenes.", count).format(n=count),
        _("A film has {fewest} to {most}: one a line.").format(fewest=FEWEST, most=MOST),
    )


def photos_off(lang: str) -> Text:
    """Films need pictures to be passed on to the provider."""
    _ = words(lang)
    return message(
        "🎞",
        _("Films are not possible in this bot at the moment."),
        _("Each part starts from the last frame of the previous one, and pictures cannot be passed"
          " on to the video service now. Nothing was ordered."),
        _("You can make single videos: send a prompt."),
    )  # fmt: skip


def cancelled(lang: str) -> Text:
    """The card was put away before it was ordered."""
    _ = words(lang)
    return message(
        "✖️", _("The film was not ordered."), _("Nothing was spent.") if _.money else None
    )


# --- a film that stopped -------------------------------------------------------------------


def arrived_after_doubt(lang: str) -> Text:
    """Say that the video of a part has arrived although its order was in doubt."""
    _ = words(lang)
    return message(
        "🎬",
        _("The order of this part was in doubt, but it had been accepted: its video is here."),
    )


def stopped(lang: str, task: Task) -> Text | None:
    """Say what a part means for its film if it ended without a video, with only a link to it, or
    after a doubt. None: it is no part of a film, or it was the last one and has arrived.

    What was made, what was not ordered, and what that does not cost.
    """
    if task.storyboard_id is None or task.film_place is None or task.film_last is None:
        return None
    is_made, left = task.state is TaskState.DELIVERED, task.parts_after
    if is_made and not left:
        return None
    _ = words(lang)
    made = task.film_place - 1
    head = _("Your film stops at part {number} of {count}.").format(
        number=task.film_place, count=task.film_last
    )
    return lines(
        "",
        Text("🎞 ", Bold(head)),
        _("The next part cannot start: Telegram has no video to take the last frame from.")
        if is_made and task.video_file_id is None
        else None,
        _.plural("{n} part before it is made and stays yours.",
                 "{n} parts before it are made and stay yours.", made).format(n=made)
        if made
        else None,
        _not_ordered(_, left, task.price),
        _("Press the button to go on from here: you see a card with the price first, and can"
          " change the scenes.")
        if _.money
        else _("Press the button to go on from here: you see a card first, and can change the"
               " scenes."),
    )  # fmt: skip


def stopped_by_person(lang: str, parts: Sequence[Task]) -> Text:
    """No more of these parts are ordered: which one still arrives, and what was not spent."""
    _ = words(lang)
    cancelled = [part for part in parts if part.state is TaskState.CANCELLED]
    running = next((part for part in parts if part.state in ACTIVE), None)
    made = sum(part.state is TaskState.DELIVERED for part in parts)
    return message(
        "⏹",
        _("The film stops here."),
        _("Part {number} is already being made and will still arrive.").format(
            number=running.film_place
        )
        if running is not None
        else None,
        _.plural("{n} part is made and stays yours.", "{n} parts are made and stay yours.", made)
        .format(n=made)
        if made
        else None,
        _not_ordered(_, len(cancelled), parts[0].price) if parts else None,
    )  # fmt: skip


def _not_ordered(_: Words, count: int, price: Decimal) -> str | None:
    if not count:
        return None
    said = _.plural(
        "{n} part was not ordered.", "{n} parts were not ordered.", count
    ).format(n=count)  # fmt: skip
    if not _.money:
        return f"🎟 {said} " + _("They do not count against your videos.")
    return f"💳 {said} " + _("Not spent: {price}.").format(price=_.price(price * count))


# --- buttons and presses -------------------------------------------------------------------


def button_edit(lang: str) -> str:
    _ = words(lang)
    return _("✏️ Edit")


def button_remove(lang: str) -> str:
    _ = words(lang)
    return _("🗑 Remove")


def button_add(lang: str) -> str:
    _ = words(lang)
    return _("➕ Scene")


def button_all(lang: str) -> str:
    _ = words(lang)
    return _("‹ All scenes")


def button_stop(lang: str) -> str:
    _ = words(lang)
    return _("⏹ Stop after this part")


def button_go_on(lang: str) -> str:
    _ = words(lang)
    return _("▶️ Go on from here")


def ordered(lang: str, count: int) -> str:
    _ = words(lang)
    return _.plural(
        "Accepted! {n} part will arrive here.",
        "Accepted! {n} parts will arrive here, one after the other.",
        count,
    ).format(n=count)


def press_changed(lang: str) -> str:
    """The card shows an older version."""
    _ = words(lang)
    return _("The film was changed meanwhile. Look at the card again.")


def press_over(lang: str) -> str:
    """The storyboard was ordered or cancelled."""
    _ = words(lang)
    return _("This card is over. Nothing more was ordered.")


def press_fewest(lang: str) -> str:
    _ = words(lang)
    return _("A film needs at least {fewest} scenes.").format(fewest=FEWEST)


def press_nothing_to_stop(lang: str) -> str:
    _ = words(lang)
    return _("No more parts are waiting.")


def press_stopped(lang: str) -> str:
    _ = words(lang)
    return _("Stopped. No more parts are ordered.")


def press_complete(lang: str) -> str:
    _ = words(lang)
    return _("All parts of this film are there.")


def press_under_way(lang: str) -> str:
    _ = words(lang)
    return _("This film is already being continued. Nothing more was ordered.")


def press_get_it_first(lang: str) -> str:
    _ = words(lang)
    return _("The video of this part exists. Get it with the button first, then go on.")


def press_part_gone(lang: str) -> str:
    _ = words(lang)
    return _("This part, or the one before it, is no longer there. Start a new film with /film.")
