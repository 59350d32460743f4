"""Turn what the ledger says into Prometheus' samples, with every combination of labels, also those that are 0."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from pydantic import ValidationError

from libs.common.datasets.schedule import Schedule
from libs.common.enums import END_STATES, LIVE_STATES, ChunkState, ErrorCode, JobState, Trigger
from services.worker.ledger_metrics.queries import READINGS, Readings, Row

RESULTS = ("read", "loaded", "rejected", "superseded")
KINDS = ("job", "event")
CHUNK_STATES = (ChunkState.QUEUED, ChunkState.RUNNING)

Values = Mapping[Any, float]


def describe_ledger(readings: Readings) -> Iterator[Metric]:
    """Yield all metrics of the readings that did not fail."""
    for name, describe in _DESCRIPTIONS.items():
        if name in readings.rows:
            yield from describe(readings.names, readings.rows[name])


def describe_readings(failures: Mapping[str, int], seconds: float) -> Iterator[Metric]:
    """Yield how often each reading has failed, and how many seconds the last ones took."""
    failed = CounterMetricFamily(
        "adsp_state_collection_failures_total",
        "Readings of the ledger that failed, by what was asked; the others are shown all the same.",
        labels=["reading"],
    )
    for name in READINGS:
        failed.add_metric([name], failures.get(name, 0))
    yield failed
    yield GaugeMetricFamily(
        "adsp_state_collection_duration_seconds",
        "Seconds that the last reading took.",
        value=seconds,
    )


def _totals(names: Sequence[str], rows: Sequence[Row]) -> Iterator[Metric]:
    jobs = {(row["dataset"], row["trigger"], row["state"]): row["jobs"] for row in rows}
    yield _counter(
        "adsp_jobs_total",
        "Jobs that have ended, but for dry runs, by what started them and how they ended.",
        ("dataset", "trigger", "state"),
        product(names, Trigger, sorted(END_STATES - {JobState.CHECKED})),
        jobs,
    )
    yield _counter(
        "adsp_records_total",
        "Records of ended jobs, by what became of them; read is the sum of the others.",
        ("dataset", "result"),
        product(names, RESULTS),
        _sum({(row["dataset"], result): row[result] for result in RESULTS} for row in rows),
    )
    yield _counter(
        "adsp_job_bytes_total",
        "Bytes of the sources of ended jobs, as stored.",
        ("dataset",),
        product(names),
        _sum({(row["dataset"],): row["bytes"]} for row in rows),
    )
    yield _gauge(
        "adsp_dataset_unaccounted_records",
        "Records of ended jobs that are neither loaded nor rejected nor superseded; must be 0.",
        ("dataset",),
        product(names),
        _sum({(row["dataset"],): row["unaccounted"]} for row in rows),
    )


def _failed_rows(names: Sequence[str], rows: Sequence[Row]) -> Iterator[Metric]:
    yield _counter(
        "adsp_failed_rows_total",
        "Failed rows of ended jobs, by reason.",
        ("dataset", "error_code"),
        product(names, ErrorCode),
        {(row["dataset"], row["error_code"]): row["failed_rows"] for row in rows},
    )


def _open_failed_rows(names: Sequence[str], rows: Sequence[Row]) -> Iterator[Metric]:
    yield _gauge(
        "adsp_open_failed_rows",
        "Failed rows of ended jobs that no replay has taken up.",
        ("dataset",),
        product(names),
        {(row["dataset"],): row["failed_rows"] for row in rows},
    )
    yield _gauge(
        "adsp_oldest_open_failed_row_timestamp_seconds",
        "End of the oldest job with open failed rows, Unix time; 0: none.",
        ("dataset",),
        product(names),
        {(row["dataset"],): _unix(row["oldest_at"]) for row in rows},
    )


def _jobs_in_progress(names: Sequence[str], live: Sequence[Row]) -> Iterator[Metric]:
    yield _gauge(
        "adsp_jobs_in_progress",
        "Jobs that have not ended.",
        ("dataset", "state"),
        product(names, sorted(LIVE_STATES)),
        {(row["dataset"], row["state"]): row["jobs"] for row in live},
    )
    yield _gauge(
        "adsp_running_job_oldest_progress_timestamp_seconds",
        "Last sign of progress of the quietest running job, Unix time; 0: none runs.",
        ("dataset",),
        product(names),
        {
            (row["dataset"],): _unix(row["oldest_sign_at"])
            for row in live
            if row["state"] == JobState.RUNNING
        },
    )
    yield _gauge(
        "adsp_waiting_job_oldest_start_timestamp_seconds",
        "Since when the job waits that has waited for its source the longest, Unix time; 0: none waits.",
        ("dataset",),
        product(names),
        {
            (row["dataset"],): _unix(row["waiting_since"])
            for row in live
            if row["state"] == JobState.WAITING
        },
    )


def _chunks_in_progress(_names: Sequence[str], rows: Sequence[Row]) -> Iterator[Metric]:
    yield _gauge(
        "adsp_chunks_in_progress",
        "Chunks that wait for a loader or are being loaded.",
        ("state",),
        product(CHUNK_STATES),
        {(row["state"],): row["chunks"] for row in rows},
    )


def _datasets(names: Sequence[str], found: Sequence[Row]) -> Iterator[Metric]:
    rows = {row["dataset"]: row for row in found}
    for name, help_text, value in (
        ("last_success_timestamp", "End of the last job whose content is in", "last_success_at"),
        (
            "last_completion_timestamp",
            "End of the last job, however it ended",
            "last_completion_at",
        ),
        ("created_timestamp", "When the dataset was made", "created_at"),
        ("paused_timestamp", "Since when the dataset is paused", "paused_at"),
    ):
        yield _gauge(
            f"adsp_dataset_{name}_seconds",
            f"{help_text}, Unix time; 0: never.",
            ("dataset",),
            product(names),
            {(dataset,): _unix(row[value]) for dataset, row in rows.items()},
        )
    yield _gauge(
        "adsp_dataset_expected_interval_seconds",
        "Longest time between due times in the coming week; 0: no valid schedule, or paused.",
        ("dataset",),
        product(names),
        {(dataset,): _longest_pause(row) for dataset, row in rows.items()},
    )
    yield _gauge(
        "adsp_dataset_last_job_records",
        "Records of the last job that loaded its content, replays aside.",
        ("dataset", "result"),
        product(names, RESULTS),
        {(dataset, result): row[result] for dataset, row in rows.items() for result in RESULTS},
    )
    yield _gauge(
        "adsp_dataset_previous_job_records",
        "Records that the job before the last one loaded, replays aside.",
        ("dataset",),
        product(names),
        {(dataset,): row["previous_loaded"] for dataset, row in rows.items()},
    )


def _outbox(_names: Sequence[str], rows: Sequence[Row]) -> Iterator[Metric]:
    yield _gauge(
        "adsp_outbox_pending",
        "Jobs and events that no broker has confirmed yet.",
        ("kind",),
        product(KINDS),
        {(row["kind"],): row["pending"] for row in rows},
    )
    yield _gauge(
        "adsp_outbox_oldest_timestamp_seconds",
        "When the oldest of them was made, Unix time; 0: none waits.",
        ("kind",),
        product(KINDS),
        {(row["kind"],): _unix(row["oldest_at"]) for row in rows},
    )


_DESCRIPTIONS: dict[str, Callable[[Sequence[str], Sequence[Row]], Iterator[Metric]]] = {
    "totals": _totals,
    "failed_rows": _failed_rows,
    "open_failed_rows": _open_failed_rows,
    "jobs_in_progress": _jobs_in_progress,
    "chunks_in_progress": _chunks_in_progress,
    "datasets": _datasets,
    "outbox": _outbox,
}
"""Of each reading, what describes its rows, given the names of all datasets."""


def _counter(
    name: str, help_text: str, labels: tuple[str, ...], series: Iterable[Any], values: Values
) -> Metric:
    return _filled(CounterMetricFamily(name, help_text, labels=labels), series, values)


def _gauge(
    name: str, help_text: str, labels: tuple[str, ...], series: Iterable[Any], values: Values
) -> Metric:
    return _filled(GaugeMetricFamily(name, help_text, labels=labels), series, values)


def _filled(
    family: CounterMetricFamily | GaugeMetricFamily, series: Iterable[Any], values: Values
) -> Metric:
    """Add a sample for each combination of labels; one without a value is 0."""
    for key in series:
        family.add_metric(key, values.get(key, 0))
    return family


def _sum(parts: Iterable[Mapping[Hashable, int]]) -> Values:
    total: Counter[Hashable] = Counter()
    for part in parts:
        total.update(part)
    return total


def _unix(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0


def _longest_pause(row: Row) -> float:
    if row["schedule"] is None:
        return 0.0
    try:
        schedule = Schedule.model_validate(row["schedule"])
    except ValidationError:
        return 0.0  # stored before the rule that refuses it: nothing is due by it
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _pause_from(schedule, today).total_seconds()


@lru_cache(maxsize=1_000)
def _pause_from(schedule: Schedule, day: datetime) -> timedelta:
    """Return the longest pause; asked once a day, for a frequent schedule has thousands of due times."""
    return schedule.longest_pause(day)
