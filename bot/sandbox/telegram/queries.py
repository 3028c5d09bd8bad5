"""Answers to button presses and inline queries; each can be answered once and in time."""

from typing import Any

from bot.sandbox.telegram.calls import Method, Request
from bot.sandbox.telegram.errors import OLD_QUERY, ApiError, bad_request
from bot.sandbox.telegram.media import media_content
from bot.sandbox.telegram.outgoing import inline_keyboard, text_content
from bot.sandbox.telegram.state import Json

# Seconds. Clients wait for 10-15 s; the queries expire soon after (telegram.md).
CALLBACK_TIMEOUT = 15
INLINE_TIMEOUT = 10
CACHED = {
    "video": "video_file_id",
    "photo": "photo_file_id",
    "document": "document_file_id",
    "mpeg4_gif": "mpeg4_file_id",
    "gif": "gif_file_id",
}


async def answer_callback_query(req: Request) -> bool:
    """Bot API: answerCallbackQuery."""
    query = req.world.callbacks.get(req.params["callback_query_id"])
    if query is None or query.answer is not None:
        raise bad_request(OLD_QUERY)
    if req.world.clock() - query.at > CALLBACK_TIMEOUT:
        raise bad_request(OLD_QUERY)
    query.answer = {
        "text": req.params.get("text", ""),
        "show_alert": req.params.get("show_alert", False),
        "url": req.params.get("url"),
    }
    req.world.emit(
        "callback_answer",
        chat_id=query.chat_id,
        user_id=query.user_id,
        query_id=query.id,
        message_id=query.message_id,
        **query.answer,
    )
    return True


async def answer_inline_query(req: Request) -> bool:
    """Bot API: answerInlineQuery; the sandbox shows only cached media and articles."""
    query = req.world.inline_queries.get(req.params["inline_query_id"])
    if query is None or query.results is not None:
        raise bad_request(OLD_QUERY)
    if req.world.clock() - query.at > INLINE_TIMEOUT:
        raise bad_request(OLD_QUERY)
    results = req.params["results"]
    if len(results) > 50:
        raise bad_request("RESULTS_TOO_MUCH")
    if len({result["id"] for result in results}) < len(results):
        raise bad_request("RESULT_ID_DUPLICATE")
    shown = [{**result, "content": result_content(req, result)} for result in results]
    query.results = {
        "results": shown,
        "next_offset": req.params.get("next_offset", ""),
        "button": req.params.get("button"),
    }
    req.world.emit(
        "inline_results",
        chat_id=query.chat_id,
        user_id=query.user_id,
        query_id=query.id,
        **query.results,
    )
    return True


def result_content(req: Request, result: Json) -> Json:
    """Return the message that choosing this result would send."""
    content: Json = {}
    kind, owner = result["type"], "InlineQueryResultCachedVideo"
    if text := result.get("input_message_content"):
        if "message_text" not in text:
            raise ApiError(501, "the sandbox sends texts and cached media inline")
        content = text_content(
            text["message_text"],
            text.get("parse_mode"),
            text.get("entities"),
            "sendMessage",
            "text",
        )
    elif field := CACHED.get(kind):
        if field not in result:
            raise ApiError(501, f"the sandbox does not fetch inline results of kind {kind}")
        kind = "animation" if "gif" in kind else kind
        stored = req.world.files.resend(result[field], kind)
        content = media_content(stored) | text_content(
            result.get("caption"),
            result.get("parse_mode"),
            result.get("caption_entities"),
            owner,
            "caption",
        )
    else:
        raise bad_request("MESSAGE_EMPTY" if kind == "article" else "RESULT_TYPE_INVALID")
    markup: Any = inline_keyboard(result.get("reply_markup"))
    return content | ({"reply_markup": markup} if markup else {})


METHODS: dict[str, Method] = {
    "answerCallbackQuery": answer_callback_query,
    "answerInlineQuery": answer_inline_query,
}
