"""A small translator and storyteller in place of a chat model: the same text always gets the same
answer.
"""

from __future__ import annotations

import json
import re

_STEMS = {
    "рыж": "ginger",
    "красн": "red",
    "синя": "blue",
    "син": "blue",
    "зелён": "green",
    "зелен": "green",
    "бел": "white",
    "чёрн": "black",
    "черн": "black",
    "золот": "golden",
    "стар": "old",
    "маленьк": "small",
    "больш": "big",
    "кот": "cat",
    "кошк": "cat",
    "собак": "dog",
    "пёс": "dog",
    "лошад": "horse",
    "птиц": "bird",
    "девушк": "girl",
    "человек": "man",
    "море": "sea",
    "моря": "sea",
    "волн": "waves",
    "лес": "forest",
    "гор": "mountain",
    "город": "city",
    "улиц": "street",
    "дожд": "rain",
    "снег": "snow",
    "закат": "sunset",
    "рассвет": "sunrise",
    "ноч": "night",
    "солнц": "sun",
    "неб": "sky",
    "беж": "runs",
    "идёт": "walks",
    "идет": "walks",
    "летит": "flies",
    "скач": "jumps",
    "плыв": "swims",
    "на": "on",
    "в": "in",
    "и": "and",
    "по": "over",
    "с": "with",
    "под": "under",
    "у": "by",
    "очень": "very",
}
_CAMERA = {  # phrases first: their words mean something else alone
    "крупный план": "close-up",
    "крупным планом": "in close-up",
    "общий план": "wide shot",
    "наезд камеры": "dolly in",
    "отъезд камеры": "dolly out",
    "замедленная съёмка": "slow motion",
    "съёмка с дрона": "drone shot",
    "вид от первого лица": "first-person view",
    "панорама": "pan",
    "таймлапс": "time-lapse",
}
_SCENERY = ", wide shot, soft evening light, a gentle wind, the camera moves slowly closer"
_ENDING = 3
_RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_LATIN = "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya"
_LETTERS = dict(zip(_RUSSIAN, _LATIN.split(), strict=True))


_PIECES = re.compile(
    rf"(«[^«»]*»|“[^“”]*”|\"[^\"]*\")|({'|'.join(_CAMERA)})|[а-яё]+", re.IGNORECASE
)


def translate(text: str) -> str:
    """Translate Russian words into English: known ones by their stem, others transliterated, terms
    of the camera as a whole. Words in quotation marks and other words stay as they are."""

    def piece(found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        return _CAMERA[found[2].lower()] if found[2] else _word(found[0])

    return _PIECES.sub(piece, text)


def answer(task: str, text: str) -> str:
    """Return a model's answer to `text` with the system message `task`: a translation, with some
    added words for a scene.
    """
    if "storyboard" in task:
        return story(text, russian="in Russian" in task)
    words = translate(text)
    return f"{words}{_SCENERY}" if "scene" in task.lower() else words


def story(idea: str, *, russian: bool) -> str:
    """Return a story of four scenes about `idea`, as the JSON that the bot asks for."""
    idea = " ".join(idea.split()).rstrip(".!… ")
    english = translate(idea)
    told = zip(_STORY_RU if russian else _STORY_EN, _STORY_PROMPTS, strict=True)
    scenes = [
        {"scene": scene.format(idea=_short(idea)), "prompt": prompt.format(idea=_short(english))}
        for scene, prompt in told
    ]
    return json.dumps({"scenes": scenes}, ensure_ascii=False)


_STORY_EN = (
    "It begins: {idea}. The morning is quiet.",
    "Something unexpected appears and changes everything.",
    "The way leads on, and the weather turns.",
    "It ends well, in the warm light of the evening.",
)
_STORY_RU = (
    "Начало: {idea}. Тихое утро.",
    "Появляется что-то неожиданное и меняет всё.",
    "Путь продолжается, погода портится.",
    "Всё кончается хорошо, в тёплом вечернем свете.",
)
_STORY_PROMPTS = (
    "{idea}, quiet early morning, wide shot, soft mist, the camera moves slowly closer",
    "{idea}, a sudden discovery, close-up, surprise, the light grows brighter",
    "{idea}, on the way, gathering clouds, wind, the camera follows from the side",
    "{idea}, a happy end, warm evening light, wide shot, the camera slowly moves away",
)
_IDEA_LIMIT = 200


def _short(text: str) -> str:
    return text if len(text) <= _IDEA_LIMIT else text[:_IDEA_LIMIT].rsplit(" ", 1)[0] + "…"


def _word(word: str) -> str:
    low = word.lower()
    for end in range(len(low), max(1, len(low) - _ENDING) - 1, -1):
        stem = low[:end]
        # A word of one or two letters matches only itself, not the start of another.
        if stem in _STEMS and (end == len(low) or end > 2):
            known = _STEMS[stem]
            break
    else:
        known = "".join(_LETTERS[letter] for letter in low).replace("_", "")
    return known.capitalize() if word[0].isupper() else known
