"""The errors of the Bot API: the only place for its codes and its wording."""

from typing import Any

OLD_QUERY = "query is too old and response timeout expired or query ID is invalid"
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
OTHER_POLLER = (
    "terminated by other getUpdates request; make sure that only one bot instance is running"
)
WEBHOOK_ACTIVE = (
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook"
    " first"
)
WRONG_FILE_ID = "wrong file_id or the file is temporarily unavailable"
WRONG_FILE = f"wrong file identifier/HTTP URL specified: {WRONG_FILE_ID}"

NAMES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    501: "Not Implemented",
}


class ApiError(Exception):
    """An answer with `ok: false`; `code` is also the HTTP status.

    `parameters` is the ResponseParameters object (`migrate_to_chat_id`, `retry_after`).
    """

    def __init__(self, code: int, text: str = "", **parameters: int) -> None:
        self.code = code
        self.description = f"{NAMES[code]}: {text}" if text else NAMES[code]
        self.parameters = parameters
        super().__init__(self.description)

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        body: dict[str, Any] = {
            "ok": False,
            "error_code": self.code,
            "description": self.description,
        }
        if self.parameters:
            body["parameters"] = self.parameters
        return body


def too_many(seconds: int) -> ApiError:
    """Return a 429: again after so many seconds."""
    return ApiError(429, f"retry after {seconds}", retry_after=seconds)


def bad_request(text: str) -> ApiError:
    """Return a 400, the most common error."""
    return ApiError(400, text)
