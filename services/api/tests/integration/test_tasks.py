import httpx
import pytest

from libs.common.messaging.app import make_celery
from libs.devstack.ports import free_port
from services.api.tests.integration.api_bench import SettingsWith, problem_of, serving

# Celery calls redis by a name that is deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
UNKNOWN = "01a20bb0-ed59-716e-a450-60748f27550b"


@pytest.mark.parametrize("suffix", ["", ".0", ".finish"])
def test_a_task_that_has_not_ended_is_pending(client: httpx.Client, job: str, suffix: str) -> None:
    answer = client.get(f"/v1/tasks/{job}{suffix}")

    assert answer.status_code == 200
    assert answer.json() == {
        "id": f"{job}{suffix}",
        "state": "PENDING",
        "result": None,
        "error": None,
        "finished_at": None,
    }


def test_the_result_of_a_task_is_shown(
    client: httpx.Client, settings_with: SettingsWith, job: str
) -> None:
    with make_celery(settings_with(), "worker") as worker:
        worker.backend.store_result(job, {"chunks": 3}, "SUCCESS")
        shown = client.get(f"/v1/tasks/{job}").json()

    assert (shown["state"], shown["result"], shown["error"]) == ("SUCCESS", {"chunks": 3}, None)
    assert shown["finished_at"].startswith("20")


def test_the_failure_of_a_task_is_shown(
    client: httpx.Client, settings_with: SettingsWith, job: str
) -> None:
    with make_celery(settings_with(), "worker") as worker:
        worker.backend.store_result(f"{job}.0", ValueError("no such thing"), "FAILURE")
        shown = client.get(f"/v1/tasks/{job}.0").json()

    assert (shown["state"], shown["result"]) == ("FAILURE", None)
    assert shown["error"] == {"type": "ValueError", "message": "no such thing"}


def test_the_task_of_no_job_is_a_problem(client: httpx.Client) -> None:
    status, code, detail = problem_of(client.get(f"/v1/tasks/{UNKNOWN}.1"))

    assert (status, code) == (404, "task-unknown")
    assert "job's id" in detail


def test_without_redis_a_task_is_a_problem_that_names_another_way(
    settings_with: SettingsWith, job: str
) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"

    with serving(settings_with(redis_url=nowhere)) as client:
        answer = client.get(f"/v1/tasks/{job}")

    status, code, detail = problem_of(answer)
    assert (status, code) == (503, "redis-away")
    assert "GET /v1/jobs/{id}" in detail
    assert int(answer.headers["retry-after"]) > 0
