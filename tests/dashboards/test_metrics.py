"""What the running system tells Prometheus: every promised metric, with closed labels and without ids."""

import re

import pytest

from libs.common.enums import END_STATES, ErrorCode, JobState, Trigger
from libs.common.messaging.names import WORK_QUEUES
from libs.common.messaging.stage_metrics import StageOfJob
from libs.devstack.binaries import missing_monitoring
from tests.dashboards.daily_work import DATASETS
from tests.dashboards.prometheus import Prometheus

pytestmark = pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)

PROMISED: dict[str, dict[str, set[str]]] = {
    "adsp_records_total": {"result": {"read", "loaded", "rejected", "superseded"}},
    "adsp_failed_rows_total": {"error_code": set(ErrorCode)},
    "adsp_jobs_total": {"trigger": set(Trigger), "state": set(END_STATES - {JobState.CHECKED})},
    "adsp_job_bytes_total": {"dataset": set(DATASETS)},
    "adsp_stage_duration_seconds_count": {"stage": set(StageOfJob)},
    "adsp_jobs_in_progress": {"state": {"queued", "waiting", "running"}},
    "adsp_running_job_oldest_progress_timestamp_seconds": {"dataset": set(DATASETS)},
    "adsp_waiting_job_oldest_start_timestamp_seconds": {"dataset": set(DATASETS)},
    "adsp_dataset_last_success_timestamp_seconds": {"dataset": set(DATASETS)},
    "adsp_dataset_last_completion_timestamp_seconds": {"dataset": set(DATASETS)},
    "adsp_dataset_expected_interval_seconds": {"dataset": set(DATASETS)},
    "adsp_dataset_last_job_records": {"dataset": set(DATASETS)},
    "adsp_open_failed_rows": {"dataset": set(DATASETS)},
    "adsp_oldest_open_failed_row_timestamp_seconds": {"dataset": set(DATASETS)},
    "adsp_scheduler_tick_timestamp_seconds": {},
    "adsp_scheduler_ticks_total": {"result": {"sent", "failed"}},
    "adsp_queue_wait_seconds_count": {"queue": set(WORK_QUEUES)},
    "adsp_sweeper_actions_total": {},
    "adsp_chunks_postponed_total": {"reason": {"lock", "fault"}},
    "adsp_store_retries_total": {"kind": {"s3", "gs", "az", "sftp", "https"}},
    "adsp_dead_letters_total": {},
    "adsp_header_changes_total": {},
    "adsp_outbox_pending": {"kind": {"job", "event"}},
    "adsp_outbox_oldest_timestamp_seconds": {"kind": {"job", "event"}},
    "adsp_http_requests_total": {},
    "adsp_http_request_duration_seconds_count": {},
    "adsp_pool_cpu_seconds_total": {"job": {"worker", "loader"}},
    "adsp_build_info": {"service": {"api", "worker", "loader", "scheduler"}},
    "rabbitmq_detailed_queue_messages_ready": {},
    "rabbitmq_detailed_queue_consumers": {},
    "pg_up": {},
    "redis_up": {},
}
"""Metrics, and what their labels take: all of it from the start, whether or not it has happened."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|^[0-9]{6,}$")


@pytest.mark.parametrize("metric", PROMISED)
def test_a_metric_is_reported_with_all_values_of_its_labels(
    watched: Prometheus, metric: str
) -> None:
    found = watched.query(f"last_over_time({metric}[60s])")

    assert found
    for label, values in PROMISED[metric].items():
        assert {series.labels[label] for series in found} == values


def test_no_label_holds_an_id(watched: Prometheus) -> None:
    found = watched.query_range('{__name__=~"adsp_.+"}', 60)

    assert len(found) > 300
    assert [one.labels for one in found if any(map(_ID.search, one.labels.values()))] == []


def test_the_routes_are_templates(watched: Prometheus) -> None:
    routes = {one.labels["route"] for one in watched.query_range("adsp_http_requests_total", 60)}

    assert "/v1/jobs/{job_id}" in routes
    assert [route for route in routes if "good" in route] == []
