"""Show what became of the rows of the daily loads, and how fast they went in."""

from tools.dashboards.boards import Row
from tools.dashboards.panels import HALF, Bars, Lines, Ranking
from tools.dashboards.queries import (
    EVERY,
    WHOLE,
    age,
    grown,
    last_job,
    of_datasets,
    once,
    per_second,
    quantile,
    share,
)

_FAILED_ROWS = "adsp_failed_rows_total"
_STAGES = "adsp_stage_duration_seconds"
_PREVIOUS = once(of_datasets("adsp_dataset_previous_job_records"))
_OLDEST = once(of_datasets("adsp_oldest_open_failed_row_timestamp_seconds"))
_READ = once(f'increase(adsp_records_total{{result="read"}}{EVERY})')
_LOADING = f'increase({_STAGES}_sum{{stage="load"}}{EVERY})'
_SECONDS = per_second("stage", f"{_STAGES}_sum"), per_second("stage", f"{_STAGES}_count")
_BYTES = once(f"rate({of_datasets('adsp_job_bytes_total')}{EVERY})")


ROWS = Row(
    "Rows",
    [
        Lines(
            "Reject ratio",
            "Share of the rows of each dataset's last job that were rejected.",
            "percentunit",
            {"{{dataset}}": share(last_job("rejected"), last_job("read"))},
            ["RejectRatioHigh"],
        ),
        Ranking(
            "Failed rows by reason",
            "Failed rows of the jobs that ended in the selected time, by error code.",
            "short",
            {"{{error_code}}": f"{grown('error_code', _FAILED_ROWS, over=WHOLE)} > 0"},
            ["RejectRatioHigh", "FailedRowsUnresolved"],
        ),
        Bars(
            "Failed rows over time",
            "Failed rows of the jobs that ended in each interval, by error code.",
            "short",
            {"{{error_code}}": f"{grown('error_code', _FAILED_ROWS)} > 0"},
            ["RejectRatioHigh"],
        ),
        Lines(
            "Row-count trend",
            "Rows that the last job loaded, replays aside, by dataset.",
            "short",
            {"{{dataset}}": last_job("loaded")},
            ["RowCountDropped"],
        ),
        Lines(
            "Change of the row count",
            "Rows that the last job loaded against the job before it: 0 is the same, -50 % is half.",
            "percentunit",
            {"{{dataset}}": f"{share(last_job('loaded'), _PREVIOUS)} - 1"},
            ["RowCountDropped"],
        ),
        Lines(
            "Age of the oldest open failed row",
            "Time since the end of the oldest job with failed rows that no replay has taken up; 0: none.",
            "dtdurations",
            {"{{dataset}}": age(_OLDEST)},
            ["FailedRowsUnresolved"],
        ),
    ],
)


SPEED = Row(
    "Speed",
    [
        Bars(
            "Rows of ended jobs",
            "Rows of the jobs that ended in each interval, by what became of them.",
            "short",
            {"{{result}}": grown("result", "adsp_records_total", 'result!="read"')},
        ),
        Lines(
            "Throughput",
            "Rows read for each second that a loader worked, over an hour, or the panel's interval if that is longer."
            " All datasets.",
            "rowsps",
            {"rows a second": share(f"sum({_READ})", f"sum({_LOADING})")},
            interval="1h",
        ),
        Lines(
            "Bytes of ended jobs",
            "Bytes a second of the sources of ended jobs, as stored: a compressed file counts so.",
            "Bps",
            {"{{dataset}}": f"sum by (dataset) ({_BYTES})"},
        ),
        Lines(
            "Duration by stage, average",
            "What a stage takes on average: wait is from a job's row to its plan, judge a part of load. All datasets.",
            "s",
            {"{{stage}}": share(*_SECONDS)},
            ["JobStuck"],
            width=HALF,
        ),
        Lines(
            "Duration by stage, 95th percentile",
            "What 95 of 100 stages take at most. All datasets.",
            "s",
            {"{{stage}}": quantile(0.95, "stage", f"{_STAGES}_bucket")},
            ["JobStuck"],
            width=HALF,
        ),
    ],
)
