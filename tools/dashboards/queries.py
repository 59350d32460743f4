"""Write the expressions that panels share, so that the same number is asked for in the same way everywhere.

What the ledger says comes from the worker, and from each worker where there are several: `once` counts it once.
"""

EVERY = "[$__rate_interval]"
WHOLE = "[$__range]"


def once(expression: str) -> str:
    """Return what the ledger says once, from however many workers it comes."""
    return f"max without (instance, job) ({expression})"


def of_datasets(metric: str, selector: str = "") -> str:
    """Return a metric of the chosen datasets."""
    extra = f", {selector}" if selector else ""
    return f'{metric}{{dataset=~"$dataset"{extra}}}'


def last_job(result: str) -> str:
    """Return the rows of each dataset's last job that came to a result."""
    metric = of_datasets("adsp_dataset_last_job_records", f'result="{result}"')
    return f"sum by (dataset) ({once(metric)})"


def grown(labels: str, metric: str, selector: str = "", over: str = EVERY) -> str:
    """Return by how much a counter of the ledger has grown, summed by `labels`."""
    increase = once(f"increase({of_datasets(metric, selector)}{over})")
    return f"sum by ({labels}) ({increase})"


def per_second(labels: str, counter: str) -> str:
    """Return a counter's growth a second, summed by `labels`."""
    return f"sum by ({labels}) (rate({counter}{EVERY}))"


def age(timestamp: str) -> str:
    """Return the seconds since a timestamp; 0 where it is 0, which means that there is none."""
    return f"(time() - {timestamp}) * ({timestamp} > bool 0)"


def quantile(part: float, labels: str, histogram: str) -> str:
    """Return a quantile of what a histogram observed, by `labels`."""
    return f"histogram_quantile({part}, {per_second(f'le, {labels}', histogram)})"


def share(part: str, whole: str) -> str:
    """Return part by whole; nothing where the whole is 0, rather than not a number."""
    return f"{part} / ({whole} > 0)"
