"""Buttons carry little, say what they do, and fit Telegram's limits."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardMarkup

from bot import texts
from bot.core.catalog import CATALOG, ID_LIMIT
from bot.core.notices import Notice, NoticeKind
from bot.core.task import AspectRatio, Chat, Reason, Task, TaskState
from bot.texts import callback_data, keyboards
from bot.texts.callback_data import (
    Act,
    AskAccess,
    AskIdeas,
    Below,
    BoardAct,
    BoardModel,
    ButtonData,
    BuyPackage,
    CancelTask,
    ChangePhoto,
    Choose,
    ChooseWording,
    DecideAccess,
    DeleteMe,
    DrawPicture,
    DropRequest,
    DropVideo,
    FilmAct,
    FirstStep,
    GoOnFilm,
    Improve,
    OfBoard,
    OfFilm,
    OpenFilm,
    OpenOrder,
    Operate,
    Operation,
    Options,
    OrderFilm,
    OwnWords,
    PickRatio,
    Redeliver,
    RefundPayment,
    RetryUnknown,
    RevokeInvite,
    RevokePromo,
    SetCap,
    SetLanguage,
    SetModel,
    SetRatio,
    Several,
    ShowExample,
    ShowInvites,
    ShowPeople,
    ShowVideo,
    Step,
    StopFilm,
    TakeExample,
    TakeIdea,
    TurnFound,
    TurnPage,
    UsePicture,
)
from bot.texts.i18n import LANGUAGES

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LARGEST_ID = 2**63 - 1


def task(**changes: object) -> Task:
    values: dict[str, object] = {
        "id": 7, "user_id": 2, "chat": Chat(chat_id=3), "message_id": 4, "lang": "en",
        "model": "seedance-1-lite-480P-5s", "price": Decimal(17), "state": TaskState.DRAFT,
        "run_at": NOON, "created_at": NOON, "prompt": "A cat",
    }  # fmt: skip
    return Task(**{**values, **changes})  # type: ignore[arg-type]


def _card_buttons() -> list[CallbackData]:
    return [
        Options(task_id=LARGEST_ID, shown=True),
        Choose(task_id=LARGEST_ID, model="x" * ID_LIMIT),
        Several(task_id=LARGEST_ID, count=3),
        ChooseWording(task_id=LARGEST_ID, own=True),
        Improve(task_id=LARGEST_ID),
        AskIdeas(task_id=LARGEST_ID),
        TakeIdea(task_id=LARGEST_ID, number=2),
        OwnWords(task_id=LARGEST_ID),
        ShowExample(index=999),
        TakeExample(index=999),
        DropRequest(number=LARGEST_ID),
        SetRatio(ratio="16:9"),
        SetModel(model="x" * ID_LIMIT),
    ]


def rows(markup: InlineKeyboardMarkup | None) -> list[list[tuple[str, str | None]]]:
    assert markup is not None
    return [[(b.text, b.callback_data) for b in row] for row in markup.inline_keyboard]


def test_a_card_has_the_ratios_in_one_row_and_cancel_below() -> None:
    assert rows(keyboards.cards.card(task())) == [
        [("1:1", "r|7|1:1"), ("16:9", "r|7|16:9"), ("9:16", "r|7|9:16")],
        [("Cancel", "x|7")],
    ]
    assert all(b.style is None for b in keyboards.cards.card(task()).inline_keyboard[0])


def test_the_ratio_nearest_to_the_photo_is_first_and_marked() -> None:
    [ratios, _] = keyboards.cards.card(task(), AspectRatio.TALL).inline_keyboard
    assert [b.text for b in ratios] == ["9:16", "1:1", "16:9"]
    assert [b.style for b in ratios] == ["primary", None, None]


def test_a_photo_without_a_prompt_can_only_be_cancelled() -> None:
    assert rows(keyboards.cards.card(task(prompt=None))) == [[("Cancel", "x|7")]]


@pytest.mark.parametrize("state", TaskState)
def test_a_status_can_be_cancelled_only_while_that_is_free(state: TaskState) -> None:
    markup = keyboards.results.status(task(state=state))
    if state is TaskState.QUEUED:
        assert rows(markup) == [[("Cancel", "x|7")]]
    else:
        assert markup is None


def test_notices_that_need_a_decision_have_their_button() -> None:
    def below(kind: NoticeKind, task_id: int | None = 7) -> InlineKeyboardMarkup | None:
        return keyboards.notices.notice(
            Notice(kind=kind, chat=Chat(chat_id=1), lang="ru", task_id=task_id,
                   params={"price": "6.8"})
        )  # fmt: skip

    assert rows(below(NoticeKind.UNKNOWN)) == [[("Заказать ещё раз · 6,80\xa0₽", "u|7")]]
    assert rows(below(NoticeKind.UNDELIVERABLE)) == [[("Отправить видео", "d|7")]]
    assert below(NoticeKind.UNKNOWN, None) is None
    assert rows(below(NoticeKind.VIDEO_LINK)) == [
        [("📐 Другой формат", "b|r|7"), ("✏️ Другое описание", "b|w|7")]
    ]
    for kind in (NoticeKind.OVERDUE, NoticeKind.HELD):
        assert below(kind) is None


@pytest.mark.parametrize(
    ("reasons", "rows_below"),
    [
        (
            {Reason.SENSITIVE_CONTENT, Reason.UNSAFE_PROMPT, Reason.INVALID_INPUT},
            [("✏️ Change prompt", "b|w|7")],
        ),
        (
            {Reason.FRAME_UNAVAILABLE, Reason.FRAME_UNUSABLE, Reason.FRAMES_OFF},
            [("✍️ Without the photo", "b|n|7")],
        ),
        (
            {Reason.PROVIDER_FAILED, Reason.NEVER_FINISHED, Reason.MODEL_GONE},
            [("🔁 Again · 17\xa0₽", "b|a|7"), ("✏️ Change prompt", "b|w|7")],
        ),
    ],
)
def test_a_failure_has_the_button_that_helps(
    reasons: set[Reason], rows_below: list[tuple[str, str]]
) -> None:
    for reason in reasons:
        params = {"reason": reason.value, "charge": "none", "price": "17"}
        told = Notice(
            kind=NoticeKind.FAILED, chat=Chat(chat_id=1), lang="en", task_id=7, params=params
        )
        assert rows(keyboards.notices.notice(told)) == [rows_below]


def test_every_failure_has_a_button() -> None:
    for reason in Reason:
        assert rows(keyboards.results.failed(7, "en", reason))


def test_a_video_has_all_its_buttons() -> None:
    video = task(state=TaskState.RENDERED)
    first = [("🔁 Again · 17\xa0₽", "b|a|7"), ("✏️ Edit", "b|w|7")]
    assert rows(keyboards.results.result(video)) == [
        first,
        [("🎞 Continue", "b|f|7"), ("⋯ More", "b|m|7")],
    ]
    assert rows(keyboards.results.result(video, is_open=True)) == [
        first,
        [("🎞 Continue", "b|f|7"), ("⋯ Less", "b|l|7")],
        [("📐 Other ratio", "b|r|7"), ("📄 As a file", "b|d|7")],
        [("📋 Copy prompt", None)],
        [("🗑 Delete", "b|x|7")],
    ]
    [button] = keyboards.results.copy(video)
    assert button.copy_text is not None
    assert button.copy_text.text == "A cat"
    assert rows(keyboards.results.result(video, forget=True))[-1][-1] == ("⋯ More", "b|o|7")
    opened = rows(keyboards.results.result(video, forget=True, is_open=True))
    assert opened[1][-1] == ("⋯ Less", "b|p|7")
    assert opened[-1] == [("🗑 Delete for good", "b|z|7")]


def test_a_part_of_a_film_leads_to_the_whole_film() -> None:
    first = task(state=TaskState.RENDERED, film_id=3, film_place=1)
    assert rows(keyboards.results.result(first)) == rows(
        keyboards.results.result(task(state=TaskState.RENDERED))
    )
    second = task(state=TaskState.RENDERED, film_id=3, film_place=2)
    whole = [("▶️ Whole film", "f|w|3|0"), ("✂️ Parts", "f|p|3|0")]
    assert rows(keyboards.results.result(second))[2] == whole
    told = Notice(kind=NoticeKind.FILM_NOT_JOINED, chat=Chat(chat_id=1), lang="en",
                  params={"film": 3, "problem": "size", "part": 2})  # fmt: skip
    assert rows(keyboards.notices.notice(told)) == [[("✂️ Parts", "f|p|3|0")]]


@pytest.mark.parametrize(("letter", "fits"), [("я", 256), ("🐈", 128)])
def test_a_prompt_too_long_for_a_button_is_not_offered_for_copying(letter: str, fits: int) -> None:
    assert keyboards.results.copy(task(prompt=letter * fits))
    assert keyboards.results.copy(task(prompt=letter * fits + "!")) == []


def test_a_page_of_history_leads_to_its_orders_and_to_other_pages() -> None:
    orders = [task(id=9), task(id=8)]
    assert rows(keyboards.results.history(orders, 2, 1, 3)) == [
        [("1", "ho|9"), ("2", "ho|8")],
        [("‹", "hp|2|0"), ("›", "hp|2|2")],
    ]
    assert rows(keyboards.results.history(orders, 2, 0, 1)) == [[("1", "ho|9"), ("2", "ho|8")]]
    assert keyboards.results.history([], 2, 0, 1) is None
    film = task(id=9, film_id=3)
    assert rows(keyboards.results.history([film], 2, 0, 2, films=[9], words="fox")) == [
        [("1", "hf|3")], [("›", "hs|2|1|fox")],
    ]  # fmt: skip


def test_the_words_of_a_search_fit_their_button() -> None:
    assert callback_data.searchable("  a|b   Лиса ") == "a b Лиса"
    words = callback_data.searchable("лиса бежит по свежему снегу на рассвете")
    assert words == "лиса бежит по све"


@pytest.mark.parametrize("state", TaskState)
def test_an_order_of_the_history_can_be_deleted_when_it_is_over(state: TaskState) -> None:
    markup = keyboards.results.order(task(state=state))
    shown = [data for row in rows(markup) for _, data in row] if markup else []
    resting = {TaskState.CANCELLED, TaskState.FAILED, TaskState.DELIVERED, TaskState.UNDELIVERABLE}
    assert ("b|z|7" in shown) is (state in resting)


def test_languages_are_offered_in_their_own_names() -> None:
    assert rows(keyboards.personal.languages()) == [[("English", "l|en"), ("Русский", "l|ru")]]


def test_callback_data_fits_64_bytes_and_round_trips() -> None:
    carried: list[CallbackData] = [
        *(PickRatio(task_id=LARGEST_ID, ratio=ratio) for ratio in AspectRatio),
        CancelTask(task_id=LARGEST_ID),
        RetryUnknown(task_id=LARGEST_ID),
        Redeliver(task_id=LARGEST_ID),
        *(SetLanguage(lang=lang) for lang in LANGUAGES),
        *(Below(act=act, task_id=LARGEST_ID) for act in Act),
        ShowVideo(task_id=LARGEST_ID, steps="0.100000000.200000000"),
        DropVideo(task_id=LARGEST_ID, steps="0.100000000.200000000.300000000"),
        DrawPicture(task_id=LARGEST_ID),
        ChangePhoto(task_id=LARGEST_ID),
        UsePicture(task_id=LARGEST_ID, steps="0.100000000.200000000.300000000"),
        *(OfFilm(act=act, film_id=LARGEST_ID, task_id=LARGEST_ID) for act in FilmAct),
        *(OfBoard(act=act, board_id=LARGEST_ID, revision=1_000_000, scene=5) for act in BoardAct),
        *(BoardModel(board_id=LARGEST_ID, model=one) for one in CATALOG),
        OrderFilm(board_id=LARGEST_ID, revision=1_000_000, ratio=AspectRatio.WIDE),
        StopFilm(task_id=LARGEST_ID),
        GoOnFilm(task_id=LARGEST_ID),
        TurnPage(user_id=LARGEST_ID, page=1_000_000),
        TurnFound(user_id=LARGEST_ID, page=1_000_000, words=callback_data.searchable("лиса " * 9)),
        OpenFilm(film_id=LARGEST_ID),
        OpenOrder(task_id=LARGEST_ID),
        BuyPackage(stars=100_000, roubles=9_999_999),
        RefundPayment(entry=LARGEST_ID),
        AskAccess(),
        ShowPeople(section="a", page=1_000_000),
        ShowInvites(),
        RevokeInvite(number=LARGEST_ID),
        RevokePromo(number=LARGEST_ID),
        SetCap(subject_id=-LARGEST_ID, per_day=True, videos=100),
        DecideAccess(user_id=LARGEST_ID, allow=True),
        DeleteMe(user_id=LARGEST_ID, sure=1),
        *(Operate(operation=one, number=LARGEST_ID) for one in Operation),
        *(FirstStep(step=one) for one in Step),
        *_card_buttons(),
    ]
    kinds = {
        kind
        for _, kind in inspect.getmembers(callback_data, inspect.isclass)
        if issubclass(kind, ButtonData) and kind is not ButtonData
    }
    assert {type(data) for data in carried} == kinds
    assert len({kind.__prefix__ for kind in kinds}) == len(kinds)
    for data in carried:
        packed = data.pack()
        assert len(packed.encode()) <= 64
        assert type(data).unpack(packed) == data


def test_below_an_album_each_video_has_all_its_buttons() -> None:
    first, second = task(state=TaskState.DELIVERED, variants=2), LARGEST_ID
    other = task(id=second, state=TaskState.DELIVERED, variant_of=7)
    for one, others in ((first, other), (other, first)):
        [numbers, *acts] = rows(keyboards.results.album(one, [7, second]))
        assert [text for text, _ in numbers] == ["1", "2"]
        alone = rows(keyboards.results.result(one, is_open=True))
        alone[1].pop()  # there is nothing more to show
        alone = [row for row in alone if row]
        assert acts[:-1] == alone[:-1]
        assert [text for text, _ in acts[-1]] == [text for text, _ in alone[-1]]
        drop = DropVideo.unpack(str(acts[-1][0][1]))
        assert drop.task_id == one.id
        shown = [ShowVideo.unpack(str(data)) for _, data in numbers]
        assert [data.task_id for data in shown] == [7, second]
        for task_ in (one, others):
            assert callback_data.of_album(task_, drop.steps) == [7, second]
    # Whatever somebody makes up.
    assert callback_data.of_album(first, "x.-1.5") == [7]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_labels_of_buttons_fit_a_phone(lang: str) -> None:
    for text in (
        texts.statuses.button_cancel(lang),
        texts.results.button_redeliver(lang),
        texts.results.button_retry(lang, Decimal("1117.60")),
    ):
        assert 0 < len(text) <= 32


@pytest.mark.parametrize("lang", LANGUAGES)
def test_two_buttons_side_by_side_fit_a_phone(lang: str) -> None:
    assert set(texts.results.BUTTONS) == {act.value for act in Act}
    for markup in (
        keyboards.results.result(
            task(lang=lang, state=TaskState.RENDERED, price=Decimal("117.60"))
        ),
        keyboards.results.failed(7, lang, Reason.PROVIDER_FAILED, Decimal("117.60")),
        keyboards.films.film(lang, 3, task(lang=lang)),
        keyboards.films.list_of_parts(lang, 3, (task(lang=lang), task(id=8, lang=lang))),
        keyboards.films.part(lang, 3, task(lang=lang), (7, 8)),
        keyboards.personal.delete_me(7, lang),
    ):
        for row in markup.inline_keyboard:
            for button in row:
                assert 0 < len(button.text) <= (32 if len(row) == 1 else 22)
