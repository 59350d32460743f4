"""Lead from a job to the dashboard of its dataset, at the time of the job."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from services.api.schemas import JobDocument

DAILY_LOADS = "adsp-daily-loads"
"""The uid of the dashboard, which a test compares with Grafana's file."""

_AROUND = timedelta(hours=1)


def dashboard_of(grafana_url: str | None, job: JobDocument) -> str | None:
    """Return the URL of the loads of a job's dataset, an hour before its begin to an hour after its end."""
    if grafana_url is None:
        return None
    query = urlencode(
        {
            "var-dataset": job.dataset,
            "from": _milliseconds(job.created_at - _AROUND),
            "to": _milliseconds(job.finished_at + _AROUND) if job.finished_at else "now",
        }
    )
    return f"{grafana_url.rstrip('/')}/d/{DAILY_LOADS}?{query}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
