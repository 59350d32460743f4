"""Show whether each dataset's data are there and in time: what the ledger says about jobs."""

from grafana_foundation_sdk.models import dashboard as models

from tools.dashboards.boards import Row, dataset_variable, make_dashboard
from tools.dashboards.links import DAILY_LOADS
from tools.dashboards.loaded_rows import ROWS, SPEED
from tools.dashboards.panels import HALF, QUARTER, Bars, Lines, Number, Ranking
from tools.dashboards.queries import EVERY, WHOLE, age, grown, last_job, of_datasets, once
from tools.dashboards.tables import DatasetTable

_LAST_SUCCESS = once(of_datasets("adsp_dataset_last_success_timestamp_seconds"))
_INTERVAL = once(of_datasets("adsp_dataset_expected_interval_seconds"))
_SINCE_SUCCESS = f"time() - ({_LAST_SUCCESS} > 0)"
_LATE = f"({_SINCE_SUCCESS} > 1.25 * ({_INTERVAL} > 0) + 1800)"
_NEVER = f"(({_LAST_SUCCESS} == 0) and ({_INTERVAL} > 0))"
_OPEN = once(of_datasets("adsp_open_failed_rows"))
_UNACCOUNTED = once(of_datasets("adsp_dataset_unaccounted_records"))
_SIGN = once(of_datasets("adsp_running_job_oldest_progress_timestamp_seconds"))
_IN_PROGRESS = once(of_datasets("adsp_jobs_in_progress"))
_BY_TRIGGER = f"{grown('trigger, state', 'adsp_jobs_total', over=WHOLE)} > 0"
_FAILED = grown("state", "adsp_jobs_total", 'state="failed"', WHOLE)


def daily_loads() -> models.Dashboard:
    """Make the dashboard of datasets, jobs and rows."""
    made = make_dashboard(
        DAILY_LOADS,
        "ADSP: daily loads",
        "Are the data of each dataset there, whole and in time? Read from the ledger, whatever was restarted.",
        "now-7d",
        [_NOW, _FRESHNESS, _JOBS, ROWS, SPEED],
    )
    made.templating.list_val = [dataset_variable()]
    return made


_NOW = Row(
    "At a glance",
    [
        Number(
            "Late datasets",
            "Datasets with a schedule whose last success is older than 1.25 of their longest pause and half an hour, or"
            " that never had one.",
            "none",
            {"late": f"count({_LATE} or {_NEVER}) or vector(0)"},
            ["LoadStale", "LoadMissed", "NeverSucceeded"],
            bad_from=1,
        ),
        Number(
            "Failed jobs",
            "Jobs that failed in the selected time.",
            "none",
            {"{{state}}": _FAILED},
            ["JobsFailing"],
            bad_from=1,
        ),
        Number(
            "Open failed rows",
            "Failed rows of ended jobs that no replay has taken up.",
            "short",
            {"open": f"sum({_OPEN})"},
            ["FailedRowsUnresolved"],
            bad_from=1,
        ),
        Number(
            "Unaccounted rows",
            "Rows of ended jobs that are neither loaded nor rejected nor superseded. Anything but 0 is a defect.",
            "short",
            {"unaccounted": f"sum({_UNACCOUNTED})"},
            ["RowsUnaccounted"],
            bad_from=1,
        ),
    ],
    width=QUARTER,
)


_FRESHNESS = Row(
    "Freshness",
    [
        DatasetTable(
            "Datasets",
            "The last load of each dataset; its name leads to its loads.",
            "short",
            {
                "Since last success": _SINCE_SUCCESS,
                "Expected at least every": f"{_INTERVAL} > 0",
                "Rows loaded": last_job("loaded"),
                "Rows rejected": last_job("rejected"),
                "Open failed rows": _OPEN,
            },
            ["LoadStale", "LoadMissed", "NeverSucceeded"],
            units={"Since last success": "dtdurations", "Expected at least every": "dtdurations"},
        ),
        Lines(
            "Age of the last success",
            "Time since the last job whose content is in, replays aside; a dataset without one is not shown.",
            "dtdurations",
            {"{{dataset}}": _SINCE_SUCCESS},
            ["LoadStale", "NeverSucceeded"],
        ),
        Lines(
            "Silence of running jobs",
            "Time since the quietest running job last showed progress; 0 while none runs.",
            "dtdurations",
            {"{{dataset}}": age(_SIGN)},
            ["JobStuck"],
        ),
    ],
    width=HALF,
)


_JOBS = Row(
    "Jobs",
    [
        Bars(
            "Jobs by end state",
            "Jobs that ended in each interval, by how they ended.",
            "none",
            {"{{state}}": grown("state", "adsp_jobs_total")},
            ["JobsFailing", "SourceGrew"],
        ),
        Ranking(
            "Jobs of the selected time",
            "Jobs that ended in the selected time, by how they ended and what had started them.",
            "none",
            {"{{state}} ({{trigger}})": _BY_TRIGGER},
        ),
        Lines(
            "Jobs in progress",
            "Jobs that wait or run.",
            "none",
            {"{{state}}": f"sum by (state) ({_IN_PROGRESS})"},
            ["JobStuck", "BacklogGrowing", "SourceLate"],
        ),
        Bars(
            "Changed headers",
            "Jobs of each interval whose header has other columns than that of the last load. All datasets.",
            "none",
            {"changed": f"sum(increase(adsp_header_changes_total{EVERY}))"},
        ),
        Bars(
            "Notifications",
            "Attempts of each interval to tell a target of a job: sent, refused and tried again, given up.",
            "none",
            {"{{outcome}}": grown("outcome", "adsp_notifications_total")},
            ["NotificationsGivenUp"],
        ),
    ],
    width=HALF,
)
