"""Texts of films: the whole film, its parts, and why parts cannot be joined.

It must not know how parts are joined, nor how a film is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiogram.utils.formatting import Bold, ExpandableBlockQuote, Text

from bot.core.catalog import CATALOG
from bot.core.film import FilmProblem
from bot.core.task import Task
from bot.texts.formatting import N_, TEXT_LIMIT, cut, lines, message, model_line
from bot.texts.history import title
from bot.texts.i18n import Words, words

TITLES = 3000
"""Characters for the prompts of all parts in one list."""


def caption(lang: str, parts: Sequence[Task], *, redirected: bool = False) -> Text:
    """Below the whole film; `redirected`: the chat where it was asked for does not take it."""
    _ = words(lang)
    why = _("📬 Telegram does not let me send it to the chat where you ordered it.")
    return lines(Text("🎞 ", Bold(_counted(_, parts))), why if redirected else None)


def parts(lang: str, parts: Sequence[Task]) -> Text:
    """All parts of a film; the buttons below have the same numbers."""
    _ = words(lang)
    if not parts:
        return message("🎞", _("This film has no parts any more."))
    room = max(10, min(60, TITLES // len(parts)))
    rows = [
        Text(Bold(f"{number}."), " ", title(part, room)) for number, part in enumerate(parts, 1)
    ]
    return lines(
        Text("🎞 ", Bold(_counted(_, parts))),
        "",
        *rows,
        "",
        _("Press a number to make a part again, to replace it or to take it out."),
    )


def part(lang: str, task: Task, number: int, count: int) -> Text:
    """One part and what can be done with it."""
    _ = words(lang)
    head = _("Part {number} of {count}").format(number=number, count=count)
    rest = lines(
        model_line(_, task),
        _("A new version starts where the part before it ends. You see a card with the price"
          " first; this version stays until the new one is ready.")
        if number > 1
        else _("You see a card with the price first; this version stays until the new one is"
               " ready."),
        _("“Take out” keeps the video in the chat and in /history."),
    )  # fmt: skip
    room = TEXT_LIMIT - len(rest) - len(head) - 10
    quote = ExpandableBlockQuote(cut(task.own_words, room)) if task.own_words else None
    return lines(Text("🎞 ", Bold(head)), quote, rest)


def _counted(_: Words, parts: Sequence[Task]) -> str:
    """3 parts · 15 seconds; without the length when a model is no longer known."""
    count = _.plural("Film of {n} part", "Film of {n} parts", len(parts)).format(n=len(parts))
    models = [CATALOG.get(part.model) for part in parts]
    seconds = sum(model.seconds for model in models if model)
    return f"{count} · {_.duration(seconds)}" if all(models) and parts else count


PROBLEMS: dict[FilmProblem, tuple[str, str]] = {  # what is wrong, what to do
    FilmProblem.CODEC: (
        N_("Part {part} was encoded differently from the first one."),
        N_("Make it again with the model of the others, or take it out."),
    ),
    FilmProblem.SIZE: (
        N_("Part {part} has a different frame size from the first one."),
        N_("Make it again with the same ratio and quality, or take it out."),
    ),
    FilmProblem.RATE: (
        N_("Part {part} has a different frame rate from the first one."),
        N_("Make it again with the model of the others, or take it out."),
    ),
    FilmProblem.SOUND: (
        N_("The sound of part {part} is encoded differently from that of the others."),
        N_("Make it again with the model of the others, or take it out."),
    ),
    FilmProblem.PART_GONE: (
        N_("Telegram no longer has the video of part {part}."),
        N_("Make it again, or take it out."),
    ),
    FilmProblem.PART_TOO_BIG: (
        N_("Part {part} is over 20 MB, and Telegram does not let me download it."),
        N_("Make it again in a lower quality, or take it out."),
    ),
    FilmProblem.PART_UNUSABLE: (
        N_("The video of part {part} cannot be read."),
        N_("Make it again, or take it out."),
    ),
    FilmProblem.UNREADABLE: (
        N_("One of the parts cannot be read."),
        N_("Take the newest part out and try again, then make it again."),
    ),
    FilmProblem.FILM_TOO_BIG: (
        N_("The whole film is too big for Telegram."),
        N_("Take parts out until it fits; they stay in the chat as videos."),
    ),
    FilmProblem.NOT_ENOUGH: (
        N_("There are fewer than two parts left."),
        N_("Add a part with 🎞 below the last video."),
    ),
    FilmProblem.NOT_SENT: (
        N_("Telegram did not let me send it to the chat where you asked for it."),
        N_("The parts are all there. Press “Whole film” again later."),
    ),
    FilmProblem.LATER: (
        N_("I tried several times, and Telegram did not take it."),
        N_("The parts are all there. Press “Whole film” again later."),
    ),
}


def not_joined(lang: str, problem: FilmProblem, part: int | None = None) -> Text:
    """There is no film: why, that it costs nothing, what to do."""
    _ = words(lang)
    what, advice = PROBLEMS[problem]
    is_made = problem is FilmProblem.NOT_SENT
    return message(
        "🎞",
        _("The whole film could not be sent.") if is_made else _("The parts could not be joined."),
        _(what).format(part=part),
        _("💳 Joining costs nothing, and no part is lost."),
        _(advice),
    )


def button_whole(lang: str) -> str:
    _ = words(lang)
    return _("▶️ Whole film")


def button_parts(lang: str) -> str:
    _ = words(lang)
    return _("✂️ Parts")


def button_again(lang: str) -> str:
    _ = words(lang)
    return _("🔁 Make it again")


def button_version(lang: str, number: int, count: int) -> str:
    _ = words(lang)
    return _("🔀 Version {number} of {count}").format(number=number, count=count)


def button_take_out(lang: str) -> str:
    _ = words(lang)
    return _("🗑 Take out")


def press_joining(lang: str) -> str:
    _ = words(lang)
    return _("Joining the parts. The film will arrive here; it costs nothing.")


def press_elsewhere(lang: str) -> str:
    """The chat does not take the film."""
    _ = words(lang)
    return _("Telegram does not let me send the film here. It will arrive in our private chat.")


def press_being_joined(lang: str) -> str:
    _ = words(lang)
    return _("The film is being joined already. It will arrive here.")


def press_one_part(lang: str) -> str:
    """A film needs two."""
    _ = words(lang)
    return _("This film has only one part so far. Add one with 🎞 below the video.")


def press_taken_out(lang: str) -> str:
    _ = words(lang)
    return _("Taken out. The video stays in the chat and in /history.")


def press_no_part(lang: str) -> str:
    _ = words(lang)
    return _("This part is not in the film any more.")
