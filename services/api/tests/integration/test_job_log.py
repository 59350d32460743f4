"""The log of a job is shown to who sees the job, as text, and is missed by nothing while Redis is away."""

import html
import json
from uuid import uuid4

import httpx
from redis import Redis

from libs.devstack.ports import free_port
from services.api.tests.integration.api_bench import MakeKey, SettingsWith, problem_of, serving

NASTY = "<script>document.title=2</script>"
LINE = {
    "at": "2026-11-28T04:00:00.5Z",
    "level": "warning",
    "service": "loader",
    "event": "chunk_postponed",
    "fields": {"number": 3, "error": NASTY},
}


def keep(redis_url: str, job: str, *lines: object) -> None:
    """Put lines where the services put them."""
    with Redis.from_url(redis_url) as redis:
        redis.rpush(f"adsp:job-log:{job}", *map(json.dumps, lines))


def test_lines_are_shown_oldest_first(client: httpx.Client, job: str, redis_url: str) -> None:
    keep(redis_url, job, LINE, {**LINE, "at": "2026-11-28T03:00:00.0Z", "event": "chunk_skipped"})
    answer = client.get(f"/v1/jobs/{job}/log").json()

    assert [line["event"] for line in answer["items"]] == ["chunk_skipped", "chunk_postponed"]
    assert answer["items"][1] == {**LINE, "at": "2026-11-28T04:00:00.500000Z"}
    assert answer["kept_seconds"] == 259_200


def test_the_page_shows_them_as_text(client: httpx.Client, job: str, redis_url: str) -> None:
    keep(redis_url, job, LINE)
    page = client.get(f"/jobs/{job}").text

    assert "chunk_postponed" in page
    assert NASTY not in page
    assert html.escape(NASTY) in page


def test_a_job_without_lines_has_none(client: httpx.Client, job: str) -> None:
    assert client.get(f"/v1/jobs/{job}/log").json()["items"] == []
    assert "No line is kept" in client.get(f"/jobs/{job}").text
    assert problem_of(client.get(f"/v1/jobs/{uuid4()}/log"))[:2] == (404, "job-unknown")


def test_nobody_reads_of_the_jobs_of_others(
    guarded: httpx.Client, make_key: MakeKey, job: str, redis_url: str
) -> None:
    keep(redis_url, job, LINE)
    key = {"Authorization": f"Bearer {make_key('read')}"}

    assert problem_of(guarded.get(f"/v1/jobs/{job}/log", headers=key))[:2] == (404, "job-unknown")


def test_without_redis_it_is_a_problem_and_the_page_has_all_else(
    settings_with: SettingsWith, job: str
) -> None:
    with serving(settings_with(redis_url=f"redis://127.0.0.1:{free_port()}/0")) as api:
        refused = problem_of(api.get(f"/v1/jobs/{job}/log"))
        page = api.get(f"/jobs/{job}")

    assert refused[:2] == (503, "redis-away")
    assert page.status_code == 200
    assert "cannot be read now" in page.text
