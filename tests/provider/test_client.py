"""The provider's client: every code and status of docs/provider.md, and every way to lose an
answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from aiohttp import web

from bot.core.errors import (
    ProviderBusy,
    ProviderError,
    ProviderHeld,
    ProviderLost,
    ProviderRefused,
)
from bot.core.task import Hold, Reason
from bot.provider.answers import JobStatus
from bot.provider.client import Gptunnel

KEY = "key-canary"
ID = "687fbf7cea2350000177fbf8"


def answering(
    answer: Callable[[httpx.Request], httpx.Response],
) -> tuple[Gptunnel, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(request)

    wire = httpx.MockTransport(handle)
    return Gptunnel("http://provider.test/v1", KEY, asking=wire, ordering=wire), seen


def saying(http_status: int = 200, /, **answer: Any) -> Gptunnel:
    return answering(lambda _: httpx.Response(http_status, json=answer))[0]


async def create(provider: Gptunnel, image: str | None = None) -> Any:
    return await provider.create(
        model="seedance-1-lite-480P-5s", prompt="a fox", ar="9:16", image=image
    )


async def test_a_create_sends_the_documented_body_and_the_bare_key() -> None:
    provider, seen = answering(
        lambda _: httpx.Response(200, json={"code": 0, "id": ID, "status": "idle", "url": None})
    )
    job = await create(provider, image="https://bot.test/frames/x.jpg")
    assert (job.id, job.status) == (ID, JobStatus.PENDING)
    assert str(seen[0].url) == "http://provider.test/v1/media/create"
    assert seen[0].headers["Authorization"] == KEY
    assert json.loads(seen[0].content) == {
        "model": "seedance-1-lite-480P-5s",
        "prompt": "a fox",
        "ar": "9:16",
        "images": ["https://bot.test/frames/x.jpg"],
    }


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"message": f"Incorrect API key {KEY}"}},
        {"code": 2, "message": f"invalid token {KEY}"},
        {"code": 3, "error": f"{KEY} may not use this model"},
        {"code": 0, "id": ID, "status": "failed", "message": f"{KEY} is blocked"},
    ],
)
async def test_a_message_that_quotes_the_key_is_kept_without_it(answer: dict[str, Any]) -> None:
    """The message is stored with the order, and admins read it in Telegram."""
    provider = saying(401, **answer)
    for call in (create(provider), provider.result(ID)):
        try:
            said = (await call).detail
        except ProviderError as exc:
            said = str(exc)
        assert "***" in said
        assert KEY not in said


async def test_without_a_frame_the_field_is_left_out() -> None:
    provider, seen = answering(lambda _: httpx.Response(200, json={"code": 0, "id": ID}))
    await create(provider)
    assert "images" not in json.loads(seen[0].content)


@pytest.mark.parametrize(
    ("code", "kind", "what"),
    [
        (1, ProviderBusy, None),
        (6, ProviderBusy, None),
        (500, ProviderBusy, None),
        (2, ProviderHeld, Hold.KEY_REFUSED),
        (5, ProviderHeld, Hold.NO_BALANCE),
        (99, ProviderHeld, Hold.WRONG_ADDRESS),
        (3, ProviderRefused, Reason.INVALID_INPUT),
        (4, ProviderRefused, Reason.PROVIDER_REFUSED),
        (7, ProviderRefused, Reason.MODEL_GONE),
        (1001, ProviderRefused, Reason.SENSITIVE_CONTENT),
        (1002, ProviderRefused, Reason.UNSAFE_PROMPT),
        (4242, ProviderRefused, Reason.PROVIDER_REFUSED),
    ],
)
@pytest.mark.parametrize("status", [200, 404, 500])
async def test_a_code_is_read_at_any_http_status(
    code: int, kind: type[ProviderError], what: object, status: int
) -> None:
    with pytest.raises(kind) as caught:
        await create(saying(status, code=code, message="no"))
    assert getattr(caught.value, "hold", getattr(caught.value, "reason", None)) is what


@pytest.mark.parametrize("path", ["model", ["model"], ["body", "model"]])
async def test_an_issue_on_the_model_means_that_it_was_removed(path: object) -> None:
    with pytest.raises(ProviderRefused) as caught:
        await create(saying(code=3, issues=[{"path": path, "expected": "x", "message": "y"}]))
    assert caught.value.reason is Reason.MODEL_GONE


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ProviderHeld),
        (402, ProviderHeld),
        (403, ProviderHeld),
        (404, ProviderHeld),
        (429, ProviderBusy),
        (422, ProviderRefused),
        (500, ProviderLost),
        (502, ProviderLost),
        (503, ProviderLost),
        (504, ProviderLost),
        (200, ProviderLost),
        (301, ProviderHeld),
        (302, ProviderLost),
        (303, ProviderLost),
        (307, ProviderHeld),
        (308, ProviderHeld),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b'{"cod', b"[]", b"null"])
async def test_a_create_without_a_code_is_classified_by_the_http_status(
    status: int, kind: type[ProviderError], body: bytes
) -> None:
    provider, _ = answering(lambda _: httpx.Response(status, content=body))
    with pytest.raises(kind):
        await create(provider)


async def test_retry_after_is_honoured() -> None:
    provider, _ = answering(lambda _: httpx.Response(429, headers={"Retry-After": "17"}))
    with pytest.raises(ProviderBusy) as caught:
        await create(provider)
    assert caught.value.retry_after == 17


@pytest.mark.parametrize(
    ("until", "now", "seconds"),
    [
        ("Thu, 01 Jan 2026 13:01:30 GMT", "Thu, 01 Jan 2026 13:00:00 GMT", 90),
        ("Thu, 01 Jan 2026 12:00:00 GMT", "Thu, 01 Jan 2026 13:00:00 GMT", None),  # it is over
        ("Thu, 01 Jan 2026 13:01:30 GMT", "", None),
        ("Thu, 01 Jan 2026 13:01:30 GMT", "Thu, 01 Jan 2026 13:00:00 -0000", None),
        ("tomorrow", "Thu, 01 Jan 2026 13:00:00 GMT", None),
        ("Thu, 99 Jan 2026 13:00:00 GMT", "Thu, 01 Jan 2026 13:00:00 GMT", None),
    ],
)
async def test_retry_after_may_be_a_date(until: str, now: str, seconds: int | None) -> None:
    headers = {"Retry-After": until, "Date": now}
    provider, _ = answering(lambda _: httpx.Response(429, headers=headers))
    with pytest.raises(ProviderBusy) as caught:
        await create(provider)
    assert caught.value.retry_after == seconds


async def test_code_0_without_an_id_may_be_an_order() -> None:
    with pytest.raises(ProviderLost):
        await create(saying(code=0, id=None))


async def test_a_broken_character_loses_no_order() -> None:
    said = b'{"code": 0, "id": "%s", "status": "failed", "message": "%%s"}' % ID.encode()
    for words, kept in (
        (b"\xd0", "\ufffd"),  # half a letter
        (b"\\ud83d", "\ufffd"),  # half an emoji
        (b"\\u0000", "\ufffd"),
        (b"\\\\u0000", "\\u0000"),
        (b"\\ud83e\\udd8a", "🦊"),
    ):
        provider, _ = answering(
            lambda _, words=words: httpx.Response(200, content=said % words)  # type: ignore[misc]
        )
        for job in (await create(provider), await provider.result(ID)):
            assert (job.id, job.detail) == (ID, kept)


async def test_an_id_may_be_a_number() -> None:
    assert (await create(saying(code=0, id=12345))).id == "12345"
    assert (await saying(code=0, id=12345, status="done").result("12345")).id == "12345"


@pytest.mark.parametrize("id_", [None, "", " ", True])
async def test_an_answer_that_names_no_job_is_about_the_one_asked_for(id_: object) -> None:
    assert (await saying(code=0, id=id_, status="done").result(ID)).status is JobStatus.DONE
    with pytest.raises(ProviderRefused) as caught:
        await saying(code=4, id=id_).result(ID)
    assert caught.value.reason is Reason.PROVIDER_FORGOT
    with pytest.raises(ProviderLost):
        await create(saying(code=0, id=id_))


async def test_an_id_is_an_order_whatever_the_code_says() -> None:
    job = await create(saying(code=6, id=ID))
    assert (job.id, job.status) == (ID, JobStatus.PENDING)
    job = await create(saying(code=1001, id=ID))
    assert (job.status, job.reason) == (JobStatus.FAILED, Reason.SENSITIVE_CONTENT)


async def test_a_create_may_be_done_at_once() -> None:
    job = await create(saying(code=0, id=ID, status="done", url="https://cdn.test/v.mp4"))
    assert (job.status, job.url) == (JobStatus.DONE, "https://cdn.test/v.mp4")


@pytest.mark.parametrize("status", ["idle", "running", "processing", "dancing", "", None, 7])
async def test_an_unknown_status_is_pending(status: object) -> None:
    job = await saying(code=0, id=ID, status=status).result(ID)
    assert job.status is JobStatus.PENDING


@pytest.mark.parametrize("status", ["failed", "error", "cancelled", "canceled", "FAILED"])
async def test_a_failed_status_is_a_failure(status: str) -> None:
    job = await saying(code=0, id=ID, status=status).result(ID)
    assert (job.status, job.reason) == (JobStatus.FAILED, Reason.PROVIDER_FAILED)


@pytest.mark.parametrize(
    ("code", "reason"), [(1001, Reason.SENSITIVE_CONTENT), (1002, Reason.UNSAFE_PROMPT)]
)
async def test_a_failed_job_may_come_as_a_code_with_or_without_a_status(
    code: int, reason: Reason
) -> None:
    for extra in ({}, {"status": "failed"}):
        job = await saying(code=code, **extra).result(ID)
        assert (job.status, job.reason) == (JobStatus.FAILED, reason)


async def test_done_without_a_link_has_no_url() -> None:
    job = await saying(code=0, id=ID, status="done", url=None).result(ID)
    assert (job.status, job.url) == (JobStatus.DONE, None)


@pytest.mark.parametrize("code", [1, 6, 500])
async def test_a_busy_provider_is_asked_again(code: int) -> None:
    with pytest.raises(ProviderBusy):
        await saying(code=code).result(ID)


async def test_an_undocumented_code_ends_no_paid_job() -> None:
    assert (await saying(code=4242).result(ID)).status is JobStatus.PENDING


async def test_an_answer_about_another_job_is_ignored() -> None:
    with pytest.raises(ProviderBusy):
        await saying(code=0, id="f" * 24, status="failed").result(ID)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"message": "m", "error": "e"}, "code 6 m"),
        ({"error": "e"}, "code 6 e"),
        ({"error": {"message": "em"}}, "code 6 em"),
        ({"message": "x" * 500}, "code 6 " + "x" * 300),
        ({}, "code 6"),
    ],
)
async def test_the_operator_gets_the_providers_message(answer: dict[str, Any], words: str) -> None:
    with pytest.raises(ProviderBusy) as caught:
        await create(saying(code=6, **answer))
    assert str(caught.value) == words
    with pytest.raises(ProviderBusy) as caught:
        await saying(code=6, **answer).result(ID)
    assert str(caught.value) == words


@pytest.mark.parametrize(("code", "kind"), [(2, ProviderHeld), (1001, ProviderRefused)])
async def test_what_is_final_names_its_code_too(code: int, kind: type[ProviderError]) -> None:
    with pytest.raises(kind, match=f"^code {code} no$"):
        await create(saying(code=code, message="no"))


@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [
        (400, ProviderRefused, Reason.INVALID_INPUT),
        (409, ProviderRefused, Reason.INVALID_INPUT),
        (401, ProviderHeld, Hold.KEY_REFUSED),
        (402, ProviderHeld, Hold.NO_BALANCE),
        (403, ProviderHeld, Hold.KEY_REFUSED),
        (404, ProviderHeld, Hold.WRONG_ADDRESS),
        (405, ProviderHeld, Hold.WRONG_ADDRESS),
        (429, ProviderBusy, None),
        (408, ProviderLost, None),
        (499, ProviderLost, None),
    ],
)
async def test_an_openai_error_is_classified_by_its_status_with_its_message(
    status: int, kind: type[ProviderError], what: object
) -> None:
    with pytest.raises(kind) as caught:
        await create(saying(status, error={"message": "why", "code": "x"}))
    assert getattr(caught.value, "hold", getattr(caught.value, "reason", None)) is what
    if kind is not ProviderLost:
        assert str(caught.value) == f"HTTP {status} why"
    else:
        assert str(caught.value) == f"create: HTTP {status} with neither id nor code"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), ("0.5", 0.5), ("86399", 86399), ("86400", None), ("-1", None), ("soon", None)],
)
async def test_an_absurd_retry_after_is_ignored(header: str, seconds: float | None) -> None:
    for body in (b"", b'{"code": 6}'):
        provider, _ = answering(
            lambda _, body=body: httpx.Response(  # type: ignore[misc]
                429, headers={"Retry-After": header}, content=body
            )
        )
        with pytest.raises(ProviderBusy) as caught:
            await create(provider)
        assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("6", ProviderBusy),
        (6.0, ProviderBusy),
        (6.5, ProviderLost),
        ("1001", ProviderRefused),
        ("six", ProviderLost),
        (True, ProviderLost),
    ],
)
async def test_a_code_may_be_written_as_text(code: object, means: type[ProviderError]) -> None:
    with pytest.raises(means):
        await create(saying(code=code))


@pytest.mark.parametrize("issues", [None, "model", ["model"], [{"path": "prompt"}], [{}], [7]])
async def test_an_issue_on_something_else_is_bad_input(issues: object) -> None:
    with pytest.raises(ProviderRefused) as caught:
        await create(saying(code=3, issues=issues))
    assert caught.value.reason is Reason.INVALID_INPUT


async def test_a_result_is_requested_by_its_id() -> None:
    provider, seen = answering(lambda _: httpx.Response(200, json={"code": 0, "status": "idle"}))
    assert (await provider.result(ID)).detail == "idle"
    assert seen[0].method == "GET"
    assert str(seen[0].url) == f"http://provider.test/v1/media/result?task_id={ID}"


@pytest.mark.parametrize("status", [404, 405])
async def test_a_result_is_requested_by_post_where_only_that_is_served(status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(status, text="<html>")
        return httpx.Response(200, json={"code": 0, "status": "done"})

    provider, seen = answering(answer)
    for _ in range(2):
        assert (await provider.result(ID)).status is JobStatus.DONE
    assert [request.method for request in seen] == ["GET", "POST", "POST"]
    assert str(seen[1].url) == "http://provider.test/v1/media/result"
    assert json.loads(seen[1].content) == {"task_id": ID}


async def test_an_outage_does_not_change_how_a_result_is_requested() -> None:
    away = [httpx.Response(404), httpx.Response(404)]
    provider, seen = answering(
        lambda _: away.pop() if away else httpx.Response(200, json={"code": 0, "status": "idle"})
    )
    with pytest.raises(ProviderHeld):
        await provider.result(ID)
    await provider.result(ID)
    assert [request.method for request in seen] == ["GET", "POST", "GET"]


async def test_the_request_of_a_poll_is_built_once_and_kept_until_the_final_answer() -> None:
    said = ["idle", "running", "done", "done"]
    provider, seen = answering(
        lambda _: httpx.Response(200, json={"code": 0, "status": said[len(seen) - 1]})
    )
    for _ in said:
        await provider.result(ID)
    assert seen[0] is seen[1] is seen[2] is not seen[3]


async def test_a_failed_job_keeps_the_providers_message() -> None:
    job = await saying(code=0, id=ID, status="failed", message="too hard").result(ID)
    assert job.detail == "too hard"
    job = await saying(code=1001, message="naked").result(ID)
    assert (job.id, job.detail) == (ID, "naked")


@pytest.mark.parametrize(("status", "kind"), [(200, ProviderBusy), (404, ProviderHeld)])
async def test_a_result_without_code_and_status_is_classified_by_http(
    status: int, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind) as caught:
        await saying(status).result(ID)
    if status == 200:
        assert str(caught.value) == "result: HTTP 200 without a code"


async def test_a_status_without_a_code_counts() -> None:
    job = await saying(status="done", url="https://cdn.test/v.mp4").result(ID)
    assert (job.status, job.url) == (JobStatus.DONE, "https://cdn.test/v.mp4")


@pytest.mark.parametrize("url", ["", 7, None, ["x"]])
async def test_a_link_that_is_not_a_text_is_ignored(url: object) -> None:
    assert (await saying(code=0, status="done", url=url).result(ID)).url is None


async def test_a_forgotten_job_is_recognised_even_with_a_status() -> None:
    with pytest.raises(ProviderRefused) as caught:
        await saying(code=4, status="failed", message="gone").result(ID)
    assert (caught.value.reason, str(caught.value)) == (Reason.PROVIDER_FORGOT, "code 4 gone")


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        ({"code": 2}, 200, ProviderHeld),
        ({"code": 6}, 200, ProviderBusy),
        ({"error": {"message": "bad key"}}, 401, ProviderHeld),
        ({"balance": "much"}, 200, ProviderBusy),
        ({"balance": "NaN"}, 200, ProviderBusy),
        ({"balance": 5, "creditLimit": "Infinity"}, 200, ProviderBusy),
        ({}, 500, ProviderBusy),
    ],
)
async def test_no_balance_in_the_answer_says_why(
    answer: dict[str, Any], status: int, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind):
        await saying(status, **answer).balance()


@pytest.mark.parametrize("status", [404, 405])
async def test_a_balance_that_is_not_there_says_nothing_about_the_address(status: int) -> None:
    provider, seen = answering(lambda _: httpx.Response(status, text="<html>"))
    with pytest.raises(ProviderBusy, match="there is no such call"):
        await provider.balance()
    assert len(seen) == 1
    with pytest.raises(ProviderHeld) as caught:
        await saying(status, code=99).balance()
    assert caught.value.hold is Hold.WRONG_ADDRESS


async def test_a_balance_without_credit_is_the_funds() -> None:
    provider, seen = answering(lambda _: httpx.Response(200, json={"balance": 12.5}))
    assert await provider.balance() == Decimal("12.5")
    assert (seen[0].method, seen[0].url.path) == ("GET", "/v1/balance")


async def test_funds_are_balance_and_credit() -> None:
    provider = saying(orgId="x", object="balance", balance=-51.54397, creditLimit=15000)
    assert await provider.balance() == Decimal("14948.45603")


async def test_a_refused_connection_was_never_sent() -> None:
    """Over the real transport, which names both kinds of failure alike."""
    provider = Gptunnel.connect("http://127.0.0.1:1/v1", KEY)
    try:
        with pytest.raises(ProviderBusy):
            await create(provider)
    finally:
        await provider.close()


@pytest.fixture
async def cut() -> AsyncIterator[Callable[[bytes], Awaitable[Gptunnel]]]:
    """A provider whose server sends the given bytes and closes the connection."""
    servers: list[asyncio.Server] = []
    providers: list[Gptunnel] = []

    async def serve(answer: bytes) -> Gptunnel:
        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.transport.abort()

        server = await asyncio.start_server(one, "127.0.0.1", 0)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        providers.append(Gptunnel.connect(f"http://127.0.0.1:{port}/v1", KEY))
        return providers[-1]

    yield serve
    for provider in providers:
        await provider.close()
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "answer",
    [b"", b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"code": 0, "id"', b"garbage\r\n"],
)
async def test_a_truncated_answer_is_lost_and_not_refused(
    answer: bytes, cut: Callable[[bytes], Awaitable[Gptunnel]]
) -> None:
    with pytest.raises(ProviderLost):
        await create(await cut(answer))
    with pytest.raises(ProviderBusy):
        await (await cut(answer)).result(ID)


async def test_a_huge_answer_is_not_read_to_its_end() -> None:
    provider, _ = answering(lambda _: httpx.Response(200, content=b"x" * (2 << 20)))
    with pytest.raises(ProviderLost):
        await create(provider)


async def test_no_error_repeats_the_key_or_the_address() -> None:
    provider = Gptunnel.connect("http://user-canary:1/v1", KEY)
    try:
        with pytest.raises(ProviderError) as caught:
            await create(provider)
    finally:
        await provider.close()
    assert KEY not in repr(caught.value)
    assert "canary" not in str(caught.value)


async def test_a_create_never_reuses_a_connection() -> None:
    peers: list[object] = []

    async def handle(request: web.Request) -> web.Response:
        peers.append(request.transport.get_extra_info("peername") if request.transport else None)
        return web.json_response({"code": 0, "id": ID, "status": "idle"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider = Gptunnel.connect(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", KEY)
    try:
        for _ in range(3):
            await create(provider)
        assert len(set(peers)) == 3
        peers.clear()
        for _ in range(3):
            await provider.result(ID)
        assert len(set(peers)) == 1
    finally:
        await provider.close()
        await runner.cleanup()
