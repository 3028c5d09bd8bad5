"""The words of a transcript, without those that speech models invent for silence and music.

Whisper learnt from subtitles: where nobody speaks, it writes their credits and farewells, or marks
such as [BLANK_AUDIO]. It must not know who transcribes.
"""

from __future__ import annotations

import re

_CREDITS = re.compile(
    r"(?:^|(?<=[\s.!?…]))(?:"
    r"(?:субтитры|титры)\s+(?:сделал|делал|создал|создавал|подготовил|подогнал|добавил)"
    r"|редактор субтитров|субтитры предоставил|subtitles (?:created )?by\b"
    r"|transcri(?:bed|ption) by\b"
    r"|sous-titres (?:réalisés|par)\b|untertitel (?:der|von|im auftrag)\b"
    r"|subtítulos (?:realizados )?por\b|字幕by"
    r")[^\n]{0,80}$",
    re.IGNORECASE,
)
"""Credits of subtitles. Nobody says them, so they are removed after real words too."""

_FAREWELLS = frozenset(
    {
        "you", "thanks for watching", "thank you for watching", "thank you so much for watching",
        "thank you very much for watching", "please subscribe", "please subscribe to my channel",
        "like and subscribe", "see you in the next video", "i'll see you in the next video",
        "to be continued", "продолжение следует", "спасибо за просмотр", "спасибо за внимание",
        "спасибо за субтитры", "спасибо за субтитры алексею дубровскому",
        "благодарю за просмотр", "подписывайтесь на канал", "подписывайтесь на мой канал",
        "подписывайтесь на наш канал", "подпишись на канал", "ставьте лайки", "до новых встреч",
        "до скорых встреч", "всем пока", "дякую за перегляд", "дякуємо за перегляд",
        "ご視聴ありがとうございました", "시청해주셔서 감사합니다", "謝謝觀看", "谢谢观看",
        "abone olmayı unutmayın",
    }
)  # fmt: skip
"""Sentences that count as invented when the transcript has no others."""

_SENTENCES = re.compile(r"[.!?…。！]+|\n")
_MARK = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\*[^*]*\*|[♪♫]|\b[А-ЯЁ ]{0,40}МУЗЫКА\b")


def spoken_words(text: str) -> str:
    """Return the words that somebody said; "" when all of them look invented."""
    text = _CREDITS.sub("", text.strip()).strip()
    sentences = _SENTENCES.split(_MARK.sub(" ", text))
    said = [" ".join(one.strip(" ,;:-–—").split()).casefold() for one in sentences]
    return text if any(one and one not in _FAREWELLS for one in said) else ""
