"""Show what became of the rows of the daily loads, and how fast they went in."""

from tools.dashboards.boards import Row
from tools.dashboards.panels import HALF, Words, bars, lines, ranking
from tools.dashboards.queries import (
    EVERY,
    WHOLE,
    Query,
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
_BYTES = once(f"rate({of_datasets('adsp_job_bytes_total')}{EVERY})")


def rows() -> Row:
    """Make the panels of rejected rows and of row counts."""
    ratio = Words(
        "Reject ratio",
        "Share of the rows of each dataset's last job that were rejected.",
        "percentunit",
        ["RejectRatioHigh"],
    )
    reasons = Words(
        "Failed rows by reason",
        "Failed rows of the jobs that ended in the selected time, by error code.",
        "short",
        ["RejectRatioHigh", "FailedRowsUnresolved"],
    )
    over_time = Words(
        "Failed rows over time",
        "Failed rows of the jobs that ended in each interval, by error code.",
        "short",
        ["RejectRatioHigh"],
    )
    trend = Words(
        "Row-count trend",
        "Rows that the last job loaded, replays aside, by dataset.",
        "short",
        ["RowCountDropped"],
    )
    change = Words(
        "Change of the row count",
        "Rows that the last job loaded against the job before it: 0 is the same, -50 % is half.",
        "percentunit",
        ["RowCountDropped"],
    )
    oldest = Words(
        "Age of the oldest open failed row",
        "Time since the end of the oldest job with failed rows that no replay has taken up; 0: none.",
        "dtdurations",
        ["FailedRowsUnresolved"],
    )
    by_reason = f"{grown('error_code', _FAILED_ROWS, over=WHOLE)} > 0"
    rejected = share(last_job("rejected"), last_job("read"))
    return Row(
        "Rows",
        [
            lines(ratio, Query(rejected, "{{dataset}}")),
            ranking(reasons, Query(by_reason, "{{error_code}}", instant=True)),
            bars(over_time, Query(f"{grown('error_code', _FAILED_ROWS)} > 0", "{{error_code}}")),
            lines(trend, Query(last_job("loaded"), "{{dataset}}")),
            lines(change, Query(f"{share(last_job('loaded'), _PREVIOUS)} - 1", "{{dataset}}")),
            lines(oldest, Query(age(_OLDEST), "{{dataset}}")),
        ],
    )


def speed() -> Row:
    """Make the panels of throughput and of durations."""
    ended = Words(
        "Rows of ended jobs",
        "Rows of the jobs that ended in each interval, by what became of them.",
        "short",
    )
    throughput = Words(
        "Throughput",
        "Rows read for each second that a loader worked, over an hour, or the panel's interval if that is longer."
        " All datasets.",
        "rowsps",
    )
    bytes_ = Words(
        "Bytes of ended jobs",
        "Bytes a second of the sources of ended jobs, as stored: a compressed file counts so.",
        "Bps",
    )
    average = Words(
        "Duration by stage, average",
        "What a stage takes on average: wait is from a job's row to its plan, judge a part of load. All datasets.",
        "s",
        ["JobStuck"],
    )
    slowest = Words(
        "Duration by stage, 95th percentile",
        "What 95 of 100 stages take at most. All datasets.",
        "s",
        ["JobStuck"],
    )
    seconds = per_second("stage", f"{_STAGES}_sum"), per_second("stage", f"{_STAGES}_count")
    results = grown("result", "adsp_records_total", 'result!="read"')
    return Row(
        "Speed",
        [
            bars(ended, Query(results, "{{result}}")),
            lines(
                throughput,
                Query(share(f"sum({_READ})", f"sum({_LOADING})"), "rows a second"),
                interval="1h",
            ),
            lines(bytes_, Query(f"sum by (dataset) ({_BYTES})", "{{dataset}}")),
            lines(average, Query(share(*seconds), "{{stage}}"), width=HALF),
            lines(
                slowest,
                Query(quantile(0.95, "stage", f"{_STAGES}_bucket"), "{{stage}}"),
                width=HALF,
            ),
        ],
    )
