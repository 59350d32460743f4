"""Lead from a job to what Grafana serves: its dataset's dashboard at the time of the job, and the runbook."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from libs.common.enums import JobState
from services.api.schemas import JobDocument

DAILY_LOADS = "adsp-daily-loads"
"""The uid of the dashboard, which a test compares with Grafana's file."""

_RUNBOOKS = {
    JobState.FAILED: "JobsFailing",
    JobState.COMPLETED_WITH_REJECTS: "FailedRowsUnresolved",
    JobState.WAITING: "SourceLate",
}
"""The alerts that tell of such a job."""

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


def runbook_of(grafana_url: str | None, job: JobDocument) -> str | None:
    """Return the URL of the runbook for a job that failed or was rejected in part, which Grafana serves."""
    runbook = _RUNBOOKS.get(job.state)
    if grafana_url is None or runbook is None:
        return None
    return f"{grafana_url.rstrip('/')}/public/runbooks/{runbook}.md"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
