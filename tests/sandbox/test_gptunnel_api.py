"""The GPTunnel emulator keeps the provider's contract (docs/provider.md), over real HTTP."""

import asyncio
import io
import random
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel import GptunnelEmulator, Mode, lognormal
from bot.sandbox.gptunnel.chat import translate
from bot.sandbox.gptunnel.render import Scene

KEY = "key-of-the-sandbox"
LITE = "seedance-1-lite-480P-5s"
ORDER = {"model": LITE, "ar": "9:16", "prompt": "A cat"}
Json = dict[str, Any]


class Moment:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_753_202_556.0

    def __call__(self) -> float:
        return self.now


class Studio:
    """Renders nothing, remembers what it should have."""

    def __init__(self) -> None:
        self.scenes: list[Scene] = []

    def __call__(self, scene: Scene) -> bytes:
        self.scenes.append(scene)
        return f"video of {scene.prompt}".encode()


class Client:
    def __init__(self, emulator: GptunnelEmulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session

    async def ask(
        self, method: str, path: str, *, key: str = KEY, **kwargs: Any
    ) -> tuple[int, Json]:
        url = self.emulator.base_url + path
        headers = {"Authorization": key}
        async with self.session.request(method, url, headers=headers, **kwargs) as answer:
            return answer.status, await answer.json()

    async def create(self, **changes: Any) -> Json:
        status, answer = await self.ask("POST", "/media/create", json={**ORDER, **changes})
        assert status == 200
        return answer

    async def result(self, task_id: str) -> Json:
        _, answer = await self.ask("GET", "/media/result", params={"task_id": task_id})
        return answer

    async def finished(self, **changes: Any) -> Json:
        created = await self.create(**changes)
        await self.emulator.settled()
        return await self.result(created["id"])

    async def download(self, url: str) -> tuple[int, bytes]:
        async with self.session.get(url) as answer:
            return answer.status, await answer.read()


@pytest.fixture
def clock() -> Moment:
    return Moment()


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
async def emulator(clock: Moment, studio: Studio) -> AsyncIterator[GptunnelEmulator]:
    emulator = GptunnelEmulator(api_key=KEY, clock=clock, renderer=studio, balance=Decimal(100))
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def client(emulator: GptunnelEmulator) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(emulator, session)


@pytest.fixture
async def pictures() -> AsyncIterator[str]:
    """A server of images: `/WIDTHxHEIGHT.png`, `/text`, `/huge`."""

    async def picture(request: web.Request) -> web.Response:
        size = int(request.match_info["w"]), int(request.match_info["h"])
        out = io.BytesIO()
        Image.new("RGB", size, "teal").save(out, request.match_info["kind"])
        return web.Response(body=out.getvalue())

    async def huge(_: web.Request) -> web.Response:
        return web.Response(body=bytes(30_000_001))

    async def text(_: web.Request) -> web.Response:
        return web.Response(text="not an image")

    app = web.Application()
    app.router.add_get(r"/{w:\d+}x{h:\d+}.{kind}", picture)
    app.router.add_get("/huge", huge)
    app.router.add_get("/text", text)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_an_order_goes_from_idle_over_running_to_a_video(
    client: Client, emulator: GptunnelEmulator, clock: Moment
) -> None:
    emulator.delay = 60
    created = await client.create()
    assert re.fullmatch("[0-9a-f]{24}", created["id"])
    assert created == {
        "code": 0,
        "id": created["id"],
        "model": LITE,
        "prompt": "A cat --ar 9:16",
        "created_at": 1753202556,
        "status": "idle",
        "url": None,
    }
    await emulator.settled()
    seen = []
    for passed in (5, 25, 29, 1):
        clock.now += passed
        seen.append((await client.result(created["id"]))["status"])
    assert seen == ["idle", "running", "running", "done"]
    done = await client.result(created["id"])
    assert done == {**created, "status": "done", "url": done["url"]}
    assert done["url"] == f"{emulator.origin}/result/{created['id']}_result.mp4"
    assert await client.download(done["url"]) == (200, b"video of A cat")


async def test_the_result_may_be_asked_for_by_post_as_well(client: Client) -> None:
    created = await client.create()
    answer = await client.ask("POST", "/media/result", json={"task_id": created["id"]})
    assert answer[1]["id"] == created["id"]


async def test_ids_are_never_given_twice(client: Client) -> None:
    ids = {(await client.create())["id"] for _ in range(5)}
    assert len(ids) == 5


async def test_each_order_is_charged_once_at_the_price_of_its_model(
    client: Client, emulator: GptunnelEmulator
) -> None:
    first = await client.create()
    second = await client.create(model="seedance-1-lite-480P-2s")
    await client.result(first["id"])
    assert [(c.task_id, c.model, c.price) for c in emulator.charges] == [
        (first["id"], LITE, Decimal(17)),
        (second["id"], "seedance-1-lite-480P-2s", Decimal("6.8")),
    ]
    _, balance = await client.ask("GET", "/balance")
    assert (balance["object"], balance["balance"], balance["creditLimit"]) == ("balance", 76.2, 0)


async def test_without_funds_nothing_is_accepted_and_credit_counts_as_funds(
    client: Client, emulator: GptunnelEmulator
) -> None:
    emulator.balance = Decimal(16)
    assert (await client.create())["code"] == 5
    assert (emulator.tasks, emulator.charges) == ({}, [])
    emulator.credit_limit = Decimal(1)
    assert (await client.create())["code"] == 0
    assert emulator.balance == -1


@pytest.mark.parametrize("key", ["wrong", f"Bearer {KEY}", "", "ключ"])
async def test_a_wrong_key_is_code_2_in_media_and_401_elsewhere(
    client: Client, emulator: GptunnelEmulator, key: str
) -> None:
    for method, path in [
        ("POST", "/media/create"),
        ("GET", "/media/result"),
        ("GET", "/media/models"),
    ]:
        status, answer = await client.ask(method, path, key=key)
        assert (status, answer["code"]) == (200, 2)
    for method, path in [("GET", "/balance"), ("POST", "/chat/completions")]:
        status, answer = await client.ask(method, path, key=key)
        assert status == 401
        assert answer["error"].keys() == {"message", "type", "param", "code"}
    assert emulator.charges == []


async def test_an_empty_create_is_free_and_names_every_model(
    client: Client, emulator: GptunnelEmulator
) -> None:
    status, answer = await client.ask("POST", "/media/create", json={})
    assert (status, answer["code"]) == (200, 3)
    [models] = [issue for issue in answer["issues"] if issue["path"] == "model"]
    assert models["expected"].split(" | ") == list(emulator.models)
    assert {issue["path"] for issue in answer["issues"]} == {"model", "prompt"}
    assert emulator.charges == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"model": "seedance-0"}, "model"),
        ({"model": ["x"]}, "model"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"ar": "4:3"}, "ar"),
        ({"ar": None}, "ar"),
        ({"images": []}, "images"),
        ({"images": None}, "images"),
        ({"images": "https://a.test/1.jpg"}, "images"),
        ({"images": ["https://a.test/1.jpg", "https://a.test/2.jpg"]}, "images"),
        ({"images": ["data:image/png;base64,AAAA"]}, "images"),
        ({"images": ["ftp://a.test/1.jpg"]}, "images"),
        ({"images": ["https://"]}, "images"),
        ({"images": [1]}, "images"),
        ({"duration": 5}, "duration"),
    ],
)
async def test_bad_input_is_code_3_with_the_field_and_costs_nothing(
    client: Client, emulator: GptunnelEmulator, changes: Json, path: str
) -> None:
    answer = await client.create(**changes)
    assert answer["code"] == 3
    assert [issue["path"] for issue in answer["issues"]] == [path]
    assert all(issue.keys() == {"path", "expected", "message"} for issue in answer["issues"])
    assert (emulator.tasks, emulator.charges) == ({}, [])


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"", b"\xff"])
async def test_a_body_that_is_not_a_json_object_is_code_3(client: Client, body: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    async with client.session.post(
        client.emulator.base_url + "/media/create",
        data=body,
        headers={"Authorization": KEY, **kind},
    ) as answer:
        assert (answer.status, (await answer.json())["code"]) == (200, 3)


async def test_a_form_is_refused_as_json(client: Client) -> None:
    _, answer = await client.ask("POST", "/media/create", data=ORDER)
    assert answer["code"] == 3


async def test_a_retired_model_is_refused_and_not_listed(
    client: Client, emulator: GptunnelEmulator
) -> None:
    del emulator.models[LITE]
    answer = await client.create()
    assert (answer["code"], answer["issues"][0]["path"]) == (3, "model")
    _, listed = await client.ask("GET", "/media/models")
    assert LITE not in [model["id"] for model in listed["models"]]


async def test_models_are_listed_with_their_prices(client: Client) -> None:
    _, answer = await client.ask("POST", "/media/models", json={})
    assert answer["code"] == 0
    assert {"id": LITE, "price": 17.0, "modelration": True} in answer["models"]


async def test_a_ratio_may_be_left_out(client: Client, studio: Studio) -> None:
    _, created = await client.ask("POST", "/media/create", json={"model": LITE, "prompt": "A cat"})
    assert created["prompt"] == "A cat"
    await client.emulator.settled()
    assert (studio.scenes[0].width, studio.scenes[0].height) == (864, 480)


async def test_an_unknown_task_is_code_4_and_a_poll_without_id_code_3(
    client: Client,
) -> None:
    assert (await client.result("0" * 24))["code"] == 4
    assert (await client.ask("GET", "/media/result"))[1]["code"] == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/media/nothing"), ("GET", "/media/create"), ("GET", "/"), ("PUT", "/balance")],
)
async def test_an_unknown_path_is_http_404_with_code_99(
    client: Client, method: str, path: str
) -> None:
    status, answer = await client.ask(method, path)
    assert (status, answer["code"]) == (404, 99)


async def test_the_first_frame_is_fetched_after_create_and_shown(
    client: Client, studio: Studio, pictures: str
) -> None:
    link = f"{pictures}/540x960.jpeg"
    done = await client.finished(images=[link])
    assert done["status"] == "done"
    [scene] = studio.scenes
    assert (scene.width, scene.height, scene.seconds) == (480, 864, 5)
    assert scene.frame is not None
    assert Image.open(io.BytesIO(scene.frame)).size == (540, 960)
    [task] = client.emulator.tasks.values()
    assert task.image == link
    assert task.made is not None
    assert task.made.image == scene.frame


async def test_an_uncut_frame_decides_the_shape_of_the_video(
    client: Client, studio: Studio, pictures: str
) -> None:
    await client.finished(images=[f"{pictures}/800x600.png"])
    assert (studio.scenes[0].width, studio.scenes[0].height) == (736, 560)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("/nothing", "HTTP 404"),
        ("/text", "not supported"),
        ("/huge", "larger than 30 MB"),
        ("/299x500.png", "each side"),
        ("/6001x6000.png", "each side"),
        ("/300x800.png", "width/height"),
        ("/800x310.png", "width/height"),
        ("/400x400.ppm", "not supported"),
    ],
)
async def test_a_frame_beyond_the_limits_fails_the_task_after_it_was_charged(
    client: Client, pictures: str, link: str, words: str
) -> None:
    failed = await client.finished(images=[pictures + link])
    assert (failed["code"], failed["status"], failed["url"]) == (0, "failed", None)
    assert words in failed["message"]
    assert len(client.emulator.charges) == 1


async def test_an_unreachable_frame_fails_the_task(client: Client) -> None:
    failed = await client.finished(images=["http://127.0.0.1:1/frame.jpg"])
    assert failed["status"] == "failed"
    assert "cannot be read" in failed["message"]


@pytest.mark.parametrize(("prompt", "code"), [("an NSFW-test", 1001), ("unsafe-test", 1002)])
async def test_moderation_refuses_before_it_charges(
    client: Client, prompt: str, code: int
) -> None:
    assert (await client.create(prompt=prompt))["code"] == code
    assert client.emulator.charges == []


@pytest.mark.parametrize(
    ("prompt", "code", "status"),
    [
        ("late-moderation-test", 1001, "failed"),
        ("fail-test", 0, "failed"),
        ("hang-test", 0, "running"),
        ("no-url-test", 0, "done"),
    ],
)
async def test_words_in_a_prompt_decide_its_failure(
    client: Client, prompt: str, code: int, status: str
) -> None:
    end = await client.finished(prompt=prompt)
    assert (end["code"], end["status"], end["url"]) == (code, status, None)
    assert len(client.emulator.charges) == 1


async def test_an_instant_create_answers_done_with_its_link(client: Client) -> None:
    client.emulator.delay = 100
    created = await client.create(prompt="instant-test")
    assert created["status"] == "done"
    assert (await client.download(created["url"]))[0] == 200


@pytest.mark.parametrize(
    ("mode", "code"), [(Mode.REFUSES, 1001), (Mode.OVERLOADED, 6), (Mode.NO_BALANCE, 5)]
)
async def test_a_mode_refuses_orders_until_it_is_over(
    client: Client, mode: Mode, code: int
) -> None:
    client.emulator.mode = mode
    assert (await client.create())["code"] == code
    assert client.emulator.charges == []
    client.emulator.mode = Mode.WELL
    assert (await client.create())["code"] == 0


async def test_a_failed_task_stays_failed_and_a_hanging_one_comes_late(client: Client) -> None:
    failing, hanging = await client.create(), await client.create()
    await client.emulator.settled()
    client.emulator.mode = Mode.FAILS
    assert (await client.result(failing["id"]))["status"] == "failed"
    client.emulator.mode = Mode.HANGS
    assert (await client.result(hanging["id"]))["status"] == "running"
    client.emulator.mode = Mode.WELL
    assert (await client.result(failing["id"]))["status"] == "failed"
    assert (await client.result(hanging["id"]))["status"] == "done"


async def test_a_link_expires(client: Client, clock: Moment) -> None:
    url = (await client.finished())["url"]
    clock.now += client.emulator.link_ttl
    assert (await client.download(url))[0] == 200
    clock.now += 1
    assert (await client.download(url))[0] == 404


async def test_links_may_live_on_another_host(client: Client) -> None:
    client.emulator.result_base = "https://files.test"
    done = await client.finished()
    assert done["url"] == f"https://files.test/result/{done['id']}_result.mp4"


async def test_every_call_is_recorded_with_its_outcome(client: Client) -> None:
    created = await client.create()
    await client.result(created["id"])
    await client.ask("GET", "/balance", key="wrong")
    await client.ask("POST", "/media/create", json={})
    calls = client.emulator.calls
    assert [(call.name, call.outcome) for call in calls] == [
        ("create", "code 0"),
        ("result", "code 0"),
        ("balance", "HTTP 401"),
        ("create", "code 3"),
    ]
    assert calls[0].body == ORDER
    assert calls[0].headers["Authorization"] == KEY
    assert calls[1].body == {"task_id": created["id"]}
    assert calls[0].at == 1_753_202_556.0


@pytest.mark.parametrize(("act", "charges"), [("reset_before", 0), ("reset_after", 1)])
async def test_a_lost_create_is_recorded_charged_or_not(
    client: Client, act: str, charges: int
) -> None:
    client.emulator.faults.add(Fault.model_validate({"on": "create", "act": act}))
    with pytest.raises(aiohttp.ClientError):
        await client.create()
    assert len(client.emulator.charges) == charges
    [call] = client.emulator.calls
    assert call.outcome.endswith(act)


async def test_faults_reach_one_task_and_the_download(client: Client) -> None:
    one, other = await client.finished(), await client.finished()
    client.emulator.faults.add(
        Fault(on="result", act="answer", body={"code": 1}, match={"task_id": one["id"]})
    )
    assert (await client.result(other["id"]))["code"] == 0
    assert (await client.result(one["id"]))["code"] == 1
    client.emulator.faults.add(Fault(on="download", act="truncate"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.download(one["url"])


async def test_create_takes_its_time_on_both_sides_of_the_charge(
    emulator: GptunnelEmulator,
) -> None:
    drawn: list[float] = []

    def draw() -> float:
        drawn.append(0.001)
        return drawn[-1]

    emulator.create_latency = draw
    async with aiohttp.ClientSession() as session:
        client = Client(emulator, session)
        await asyncio.gather(client.create(), client.create())
    assert len(drawn) == 2
    assert len(emulator.charges) == 2


def test_the_distribution_of_delays_has_its_median_and_tail() -> None:
    draw = lognormal(45, 0.35, tail=0.01, dice=random.Random(1))
    drawn = sorted(draw() for _ in range(10_001))
    assert 44 < drawn[5_000] < 46
    assert drawn[-1] > 180


async def test_the_chat_model_translates(client: Client) -> None:
    status, answer = await client.ask(
        "POST",
        "/chat/completions",
        json={
            "model": "gpt-4o-mini",
            "messages": [
                {"role": "system", "content": "Translate to English"},
                {"role": "user", "content": "Рыжий кот на море, 4K"},
            ],
        },
    )
    assert status == 200
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Ginger cat on sea, 4K",
    }
    assert answer["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("body", [{}, {"model": "m", "messages": "hi"}, {"model": "m"}])
async def test_a_chat_without_messages_is_a_400(client: Client, body: Json) -> None:
    status, answer = await client.ask("POST", "/chat/completions", json=body)
    assert status == 400
    assert "message" in answer["error"]


def test_unknown_words_are_transliterated() -> None:
    assert translate("Щука и ёж в городе") == "Shchuka and yozh in city"
    assert translate("a cat, 你好") == "a cat, 你好"
