"""A link is a result: wherever it is, and whatever the status says."""

from __future__ import annotations

from typing import Any

import pytest

from bot.provider.answers import JobStatus, is_documented, job_from, link_in, shape_of

ID = "687fbf7cea2350000177fbf8"
CDN = "https://cdn.example"
LINK = f"{CDN}/v.mp4"


def status(answer: dict[str, Any]) -> tuple[JobStatus, str | None]:
    job = job_from(ID, {"id": ID, **answer}, answer.get("code", 0))
    return job.status, job.url


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "done", "url": LINK},
        {"status": "done", "url": [LINK]},
        {"status": "done", "url": f" {LINK}\n"},
        {"status": "done", "result": [f"{LINK}\r\n"]},
        {"status": "done", "result": [{"url": LINK}]},
        {"status": "succeeded", "url": LINK},
        {"status": "running", "url": LINK},
        {"url": LINK},
        {"status": "done", "result": {"videos": [{"url": LINK}]}},
        {"status": "done", "output": {"video": {"href": LINK}}},
        {"status": "completed", "videos": [LINK]},
        {
            "status": "done",
            "data": {"output": [{"cover": "https://cdn.example/c.jpg", "mp4": LINK}]},
        },
        {"status": "done", "url": "", "result": LINK},
        {"status": "done", "url": LINK, "code": 12345},
        {"status": "succeeded", "content": {"last_frame_url": f"{CDN}/f.png", "video_url": LINK}},
        {"status": "succeeded", "content": {"last_frame": f"{CDN}/f", "file_url": LINK}},
        {"status": "done", "url": [f"{CDN}/still.jpg", LINK]},
        {"status": "done", "result": {"cover_image_url": f"{CDN}/c", "mp4": LINK}},
        {"status": "done", "result": [{"href": f"{CDN}/a.WEBP?x=1"}, {"href": LINK}]},
        {"status": "done", "data": {"resultJson": f'{{"resultUrls": ["{LINK}"]}}'}},
        {"status": "done", "result": f'["{LINK}"]'},
        {"status": "succeeded", "urls": {"get": f"{CDN}/v1/jobs/7"}, "output": LINK},
    ],
)
def test_an_answer_with_a_link_is_a_result(answer: dict[str, Any]) -> None:
    assert status(answer) == (JobStatus.DONE, LINK)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "running", "url": ""},
        {"status": "running", "url": None},
        {"status": "queued"},
        {"status": "running", "result": []},
        {"status": "running", "prompt": f"see {LINK}", "images": [LINK]},
        {"status": "running", "url": "not a link"},
        {"status": "running", "result": {"cover": LINK}},
        {"status": "running", "url": "ftp://cdn.example/v.mp4"},
        {"status": "starting", "urls": {"get": f"{CDN}/jobs/7", "cancel": f"{CDN}/jobs/7/no"}},
        {"status": "running", "data": {"preview_url": f"{CDN}/p", "status_url": f"{CDN}/s"}},
        {"status": "running", "content": {"last_frame_url": f"{CDN}/f.png"}},
        {"status": "running", "result": '{"resultUrls": []}'},
        {"status": "running", "result": "[" * 100_000},
    ],
)
def test_without_a_link_and_without_a_failure_it_is_pending(answer: dict[str, Any]) -> None:
    assert status(answer) == (JobStatus.PENDING, None)


@pytest.mark.parametrize(
    "answer",
    [{"status": "failed", "url": LINK}, {"status": "done", "url": LINK, "code": 1001}],
)
def test_a_failure_is_a_failure_although_a_link_is_there(answer: dict[str, Any]) -> None:
    assert status(answer)[0] is JobStatus.FAILED


def test_a_link_nested_too_deep_is_ignored() -> None:
    answer: Any = LINK
    for _ in range(50):
        answer = {"result": [answer]}
    assert link_in(answer) is None


def test_of_a_picture_the_first_link_is_the_result() -> None:
    first, second = f"{CDN}/1.png", f"{CDN}/2.png"
    assert status({"status": "done", "url": [first, second]}) == (JobStatus.DONE, first)


def test_a_form_is_described_by_keys_and_types_only() -> None:
    answer = {"code": 0, "status": "done", "result": [{"url": LINK, "n": 1}]}
    assert not is_documented(answer)
    shape = shape_of(answer)
    assert shape == "{code: int, status: str, result: [{url: str, n: int}]}"
    assert is_documented({"code": 0, "status": "idle", "url": None})
