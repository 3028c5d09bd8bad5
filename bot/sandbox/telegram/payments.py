"""Invoices in Stars: sent, checked out and refunded. No real money moves."""

from typing import Any

from bot.sandbox.telegram.calls import Method, Request
from bot.sandbox.telegram.errors import ApiError, bad_request
from bot.sandbox.telegram.outgoing import send, writable_chat
from bot.sandbox.telegram.state import Json
from bot.sandbox.telegram.till import CHECKOUT_SECONDS, CURRENCY


async def send_invoice(req: Request) -> Json:
    """Bot API: sendInvoice, for Stars only."""
    params = req.params
    if params["currency"] != CURRENCY:
        raise ApiError(501, "the sandbox takes Stars only")
    if params.get("provider_token"):
        raise bad_request("STARS_INVOICE_INVALID")
    prices: list[Json] = params["prices"]
    if len(prices) != 1:
        raise bad_request("STARS_INVOICE_INVALID")
    amount = prices[0]["amount"]
    if not 1 <= amount <= 100_000:
        raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")
    chat = writable_chat(req)
    invoice = {
        "title": params["title"],
        "description": params["description"],
        "start_parameter": params.get("start_parameter", ""),
        "currency": CURRENCY,
        "total_amount": amount,
    }
    extra: Json = {}
    if "reply_markup" not in params:
        pay = {"text": f"Pay ⭐{amount}", "pay": True}
        extra["reply_markup"] = {"inline_keyboard": [[pay]]}
    message = send(req, chat, {"invoice": invoice}, **extra)
    req.world.till.invoices[chat.id, message["message_id"]] = params["payload"]
    return message


async def answer_pre_checkout_query(req: Request) -> bool:
    """Bot API: answerPreCheckoutQuery; it works once, and within ten seconds."""
    checkout = req.world.till.checkouts.get(req.params["pre_checkout_query_id"])
    late = checkout is not None and req.world.clock() - checkout.at > CHECKOUT_SECONDS
    if checkout is None or late or checkout.answered.is_set():
        raise bad_request("QUERY_ID_INVALID")
    if not req.params["ok"] and not req.params.get("error_message"):
        raise bad_request("ERROR_TEXT_EMPTY")
    checkout.ok, checkout.error = req.params["ok"], req.params.get("error_message")
    checkout.answered.set()
    return True


async def refund_star_payment(req: Request) -> bool:
    """Bot API: refundStarPayment."""
    payment = req.world.till.payments.get(req.params["telegram_payment_charge_id"])
    if payment is None or payment.user_id != req.params["user_id"]:
        raise bad_request("CHARGE_ID_EMPTY" if payment is None else "USER_ID_INVALID")
    if payment.refunded:
        raise bad_request("CHARGE_ALREADY_REFUNDED")
    payment.refunded, payment.refunded_at = True, req.world.now()
    world, chat = req.world, req.world.chats[payment.user_id]
    told: dict[str, Any] = {
        "currency": CURRENCY,
        "total_amount": payment.stars,
        "invoice_payload": payment.payload,
        "telegram_payment_charge_id": payment.charge_id,
    }
    message = world.post(chat, world.users[payment.user_id], {"refunded_payment": told})
    world.update("message", message)
    return True


async def get_star_transactions(req: Request) -> Json:
    """Bot API: getStarTransactions; the oldest first, a refund with the id of its payment."""
    world, listed = req.world, []
    for payment in world.till.payments.values():
        about = {"id": payment.charge_id, "amount": payment.stars}
        partner = {
            "type": "user",
            "transaction_type": "invoice_payment",
            "user": world.users[payment.user_id],
            "invoice_payload": payment.payload,
        }
        listed.append({**about, "date": payment.at, "source": partner})
        if payment.refunded:
            listed.append({**about, "date": payment.refunded_at, "receiver": partner})
    listed.sort(key=lambda one: int(str(one["date"])))
    first = req.params.get("offset", 0)
    return {"transactions": listed[first : first + req.params.get("limit", 100)]}


METHODS: dict[str, Method] = {
    "sendInvoice": send_invoice,
    "answerPreCheckoutQuery": answer_pre_checkout_query,
    "refundStarPayment": refund_star_payment,
    "getStarTransactions": get_star_transactions,
}
