"""All texts and keyboards for people, in every language: one module per subject.

A text is one function that takes the language first: `texts.cards.card(lang, task)`. It returns
entities (no markup to escape) and fits its place (Bot API: 4096, 1024 and 200 characters). The
package must not know how a text is sent.
"""

from bot.texts import (
    access,
    admin,
    cards,
    commands,
    failures,
    films,
    first_steps,
    gifts,
    history,
    notices,
    payments,
    people,
    pictures,
    privacy,
    reports,
    results,
    statuses,
    storyboards,
    suggestions,
    templates,
)

__all__ = [
    "access",
    "admin",
    "cards",
    "commands",
    "failures",
    "films",
    "first_steps",
    "gifts",
    "history",
    "notices",
    "payments",
    "people",
    "pictures",
    "privacy",
    "reports",
    "results",
    "statuses",
    "storyboards",
    "suggestions",
    "templates",
]
