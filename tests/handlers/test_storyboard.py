"""/film: the card of a film and its buttons; each works from the rows alone, for its owner."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.core.access import Access
from bot.core.alerts import Switch
from bot.core.caps import Cap, Limit, OrderRules
from bot.core.catalog import CATALOG
from bot.core.prices import PriceView
from bot.core.storyboard import Scene
from bot.texts.i18n import words
from handlers.context import Offer
from tests.support.handler_harness import MODEL, NOON, Call, HandlerHarness, Person

LINES = "a cat runs\nit jumps\nit sleeps"
STORY = [Scene("<b>Кот</b> & письмо", "a cat & a letter"), Scene("Кот спит", "the cat sleeps")]


class Teller:
    """Tells this story, and remembers what it was asked."""

    def __init__(self, story: list[Scene] | None) -> None:
        self.story = story
        self.asked: list[tuple[str, str]] = []

    async def tell(self, idea: str, lang: str) -> list[Scene] | None:
        self.asked.append((idea, lang))
        return self.story


def tells(harness: HandlerHarness, story: list[Scene] | None) -> Teller:
    teller = Teller(story)
    harness.dispatcher["offer"] = replace(harness.dispatcher["offer"], storyteller=teller)
    return teller


def scenes(harness: HandlerHarness, board_id: int = 1) -> list[str]:
    [(found,)] = harness.rows("SELECT scenes FROM storyboards WHERE id = ?", board_id)
    return [prompt for _, prompt in json.loads(found)]


def pressed(call: Call, label: str) -> str:
    """The data of the button with this label."""
    return next(data for row in call.buttons for text, data in row if text == label)


def labels(call: Call) -> list[str]:
    return [text for row in call.buttons for text, _ in row]


async def card(harness: HandlerHarness, person: Person, lines: str = LINES) -> Call:
    await harness.feed(**person.text(f"/film {lines}"))
    return harness.telegram.sent[-1]


def last_edit(harness: HandlerHarness) -> Call:
    return harness.telegram.edits[-1]


async def test_lines_become_a_card_with_the_price_of_the_whole(
    harness: HandlerHarness, ann: Person
) -> None:
    shown = await card(harness, ann)
    assert shown.text.startswith("🎞 Film of 3 parts · 15 seconds\n1. a cat runs\n2. it jumps\n")
    assert "💳 Price of all parts: 3 × 17\xa0₽ = 51\xa0₽" in shown.text
    assert [text for text, _ in shown.buttons[0]] == ["1:1", "16:9", "9:16"]
    assert [text for text, _ in shown.buttons[1]] == ["1", "2", "3"]
    assert shown.reply_to == 1
    assert harness.states() == [], "nothing is ordered"


async def test_an_idea_is_told_in_the_persons_language_and_shown_as_plain_text(
    harness: HandlerHarness,
) -> None:
    boris = Person(harness, 8, "ru")
    teller = tells(harness, STORY)
    event = boris.text("/film кот находит письмо")
    number = await harness.feed(**event)
    assert teller.asked == [("кот находит письмо", "ru")]
    shown = harness.telegram.sent[-1]
    assert "1. <b>Кот</b> & письмо" in shown.text
    assert "a cat & a letter" in shown.text
    assert "parse_mode" not in shown.params
    await harness.again(number, **event)
    assert len(teller.asked) == 1, "a repeat asks nobody again"
    assert harness.rows("SELECT count(*) FROM storyboards") == [(1,)]


@pytest.mark.parametrize("story", [None, "no model"])
async def test_without_a_story_the_person_writes_the_scenes(
    harness: HandlerHarness, ann: Person, story: str | None
) -> None:
    if story is None:
        tells(harness, None)
    await harness.feed(**ann.text("/film a cat"))
    asked = harness.telegram.sent[-1]
    assert "One scene a line, 2 to 6 lines, as a reply" in asked.text
    assert ("I could not think of scenes" in asked.text) is (story is None)
    replied = {"message_id": asked.message_id, "date": 1, "chat": ann.chat, "from": _BOT}
    await harness.feed(**ann.text("only one", reply_to_message=replied))
    assert "You wrote 1 scene." in harness.telegram.sent[-1].text
    await harness.feed(**ann.text(LINES, reply_to_message=replied))
    assert "Film of 3 parts" in harness.telegram.sent[-1].text
    assert scenes(harness) == LINES.splitlines()
    assert harness.states() == [], "it is no draft of a video"


_BOT = {"id": 42, "is_bot": True, "first_name": "Video", "username": "video_bot"}


async def test_the_command_alone_explains_itself(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.text("/film"))
    assert "Write the scenes of your film after the command." in harness.telegram.sent[-1].text
    assert "yourself" not in harness.telegram.sent[-1].text  # nobody else writes them
    tells(harness, STORY)
    await harness.feed(**ann.text("/film"))
    assert "Write the idea of your film" in harness.telegram.sent[-1].text


@pytest.mark.parametrize("by", ["setting", "switch"])
async def test_without_pictures_there_are_no_films(
    harness: HandlerHarness, ann: Person, by: str
) -> None:
    if by == "setting":
        harness.dispatcher["offer"] = Offer(model=MODEL, photos_on=False)
    else:
        await harness.storage.alerts.hold(Switch.PHOTOS, by=1, now=NOON)
    shown = await card(harness, ann)
    assert "Films are not possible" in shown.text
    assert harness.rows("SELECT count(*) FROM storyboards") == [(0,)]


@pytest.mark.parametrize("count", [7, 9])
async def test_too_many_scenes_are_told(harness: HandlerHarness, ann: Person, count: int) -> None:
    shown = await card(harness, ann, "\n".join(f"scene {n}" for n in range(count)))
    assert f"You wrote {count} scenes." in shown.text


@pytest.mark.parametrize("way", ["caption", "reply"])
async def test_a_photo_is_the_first_frame_of_the_film(
    harness: HandlerHarness, ann: Person, way: str
) -> None:
    if way == "caption":
        entities = [{"type": "bot_command", "offset": 0, "length": 5}]
        await harness.feed(**ann.photo(caption=f"/film {LINES}", caption_entities=entities))
    else:
        photo = ann.photo()["message"]
        await harness.feed(**ann.text(f"/film {LINES}", reply_to_message=photo))
    shown = harness.telegram.sent[-1]
    assert "Your photo is the first frame" in shown.text
    assert "/privacy" in shown.text, "who receives the photo"
    assert harness.rows("SELECT frame_file_id, frame_kind FROM storyboards") == [
        ("photo-1", "photo")
    ]
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    assert harness.rows("SELECT frame_file_id FROM tasks ORDER BY id") == [
        ("photo-1",), (None,), (None,),
    ]  # fmt: skip


async def test_a_bad_picture_is_told_before_anybody_is_asked(
    harness: HandlerHarness, ann: Person
) -> None:
    teller = tells(harness, STORY)
    entities = [{"type": "bot_command", "offset": 0, "length": 5}]
    await harness.feed(
        **ann.document(b"no picture", caption="/film a cat", caption_entities=entities)
    )
    assert "not a picture" in harness.telegram.sent[-1].text
    assert teller.asked == []


# --- changing ------------------------------------------------------------------------------


async def test_scenes_are_moved_and_removed_once(harness: HandlerHarness, ann: Person) -> None:
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "1")))
    one = last_edit(harness)
    assert one.text.startswith("🎞 Scene 1 of 3\na cat runs")
    assert labels(one) == ["✏️ Edit", "⬇️", "🗑 Remove", "‹ All scenes"]
    event = ann.press(pressed(one, "⬇️"))
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert scenes(harness) == ["it jumps", "a cat runs", "it sleeps"]
    await harness.feed(**ann.press(pressed(last_edit(harness), "2")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "🗑 Remove")))
    assert scenes(harness) == ["it jumps", "it sleeps"]
    await harness.feed(**ann.press(pressed(last_edit(harness), "2")))
    assert "🗑 Remove" not in labels(last_edit(harness)), "a film needs two"
    await harness.feed(**ann.press(f"fb|x|1|{_revision(harness)}|0"))
    assert harness.telegram.toasts[-1] == "A film needs at least 2 scenes."


def _revision(harness: HandlerHarness) -> int:
    return int(harness.rows("SELECT revision FROM storyboards")[0][0])


async def asked_for_scene_2(harness: HandlerHarness, ann: Person) -> dict[str, Any]:
    """Press "Edit" below scene 2; return the message to reply to."""
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "2")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "✏️ Edit")))
    asked = harness.telegram.sent[-1]
    assert "Write scene 2." in asked.text
    return {"message_id": asked.message_id, "date": 1, "chat": ann.chat, "from": _BOT}


async def test_a_scene_is_edited_or_added_by_a_reply_which_counts_once(
    harness: HandlerHarness, ann: Person
) -> None:
    replied = await asked_for_scene_2(harness, ann)
    event = ann.text("it dances --ar 1:1", reply_to_message=replied)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert scenes(harness) == ["a cat runs", "it dances", "it sleeps"]
    assert harness.states() == []
    new = harness.telegram.sent[-1]
    await harness.feed(**ann.press(pressed(new, "➕ Scene")))
    asked = harness.telegram.sent[-1]
    replied = replied | {"message_id": asked.message_id}
    event = ann.text("it wakes", reply_to_message=replied)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert scenes(harness) == ["a cat runs", "it dances", "it sleeps", "it wakes"]


async def test_an_edited_answer_changes_its_scene_and_makes_no_card(
    harness: HandlerHarness, ann: Person
) -> None:
    replied = await asked_for_scene_2(harness, ann)
    event = ann.text("it dances " * 100, reply_to_message=replied)
    await harness.feed(**event)
    assert "too long" in harness.telegram.sent[-1].text
    await harness.feed(**edited(event, "it dances"))
    assert scenes(harness) == ["a cat runs", "it dances", "it sleeps"]
    await harness.feed(**edited(event, "it sings"))
    assert scenes(harness) == ["a cat runs", "it sings", "it sleeps"]
    assert harness.states() == []


async def test_a_reply_to_the_card_writes_all_scenes_anew(
    harness: HandlerHarness, ann: Person
) -> None:
    shown = await card(harness, ann)
    replied = {"message_id": shown.message_id, "date": 1, "chat": ann.chat, "from": _BOT}
    await harness.feed(**ann.text("one\ntwo", reply_to_message=replied))
    assert scenes(harness) == ["one", "two"]
    gone = harness.telegram.named("deleteMessage")[-1].params["message_id"]
    assert gone == str(shown.message_id)


async def test_the_model_is_chosen_with_its_price(harness: HandlerHarness, ann: Person) -> None:
    offered = (MODEL, CATALOG["seedance-1-lite-720P-5s"])
    harness.dispatcher["offer"] = Offer(model=MODEL, photos_on=True, models=offered)
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "⚙️ 480p · 5 s")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "720p")))
    assert "3 × 41\xa0₽ = 123\xa0₽" in last_edit(harness).text
    await harness.feed(**ann.press(pressed(last_edit(harness), "Done")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "9:16")))
    assert harness.rows("SELECT DISTINCT model, price_kopecks FROM tasks") == [
        ("seedance-1-lite-720P-5s", 4100)
    ]


def edited(event: dict[str, Any], text: str) -> dict[str, Any]:
    """The update after the person has edited the message."""
    return {"edited_message": event["message"] | {"text": text, "edit_date": 2}}


async def test_an_edited_message_makes_its_scenes_anew(
    harness: HandlerHarness, ann: Person
) -> None:
    event = ann.text(f"/film {LINES}")
    await harness.feed(**event)
    shown = harness.telegram.sent[-1]
    change = edited(event, "/film a dog runs\nit barks")
    number = await harness.feed(**change)
    new = harness.telegram.sent[-1]
    assert scenes(harness) == ["a dog runs", "it barks"]
    assert "Film of 2 parts" in new.text
    gone = harness.telegram.named("deleteMessage")[-1].params["message_id"]
    assert gone == str(shown.message_id)
    await harness.again(number, **change)
    assert harness.rows("SELECT count(*) FROM storyboards") == [(1,)]
    await harness.feed(**edited(event, "/film"))
    assert "Write the scenes of your film after the command." in harness.telegram.sent[-1].text
    assert scenes(harness) == ["a dog runs", "it barks"], "they stay"
    await harness.feed(**ann.press(pressed(new, "9:16")))
    assert harness.telegram.toasts[-1].startswith("The film was changed meanwhile.")
    await harness.feed(**ann.press(pressed(last_edit(harness), "9:16")))
    sent = len(harness.telegram.sent)
    await harness.feed(**edited(event, f"/film {LINES}"))
    assert len(harness.telegram.sent) == sent, "it is ordered"
    assert scenes(harness) == ["a dog runs", "it barks"]


async def test_an_edited_idea_is_told_anew(harness: HandlerHarness, ann: Person) -> None:
    teller = tells(harness, STORY)
    event = ann.text("/film a cat")
    await harness.feed(**event)
    teller.story = None
    await harness.feed(**edited(event, "/film a cat finds a letter"))
    assert [idea for idea, _ in teller.asked] == ["a cat", "a cat finds a letter"]
    asked = harness.telegram.sent[-1]
    assert "I could not think of scenes" in asked.text
    replied = {"message_id": asked.message_id, "date": 1, "chat": ann.chat, "from": _BOT}
    await harness.feed(**ann.text(LINES, reply_to_message=replied))
    assert scenes(harness) == LINES.splitlines()


async def test_a_refused_film_is_taken_once_it_is_edited(
    harness: HandlerHarness, ann: Person
) -> None:
    event = ann.text("/film")
    await harness.feed(**event)
    await harness.feed(**edited(event, f"/film {LINES}"))
    assert scenes(harness) == LINES.splitlines()


async def test_an_edited_caption_changes_the_film_and_keeps_the_photo(
    harness: HandlerHarness, ann: Person
) -> None:
    entities = [{"type": "bot_command", "offset": 0, "length": 5}]
    event = ann.photo(caption=f"/film {LINES}", caption_entities=entities)
    await harness.feed(**event)
    words = {"caption": "/film one\ntwo", "caption_entities": entities, "edit_date": 2}
    await harness.feed(edited_message=event["message"] | words)
    assert scenes(harness) == ["one", "two"]
    assert harness.rows("SELECT frame_file_id FROM storyboards") == [("photo-1",)]


# --- ordering ------------------------------------------------------------------------------


async def test_one_press_orders_all_parts_and_a_repeat_none(
    harness: HandlerHarness, ann: Person
) -> None:
    shown = await card(harness, ann)
    event = ann.press(pressed(shown, "9:16"))
    number = await harness.feed(**event)
    assert harness.telegram.toasts[-1] == (
        "Accepted! 3 parts will arrive here, one after the other."
    )
    assert "part 1 of 3" in last_edit(harness).text
    assert harness.woken
    await harness.again(number, **event)
    await harness.feed(**ann.press(pressed(shown, "16:9")))
    assert harness.telegram.toasts[-1] == "This card is over. Nothing more was ordered."
    assert harness.states() == ["queued", "draft", "draft"]


@pytest.mark.parametrize("command", ["/stats", "/admin", "/ledger", "/user 7", "/order 3"])
async def test_reports_know_parts_that_are_not_begun(
    harness: HandlerHarness, ann: Person, command: str
) -> None:
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    assert harness.states() == ["queued", "draft", "draft"]
    harness.dispatcher["access"] = Access(is_open=True, admins=frozenset({7}))
    before = len(harness.telegram.sent) + len(harness.telegram.named("sendDocument"))
    await harness.feed(**ann.text(command))
    assert len(harness.telegram.sent) + len(harness.telegram.named("sendDocument")) > before


async def test_a_press_on_an_old_card_shows_the_new_one(
    harness: HandlerHarness, ann: Person
) -> None:
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "1")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "🗑 Remove")))
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    assert harness.telegram.toasts[-1].startswith("The film was changed meanwhile.")
    assert "Film of 2 parts" in last_edit(harness).text
    assert harness.states() == []


async def test_nobody_else_can_press_anything(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    shown = await card(harness, ann)
    for data in [data for row in shown.buttons for _, data in row]:
        await harness.feed(**boris.press(data, shown.message_id))
        assert harness.telegram.toasts[-1] == ("Это чужой заказ. Отправьте мне своё описание.")
    assert scenes(harness) == LINES.splitlines()
    assert harness.states() == []


async def test_a_cap_is_told_and_the_card_stays(harness: HandlerHarness, ann: Person) -> None:
    harness.storage.tasks.terms = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=2)})
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    assert "2" in harness.telegram.toasts[-1]
    assert harness.states() == []
    await harness.feed(**ann.press(pressed(shown, "1")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "🗑 Remove")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "9:16")))
    assert harness.states() == ["queued", "draft"]


async def test_a_guest_reads_the_allowance_and_no_price(
    harness: HandlerHarness, ann: Person
) -> None:
    rules = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=5)})
    harness.dispatcher["prices"] = PriceView(show="never")
    harness.dispatcher["offer"] = Offer(
        model=MODEL, photos_on=True, rules=rules, clock=harness.clock
    )
    shown = await card(harness, ann)
    assert "🎟 5 of 5 left today\n🎟 It takes 3 of them." in shown.text
    assert "₽" not in shown.text
    assert "pay" not in shown.text


@pytest.mark.parametrize("way", ["button", "command"])
async def test_a_card_is_cancelled(harness: HandlerHarness, ann: Person, way: str) -> None:
    shown = await card(harness, ann)
    if way == "button":
        await harness.feed(**ann.press(pressed(shown, "Cancel")))
        assert "The film was not ordered." in last_edit(harness).text
    else:
        await harness.feed(**ann.text("/cancel"))
        assert "The film was not ordered." in harness.telegram.sent[-1].text
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    assert harness.states() == []


@pytest.mark.parametrize("way", ["button", "command"])
async def test_a_queued_film_is_cancelled_as_a_whole(
    harness: HandlerHarness, ann: Person, way: str
) -> None:
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    if way == "button":
        await harness.feed(**ann.press(pressed(last_edit(harness), "Cancel")))
    else:
        await harness.feed(**ann.text("/cancel"))
    assert harness.states() == ["cancelled"] * 3
    assert "💳 3 parts were not ordered. Not spent: 51\xa0₽." in last_edit(harness).text
    assert harness.rows("SELECT sum(kopecks) FROM ledger WHERE kind = 'return'") == [(5100,)]


async def test_the_rest_of_a_stopped_film_is_a_card(harness: HandlerHarness, ann: Person) -> None:
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "Cancel")))
    event = ann.press(pressed(last_edit(harness), "▶️ Go on from here"))
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.rows("SELECT count(*) FROM storyboards") == [(2,)]
    rest = harness.telegram.sent[-1]
    assert "Film of 3 parts" in rest.text
    await harness.feed(**ann.press(pressed(rest, "9:16")))
    assert harness.rows("SELECT DISTINCT film_id FROM tasks") == [(1,)]
    assert harness.states()[3:] == ["queued", "draft", "draft"]
    await harness.feed(**ann.press("fg|1"))
    assert (
        harness.telegram.toasts[-1]
        == "This film is already being continued. Nothing more was ordered."
    )


async def rest_after_one_part(harness: HandlerHarness, ann: Person, ratio: str) -> Any:
    """Order a film, stop it after its first part, and return the card of the other parts."""
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, ratio)))
    harness.rows("UPDATE tasks SET state = 'delivered', video_file_id = 'video-1' WHERE id = 1")
    harness.rows("UPDATE tasks SET state = 'cancelled' WHERE id > 1")
    await harness.feed(**ann.press("fg|1"))
    return harness.telegram.sent[-1]


async def test_the_last_picture_of_a_part_is_no_photo_to_consent_to(
    harness: HandlerHarness, ann: Person
) -> None:
    rest = await rest_after_one_part(harness, ann, "9:16")
    assert "It starts where part 1 ends." in rest.text
    assert "your photo" not in rest.text
    await harness.feed(**ann.press(pressed(rest, "9:16")))
    assert harness.rows("SELECT count(*) FROM consents") == [(0,)]


async def test_the_rest_keeps_the_ratio_of_the_parts_that_are_there(
    harness: HandlerHarness, ann: Person
) -> None:
    rest = await rest_after_one_part(harness, ann, "16:9")
    await harness.feed(**ann.press(pressed(rest, "2")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "‹ All scenes")))
    for one in (rest, last_edit(harness)):  # a part with another ratio could not be joined
        assert one.buttons[0][0][0] == "16:9"


def test_every_language_counts_parts() -> None:
    one, many = "Film of {n} part", "Film of {n} parts"
    said: list[Any] = [words("ru").plural(one, many, n).format(n=n) for n in (2, 5, 21)]
    assert said == ["Фильм из 2 частей", "Фильм из 5 частей", "Фильм из 21 части"]
