"""All texts exist completely in every language, and fit Telegram's limits."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from aiogram.utils.formatting import Bold, Text, sizeof
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from bot import texts
from bot.core.catalog import CATALOG
from bot.core.film import FilmProblem
from bot.core.notices import Notice, NoticeKind
from bot.core.prompt import PROMPT_LIMIT
from bot.core.schedule import PRIOR, DurationDistribution
from bot.core.task import (
    AspectRatio,
    Charge,
    Chat,
    Frame,
    Problem,
    Reason,
    Task,
    TaskEvent,
    TaskState,
)
from bot.texts import keyboards
from bot.texts.i18n import LANGUAGES, LOCALES, catalogs, fill, language_of, words

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEYWORDS = {"_": None, "N_": None, "plural": (1, 2)}
DETAILS = {
    Problem.PROMPT_TOO_LONG: {"length": 1200, "limit": 800},
    Problem.FILE_TOO_BIG: {"size": 30_000_000, "limit": 20_971_520},
    Problem.VOICE_TOO_LONG: {"seconds": 75, "limit": 60},
    Problem.IMAGE_SIDES: {"width": 40, "height": 60, "minimum": 64},
}
PARAMS: dict[NoticeKind, dict[str, str]] = {
    NoticeKind.FAILED: {"reason": Reason.NO_RESULT.value, "charge": Charge.TAKEN.value},
    NoticeKind.UNKNOWN: {"price": "17"},
    NoticeKind.CHARGED: {"price": "17"},
    NoticeKind.ALBUM: {"videos": "1.2.3"},
    NoticeKind.FILM_NOT_JOINED: {"film": "1", "problem": "size", "part": "2"},
    NoticeKind.VIDEO_LINK: {"url": "https://videos.test/1.mp4"},
    NoticeKind.ACCESS_ASKED: {"user_id": "7", "name": "Ann", "username": "ann"},
    NoticeKind.ALERT: {"alert": "unknown", "task": "7"},
    NoticeKind.ALERT_OVER: {"alert": "disk_low", "seconds": "90"},
    NoticeKind.PRICES_DIFFER: {"lines": "seedance-1-lite-480P-5s: 17 → 18"},
    NoticeKind.STARS_BACK: {"stars": "21", "failed": "yes"},
    NoticeKind.STARS_PAID: {"stars": "21", "credit": "35.50"},
    NoticeKind.CREDIT_BACK: {"price": "17"},
    NoticeKind.CREDIT_GIVEN: {"roubles": "100", "credit": "117.50"},
    NoticeKind.GIFT: {"why": "friend", "videos": "2", "roubles": "0", "have": "3"},
}


def task(lang: str = "en", **changes: Any) -> Task:
    made = Task(
        id=1,
        user_id=2,
        chat=Chat(chat_id=3),
        message_id=4,
        lang=lang,
        model="seedance-1-lite-480P-5s",
        price=Decimal(17),
        state=TaskState.DRAFT,
        run_at=NOON,
        created_at=NOON,
        prompt="A cat",
    )
    return replace(made, **changes)


def said(text: Text | str) -> str:
    return text if isinstance(text, str) else text.render()[0]


def catalog(lang: str) -> Catalog:
    with (LOCALES / lang / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=lang, abort_invalid=True)


def messages(lang: str) -> list[Message]:
    return [message for message in catalog(lang) if message.id]


def forms(value: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def fields(template: str) -> set[str | None]:
    return {field for _, field, _, _ in Formatter().parse(template) if field is not None}


# --- the catalogs --------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_catalog_has_exactly_the_messages_of_the_program(lang: str) -> None:
    spoken = {
        forms(message)
        for file in Path(texts.__file__).parent.glob("*.py")
        for _, message, _, _ in extract_from_file("python", file, keywords=KEYWORDS)
    }
    kept = {forms(message.id) for message in messages(lang)}
    assert len(spoken) > 100
    page = f"bot/texts/locales/{lang}/LC_MESSAGES/messages.po"
    assert spoken - kept == set(), f"add these messages to {page}"
    assert kept - spoken == set(), f"no text uses these any more: delete them from {page}"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_message_has_all_its_forms_with_the_same_fields(lang: str) -> None:
    whole = catalog(lang)
    assert not whole.obsolete
    for message in messages(lang):
        strings = forms(message.string)
        assert not message.fuzzy, message.id
        assert strings, message.id
        assert all(strings), message.id
        assert len(strings) == (1 if isinstance(message.id, str) else whole.num_plurals)
        for string in strings:
            assert fields(string) == fields(forms(message.id)[0]), message.id


def test_english_equals_the_msgid_and_russian_is_translated() -> None:
    for message in messages("en"):
        # with a context, an entry exists because the words differ
        same = forms(message.string) == forms(message.id)
        assert same is (message.context is None), message.id
    for message in messages("ru"):
        for string in forms(message.string):
            assert any("а" <= char <= "я" for char in string.lower()), message.id


def test_the_catalogs_are_read_once_and_have_every_language() -> None:
    assert catalogs() is catalogs()
    assert set(catalogs().available_locales) == set(LANGUAGES)


# --- everything has a text -----------------------------------------------------------------


def both(speak: Callable[[str], Text | str]) -> tuple[str, str]:
    english, russian = said(speak("en")), said(speak("ru"))
    assert english.strip()
    assert english != russian
    for text in (english, russian):
        assert "{" not in text
        assert sizeof(text) <= texts.formatting.TEXT_LIMIT
    return english, russian


def test_every_reason_has_words() -> None:
    missing = set(Reason) - texts.failures.REASONS.keys()
    assert not missing, f"add {sorted(missing)} to REASONS in bot/texts/failures.py"


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("charge", Charge)
def test_every_failure_says_what_happened_the_money_and_what_to_do(
    reason: Reason, charge: Charge
) -> None:
    assert set(texts.failures.CHARGES) == set(Charge)
    for text in both(lambda lang: texts.failures.failure(lang, reason, charge)):
        head, happened, money, advice = text.split("\n")
        assert head
        assert happened
        assert money.startswith("💳")
        assert advice


def test_failures_differ_from_each_other() -> None:
    for lang in LANGUAGES:
        happened = {said(texts.failures.failure(lang, reason, Charge.NONE)) for reason in Reason}
        assert len(happened) == len(Reason)


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_text_has_problem_and_remedy(problem: Problem) -> None:
    assert set(texts.failures.PROBLEMS) == set(Problem)
    details = DETAILS.get(problem, {})
    for text in both(lambda lang: texts.failures.problem(lang, problem, details)):
        wrong, advice = text.split("\n")
        assert wrong
        assert advice
        if "width" in details:
            assert f"{details['width']}×{details['height']}" in wrong


@pytest.mark.parametrize("problem", FilmProblem)
def test_every_film_that_is_not_joined_says_why_the_money_and_what_to_do(
    problem: FilmProblem,
) -> None:
    assert set(texts.films.PROBLEMS) == set(FilmProblem)
    for text in both(lambda lang: texts.films.not_joined(lang, problem, 2)):
        head, why, money, advice = text.split("\n")
        assert head
        assert why
        assert "None" not in text
        assert money.startswith("💳")
        assert advice


def test_a_list_of_many_long_parts_fits_and_counts_its_seconds() -> None:
    parts = [task(prompt="🐈" * PROMPT_LIMIT, film_id=1, film_place=n) for n in range(99)]
    english, russian = both(lambda lang: texts.films.parts(lang, parts))
    assert "Film of 99 parts · 8 minutes 15 seconds" in english
    assert "Фильм из 99 частей · 8 минут 15 секунд" in russian
    assert "99. 🐈" in english
    both(lambda lang: texts.films.parts(lang, []))
    both(lambda lang: texts.films.caption(lang, [*parts[:2], task(model="gone-model")]))
    both(lambda lang: texts.films.part(lang, parts[0], 1, 2))
    both(lambda lang: texts.films.part(lang, parts[0], 2, 2))


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_notice_has_a_text(kind: NoticeKind) -> None:
    both(
        lambda lang: texts.notices.notice(
            Notice(kind=kind, chat=Chat(chat_id=1), lang=lang, params=PARAMS.get(kind, {}))
        )
    )


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_said_elsewhere_begins_with_the_order(kind: NoticeKind) -> None:
    """As when the group of the order cannot be written to."""
    group = Chat(chat_id=-5, message_thread_id=3)
    for lang in LANGUAGES:
        order = task(lang, chat=group, prompt="A cat on a roof")
        told = Notice(kind=kind, chat=order.own_chat, lang=lang, params=PARAMS.get(kind, {}))
        there = Notice(kind=kind, chat=group, lang=lang, params=PARAMS.get(kind, {}))
        about = "A cat on a roof" in said(texts.notices.notice(told, order))
        assert about is (kind is not NoticeKind.ALBUM)
        assert "A cat on a roof" not in said(texts.notices.notice(there, order))


def test_a_redirected_video_says_why_and_the_group_where_it_is() -> None:
    both(texts.statuses.status_redirected)
    for lang, why in (("en", "does not let me send it"), ("ru", "не даёт мне его отправить")):
        long = task(lang, redirected=True, prompt="x" * 3000)
        assert why in said(texts.results.caption(long))
        assert sizeof(said(texts.results.caption(long))) <= texts.formatting.CAPTION_LIMIT
        assert why not in said(texts.results.caption(task(lang)))


def test_a_video_that_comes_as_a_file_says_why() -> None:
    for lang, why in (("en", "comes as a file"), ("ru", "приходит файлом")):
        assert why in said(texts.results.caption(task(lang), as_file=True))
        assert why in said(texts.results.caption(task(lang, video_is_document=True)))
        assert why not in said(texts.results.caption(task(lang)))


@pytest.mark.parametrize("state", TaskState)
def test_a_press_without_effect_is_explained_in_every_state(state: TaskState) -> None:
    both(lambda lang: texts.statuses.press_done(lang, state))


def test_every_answer_to_a_press_fits_telegrams_200() -> None:
    answers = [
        function
        for subject in texts.__all__
        for name, function in inspect.getmembers(getattr(texts, subject), inspect.isfunction)
        if name.startswith("press_") and name != "press_done"
    ]
    assert len(answers) > 25
    for answer in answers:
        assert all(sizeof(text) <= 200 for text in both(answer))
    for state in TaskState:
        for lang in LANGUAGES:
            assert sizeof(texts.statuses.press_done(lang, state)) <= 200


def test_the_bots_page_and_commands_fit_telegram() -> None:
    for lang in LANGUAGES:
        assert 0 < sizeof(texts.commands.description(lang)) <= 512
        assert 0 < sizeof(texts.commands.short_description(lang)) <= 120
        names = [name for name, _ in texts.commands.commands(lang)]
        assert {"start", "help", "cancel", "privacy"} <= set(names)
        assert all(1 <= sizeof(words) <= 256 for _, words in texts.commands.commands(lang))
        assert all(name.islower() and len(name) <= 32 for name in names)
    assert texts.commands.commands("en") != texts.commands.commands("ru")


@pytest.mark.parametrize("photos_on", [True, False])
def test_commands_are_answered_with_the_price_and_what_is_possible(photos_on: bool) -> None:
    model = CATALOG["seedance-1-lite-480P-5s"]
    group = both(
        lambda lang: texts.commands.start(lang, model, photos_on=photos_on, in_group=True)
    )
    assert all("/video" in text for text in group)
    start = both(lambda lang: texts.commands.start(lang, model, photos_on=photos_on))
    help = both(lambda lang: texts.commands.help(lang, model, photos_on=photos_on))
    for text in (*start, *help):
        assert "17\N{NO-BREAK SPACE}₽" in text
        assert "480p" in text
    english, russian = start
    assert ("photo" in english) is photos_on
    assert ("фото" in russian) is photos_on
    both(texts.privacy.privacy)


@pytest.mark.parametrize(
    "say",
    [
        texts.cards.frame_kept, texts.statuses.cancelled,
        texts.statuses.too_late_to_cancel, texts.statuses.nothing_to_cancel,
        texts.commands.language_set, texts.statuses.overdue, texts.failures.undeliverable,
        texts.statuses.held, texts.statuses.button_cancel,
        texts.results.button_redeliver,
    ],
)  # fmt: skip
def test_texts_without_a_task_exist_in_both_languages(say: Callable[[str], Text | str]) -> None:
    both(say)


# --- money, time, plurals ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roubles", "english", "russian"),
    [("17", "17", "17"), ("6.8", "6.80", "6,80"), ("1240", "1,240", "1\xa0240")],
)
def test_prices_are_written_as_the_language_does(roubles: str, english: str, russian: str) -> None:
    assert words("en").price(Decimal(roubles)) == f"{english}\N{NO-BREAK SPACE}₽"
    assert words("ru").price(Decimal(roubles)) == f"{russian}\N{NO-BREAK SPACE}₽"


@pytest.mark.parametrize(
    ("seconds", "russian"),
    [
        (0, "0 секунд"),
        (1, "1 секунда"),
        (2.4, "2 секунды"),
        (5, "5 секунд"),
        (11, "11 секунд"),
        (21, "21 секунда"),
        (60, "1 минута"),
        (82, "1 минута 22 секунды"),
        (3600 + 120 + 5, "1 час 2 минуты"),
        (2 * 86_400 - 60, "47 часов 59 минут"),
        (7 * 86_400, "7 дней"),
        (2 * 86_400 + 3_700, "2 дня 1 час"),
    ],
)
def test_durations_have_russian_plurals(seconds: float, russian: str) -> None:
    assert words("ru").duration(seconds) == russian


@pytest.mark.parametrize("state", TaskState)
def test_an_admin_reads_states_in_russian_and_as_the_log_names_them_in_english(
    state: TaskState,
) -> None:
    event = TaskEvent(task_id=1, state=state, at=NOON)
    shown = {lang: said(texts.admin.order(lang, task(state=state), [event])) for lang in LANGUAGES}
    assert shown["en"].count(state.value) == 2
    assert state.value not in shown["ru"]


def test_an_estimate_is_learnt_and_before_that_the_catalogs() -> None:
    learnt = DurationDistribution(early=42, median=50, late=78, last=100, known=True)
    quick = said(
        texts.statuses.status_generating("ru", task("ru"), elapsed=41, distribution=learnt)
    )
    slow = said(
        texts.statuses.status_generating("ru", task("ru"), elapsed=79, distribution=learnt)
    )
    guess = said(
        texts.statuses.status_generating("ru", task("ru"), elapsed=1000, distribution=PRIOR)
    )
    assert "Прошло: 41 секунда" in quick
    assert "Обычно: 40–80 секунд" in quick
    assert "дольше обычного" not in quick
    assert "дольше обычного" in slow
    assert "Обычно: 1 минута" in guess
    assert "дольше" not in guess
    unknown = task("ru", model="gone-from-the-catalog")
    assert "Обычно" not in said(
        texts.statuses.status_generating("ru", unknown, elapsed=41, distribution=PRIOR)
    )


@pytest.mark.parametrize(
    ("early", "late", "russian"),
    [(1, 4, "0–5 секунд"), (20, 119, "20–120 секунд"), (70, 121, "1–3 минуты"),
     (100, 290, "1–5 минут")],
)  # fmt: skip
def test_a_range_shows_the_learnt_durations(early: float, late: float, russian: str) -> None:
    distribution = DurationDistribution(
        early=early, median=early, late=late, last=late, known=True
    )
    assert russian in said(
        texts.statuses.status_generating("ru", task("ru"), elapsed=1, distribution=distribution)
    )


def test_the_status_shows_the_position_and_whether_it_can_be_cancelled() -> None:
    queued = task("ru", state=TaskState.QUEUED, aspect_ratio=AspectRatio.TALL)
    assert "3" in said(texts.statuses.status_queued("ru", queued, 3)).split("\n")[0]
    assert "следующий" in said(texts.statuses.status_queued("ru", queued, 1))
    assert "бесплатно" in said(texts.statuses.status_queued("ru", queued))
    submitting = replace(queued, state=TaskState.SUBMITTING)
    assert "бесплатно" not in said(texts.statuses.status_queued("ru", submitting))
    assert "9:16" in said(texts.statuses.status_queued("ru", queued))
    both(lambda lang: texts.statuses.status_sending(lang, queued))
    both(lambda lang: texts.statuses.status_waiting(lang, queued))
    both(lambda lang: texts.statuses.status_waiting(lang, queued, busy=True))
    english, russian = both(lambda lang: texts.statuses.status_no_address(lang, queued))
    assert "no money was taken" in english
    assert "деньги не списаны" in russian


def test_an_unknown_order_names_the_price_that_may_be_lost() -> None:
    for text in both(lambda lang: texts.failures.unknown(lang, Decimal("6.8"))):
        assert "₽" in text


@pytest.mark.parametrize("reason", Reason)
def test_an_undelivered_video_is_called_kept_only_if_it_is(reason: Reason) -> None:
    kept = reason is Reason.CHAT_UNREACHABLE
    for lang, word in (("en", "is kept"), ("ru", "хранится")):
        notice = Notice(kind=NoticeKind.UNDELIVERABLE, chat=Chat(chat_id=1), lang=lang,
                        params={"reason": reason.value})  # fmt: skip
        text = said(texts.notices.notice(notice))
        assert (word in text) is kept
        assert "💳" in text
        assert kept or words(lang)(texts.failures.REASONS[reason][0]) in text


def test_a_link_is_shown_as_text() -> None:
    text, entities = texts.results.video_link("en", "https://videos.test/x").render()
    assert "https" not in text
    assert [e.url for e in entities if e.type == "text_link"] == ["https://videos.test/x"]


# --- prompts and limits --------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("letter", ["я", "猫"])
def test_the_longest_prompt_is_shown_whole_on_a_card_and_below_a_video(
    lang: str, letter: str
) -> None:
    prompt = letter * PROMPT_LIMIT
    frame = Frame(file_id="x", kind="photo")
    longest = task(lang, prompt=prompt, frame=frame, model="seedance-1-pro-fast-1080P-12s",
                   price=Decimal("1117.60"), aspect_ratio=AspectRatio.WIDE, confirmed_at=NOON,
                   rendered_at=NOON + timedelta(hours=11, minutes=22))  # fmt: skip
    for text in (texts.cards.card(lang, longest), texts.results.caption(longest)):
        assert prompt in said(text)
        assert sizeof(said(text)) <= texts.formatting.CAPTION_LIMIT


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_prompt_of_emoji_is_cut_for_a_caption_and_whole_in_a_text(lang: str) -> None:
    prompt = "🐈" * PROMPT_LIMIT
    with_photo = task(lang, prompt=prompt, frame=Frame(file_id="x", kind="photo"))
    text, entities = texts.cards.card(lang, with_photo).render()
    assert texts.formatting.CAPTION_LIMIT - 1 <= sizeof(text) <= texts.formatting.CAPTION_LIMIT
    assert "🐈…" in text
    quote = next(entity for entity in entities if entity.type == "expandable_blockquote")
    assert quote.offset == 0
    assert quote.length == sizeof(text.split("\n")[0])
    assert prompt in said(texts.cards.card(lang, replace(with_photo, frame=None)))


@given(st.text(max_size=60), st.integers(1, 70))
def test_a_cut_never_exceeds_the_limit_nor_splits_a_character(text: str, limit: int) -> None:
    short = texts.formatting.cut(text, limit)
    assert sizeof(short) <= limit
    short.encode()
    if sizeof(text) <= limit:
        assert short == text
    else:
        assert short.endswith("…")
        assert text.startswith(short[:-1])


def test_a_person_cannot_write_markup_or_fields_into_a_card() -> None:
    hostile = "<b>{price}</b> *x* [a](b) & {0}"
    text, entities = texts.cards.card("en", task(prompt=hostile)).render()
    assert text.startswith(hostile)
    assert {entity.type for entity in entities} == {"expandable_blockquote", "bold"}


def test_a_model_that_left_the_catalog_is_named_by_its_id() -> None:
    assert "gone-model" in said(texts.results.caption(task(model="gone-model")))


def test_fields_are_filled_with_pieces_that_keep_their_entities() -> None:
    text, entities = fill("a {x} b {{}}", x=Bold("🐈!")).render()
    assert text == "a 🐈! b {}"
    assert [(e.type, e.offset, e.length) for e in entities] == [("bold", 2, 3)]


@pytest.mark.parametrize(
    ("code", "lang"),
    [("ru", "ru"), ("uk", "ru"), ("be", "ru"), ("kk", "ru"), ("ru-RU", "ru"), ("en", "en"),
     ("pt-br", "en"), ("zh-hans", "en"), (None, "en"), ("", "en")],
)  # fmt: skip
def test_the_language_follows_telegrams(code: str | None, lang: str) -> None:
    assert language_of(code) == lang


# --- below a video, history, their data ------------------------------------------------------


def test_the_effect_of_a_press_is_shown_with_its_price() -> None:
    source = task("ru", frame=Frame(file_id="x", kind="photo"))
    for say in (texts.cards.new_words, texts.cards.last_frame):
        for lang in LANGUAGES:
            alone = said(say(lang, source))
            assert words(lang)("In a group, send it as a reply to this message.") not in alone
            group = replace(source, chat=Chat(chat_id=-5))
            assert words(lang)("In a group, send it as a reply to this message.") in said(
                say(lang, group)
            )
    assert said(texts.cards.new_words("en", source)).endswith("\nA cat")
    longest = replace(source, prompt="🐈" * texts.formatting.TEXT_LIMIT)
    assert sizeof(said(texts.cards.new_words("ru", longest))) <= texts.formatting.TEXT_LIMIT


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("reason", Reason)
def test_a_failed_part_is_not_to_be_sent_again_beside_its_film(lang: str, reason: Reason) -> None:
    """The film goes on with its own button; a prompt that is sent again only makes a separate
    video."""
    params = {"reason": reason.value, "charge": Charge.NONE.value}
    notice = Notice(kind=NoticeKind.FAILED, chat=Chat(chat_id=3), lang=lang, params=params)
    part = task(lang, state=TaskState.FAILED, storyboard_id=1, film_place=1, film_last=3)
    alone, of_film = (said(texts.notices.notice(notice, one)) for one in (task(lang), part))
    again = re.compile("send the prompt|prompt again|отправьте описание|отправьте снова", re.I)
    other_ways = ("frame", "chat")  # here another photo or the right to write is needed first
    assert reason.value.startswith(other_ways) or not again.search(of_film)
    assert words(lang)(texts.failures.REASONS[reason][0]) in of_film
    assert words(lang)(texts.failures.REASONS[reason][1]) in alone


def test_people_read_and_copy_their_own_words_where_a_translation_was_sent() -> None:
    one = task("ru", prompt="A cat", original="Кот", rewritten="A cat", film_place=1)
    elsewhere = Notice(
        kind=NoticeKind.UNKNOWN, chat=Chat(chat_id=9), lang="ru", params={"price": "17"}
    )
    [copied] = keyboards.results.copy(one)
    assert copied.copy_text is not None
    for shown in (
        said(texts.results.caption(one)),
        said(texts.cards.new_words("ru", one)),
        said(texts.films.part("ru", one, 1, 2)),
        said(texts.history.order("ru", one)),
        said(texts.notices.notice(elsewhere, one)),
        copied.copy_text.text,
    ):
        assert "Кот" in shown
        assert "A cat" not in shown


def test_a_page_of_history_names_each_order_its_state_and_its_day() -> None:
    orders = [
        texts.history.Entry(
            task=(
                one := task(id=number, prompt=f"A cat\nnumber {number} " + "x" * 100, state=state)
            ),
            title=texts.history.title(one),
            parts=3 if state is TaskState.FAILED else 1,
        )
        for number, state in enumerate(TaskState)
    ]
    english, russian = both(lambda lang: texts.history.listed(lang, orders, 1, 3))
    assert "page 2 of 3" in english
    assert "страница 2 из 3" in russian
    assert "ready · 1 January 2026" in english
    assert "готово · 1 января 2026" in russian
    assert all(sizeof(line) < 80 for line in english.split("\n"))
    assert "film of 3 parts" in english
    assert "фильм из 3 частей" in russian
    for caption in both(lambda lang: texts.history.history(lang, orders[:6], 0, 1, sought="cat")):
        assert sizeof(caption) <= texts.formatting.CAPTION_LIMIT
        assert "2026" not in caption
    both(lambda lang: texts.history.listed(lang, [], 0, 1))
    english, russian = both(lambda lang: texts.history.history(lang, [], 0, 1, sought="fox"))
    assert "Nothing found: fox" in english


@pytest.mark.parametrize("state", TaskState)
def test_an_order_without_a_video_shows_its_outcome(state: TaskState) -> None:
    for text in both(lambda lang: texts.history.order(lang, task(lang, state=state))):
        assert text.startswith("A cat\n")


@pytest.mark.parametrize(
    "say",
    [
        texts.privacy.delete_me, texts.privacy.deleted_me, texts.privacy.kept_me,
        texts.privacy.button_delete_me,
        texts.privacy.button_keep_me, texts.cards.consent, texts.history.inline_button,
        texts.results.video_too_big,
        texts.results.video_gone, *texts.results.BUTTONS.values(),
    ],
)  # fmt: skip
def test_texts_about_videos_and_data_exist_in_both_languages(
    say: Callable[[str], Text | str],
) -> None:
    both(say)


def test_a_repeated_refusal_shows_its_count() -> None:
    unsafe, none = Reason.UNSAFE_PROMPT, Charge.NONE
    assert "so far: 3." in said(texts.failures.failure("en", unsafe, none, 3))
    for strikes in (0, 1):
        assert "so far" not in said(texts.failures.failure("en", unsafe, none, strikes))
    params = {"reason": unsafe.value, "charge": none.value, "price": "17", "strikes": "2"}
    told = Notice(kind=NoticeKind.FAILED, chat=Chat(chat_id=1), lang="ru", params=params)
    assert "Отказов по вашим заказам: 2." in said(texts.notices.notice(told))


def test_privacy_names_the_retention_and_the_deletion() -> None:
    english, russian = both(lambda lang: texts.privacy.privacy(lang, 90))
    assert "90 days" in english
    assert "90 дней" in russian
    assert "/delete_me" in english
    assert "days" not in said(texts.privacy.privacy("en"))


def test_privacy_names_who_passes_photos_on() -> None:
    english, russian = both(lambda lang: texts.privacy.privacy(lang, tunnel="Cloudflare"))
    assert "Its owner, Cloudflare, passes the picture on" in english
    assert "Его владелец, Cloudflare, передаёт картинку дальше" in russian
    assert "tunnel" not in said(texts.privacy.privacy("en"))


def test_privacy_names_referrals_where_there_are_any() -> None:
    english, russian = both(lambda lang: texts.privacy.privacy(lang, refers=True))
    assert "Who invited you is kept until your first video, 30 days at most" in english
    assert "30 дней" in russian
    assert "invited" not in said(texts.privacy.privacy("en"))


def test_a_card_asks_for_consent_only_where_a_photo_goes_out() -> None:
    plain = task("en")
    framed = replace(plain, frame=Frame(file_id="x", kind="photo"))
    assert texts.cards.consent("en") in said(texts.cards.card("en", framed, asks_consent=True))
    assert texts.cards.consent("en") not in said(texts.cards.card("en", framed))
    assert texts.cards.consent("en") not in said(texts.cards.card("en", plain, asks_consent=True))


def test_groups_have_a_short_menu() -> None:
    for lang in LANGUAGES:
        menu = texts.commands.group_commands(lang)
        assert {"video", "cancel"} <= {name for name, _ in menu}
        assert len(menu) < len(texts.commands.commands(lang))


@pytest.mark.parametrize("say", [texts.commands.start, texts.commands.help])
def test_where_prompts_are_translated_people_write_in_their_own_language(
    say: Callable[..., Text],
) -> None:
    model = CATALOG["seedance-1-lite-480P-5s"]
    russian = said(say("ru", model, photos_on=True, translates=True))
    assert not re.search("[a-z]{4,}", re.sub(r"/\w+|GPTunnel|Seedance Lite", "", russian)), russian
    plain = said(say("ru", model, photos_on=True))
    assert "английск" in plain
    both(lambda lang: say(lang, model, photos_on=True, translates=True))
