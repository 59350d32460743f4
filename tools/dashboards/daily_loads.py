"""Show whether each dataset's data are there and in time: what the ledger says about jobs."""

from grafana_foundation_sdk.models import dashboard as models

from tools.dashboards.boards import Row, dataset_variable, make_dashboard
from tools.dashboards.links import DAILY_LOADS
from tools.dashboards.loaded_rows import rows, speed
from tools.dashboards.panels import HALF, Words, bars, lines, number, ranking
from tools.dashboards.queries import WHOLE, Query, age, grown, last_job, of_datasets, once
from tools.dashboards.tables import Column, dataset_table

_LAST_SUCCESS = once(of_datasets("adsp_dataset_last_success_timestamp_seconds"))
_INTERVAL = once(of_datasets("adsp_dataset_expected_interval_seconds"))
_LATE = f"(time() - ({_LAST_SUCCESS} > 0) > 1.25 * ({_INTERVAL} > 0) + 1800)"
_NEVER = f"(({_LAST_SUCCESS} == 0) and ({_INTERVAL} > 0))"
_OPEN = once(of_datasets("adsp_open_failed_rows"))
_UNACCOUNTED = once(of_datasets("adsp_dataset_unaccounted_records"))
_SIGN = once(of_datasets("adsp_running_job_oldest_progress_timestamp_seconds"))
_IN_PROGRESS = once(of_datasets("adsp_jobs_in_progress"))
_FAILED = grown("state", "adsp_jobs_total", 'state="failed"', WHOLE)


def daily_loads() -> models.Dashboard:
    """Make the dashboard of datasets, jobs and rows."""
    made = make_dashboard(
        DAILY_LOADS,
        "ADSP: daily loads",
        "Are the data of each dataset there, whole and in time? Read from the ledger, whatever was restarted.",
        "now-7d",
        [_now(), _freshness(), _jobs(), rows(), speed()],
    )
    made.templating.list_val = [dataset_variable()]
    return made


def _now() -> Row:
    late = Words(
        "Late datasets",
        "Datasets with a schedule whose last success is older than 1.25 of their longest pause and half an hour, or"
        " that never had one.",
        "none",
        ["LoadStale", "LoadMissed", "NeverSucceeded"],
    )
    failed = Words("Failed jobs", "Jobs that failed in the selected time.", "none", ["JobsFailing"])
    still_open = Words(
        "Open failed rows",
        "Failed rows of ended jobs that no replay has taken up.",
        "short",
        ["FailedRowsUnresolved"],
    )
    unaccounted = Words(
        "Unaccounted rows",
        "Rows of ended jobs that are neither loaded nor rejected nor superseded. Anything but 0 is a defect.",
        "short",
        ["RowsUnaccounted"],
    )
    return Row(
        "At a glance",
        [
            number(
                late,
                Query(f"count({_LATE} or {_NEVER}) or vector(0)", "late", instant=True),
                bad_from=1,
            ),
            number(failed, Query(_FAILED, "{{state}}", instant=True), bad_from=1),
            number(still_open, Query(f"sum({_OPEN})", "open", instant=True), bad_from=1),
            number(
                unaccounted,
                Query(f"sum({_UNACCOUNTED})", "unaccounted", instant=True),
                bad_from=1,
            ),
        ],
    )


def _freshness() -> Row:
    datasets = Words(
        "Datasets",
        "The last load of each dataset; its name leads to its loads.",
        "short",
        ["LoadStale", "LoadMissed", "NeverSucceeded"],
    )
    columns = [
        Column("Since last success", f"time() - ({_LAST_SUCCESS} > 0)", "dtdurations"),
        Column("Expected at least every", f"{_INTERVAL} > 0", "dtdurations"),
        Column("Rows loaded", last_job("loaded"), "short"),
        Column("Rows rejected", last_job("rejected"), "short"),
        Column("Open failed rows", _OPEN, "short"),
    ]
    success = Words(
        "Age of the last success",
        "Time since the last job whose content is in, replays aside; a dataset without one is not shown.",
        "dtdurations",
        ["LoadStale", "NeverSucceeded"],
    )
    silence = Words(
        "Silence of running jobs",
        "Time since the quietest running job last showed progress; 0 while none runs.",
        "dtdurations",
        ["JobStuck"],
    )
    return Row(
        "Freshness",
        [
            dataset_table(datasets, columns, empty="–"),
            lines(success, Query(f"time() - ({_LAST_SUCCESS} > 0)", "{{dataset}}"), width=HALF),
            lines(silence, Query(age(_SIGN), "{{dataset}}"), width=HALF),
        ],
    )


def _jobs() -> Row:
    ended = Words(
        "Jobs by end state",
        "Jobs that ended in each interval, by how they ended.",
        "none",
        ["JobsFailing", "SourceGrew"],
    )
    selected = Words(
        "Jobs of the selected time",
        "Jobs that ended in the selected time, by how they ended and what had started them.",
        "none",
    )
    in_progress = Words(
        "Jobs in progress",
        "Jobs that wait or run.",
        "none",
        ["JobStuck", "BacklogGrowing", "SourceLate"],
    )
    by_trigger = f"{grown('trigger, state', 'adsp_jobs_total', over=WHOLE)} > 0"
    return Row(
        "Jobs",
        [
            bars(ended, Query(grown("state", "adsp_jobs_total"), "{{state}}")),
            ranking(selected, Query(by_trigger, "{{state}} ({{trigger}})", instant=True)),
            lines(in_progress, Query(f"sum by (state) ({_IN_PROGRESS})", "{{state}}")),
        ],
    )
