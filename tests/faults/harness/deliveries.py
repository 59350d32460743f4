"""Say from the ledger what a dataset's table must hold, and which job ended as a sequential loader's would not."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from libs.common.enums import LOADED_STATES, JobState
from tests.deliveries.sequential import Delivery, File, SequentialLoader
from tests.faults.harness.contents import Content, Row


@dataclass(frozen=True)
class Ended:
    """How one job of a dataset ended."""

    job_id: str
    content: Content
    data_date: date
    force: bool
    state: str
    finished_at: datetime

    @property
    def delivery(self) -> Delivery:
        """Return what was sent; each file has a content of its own."""
        path = self.content.path
        return Delivery(
            str(path), (File(self.content, bytes(path)),), self.data_date, force=self.force
        )


def replay_ends(mode: str, jobs: Iterable[Ended]) -> tuple[Counter[Row], list[str]]:
    """Load the jobs' deliveries in the order of their ends; return the rows, and the jobs that ended otherwise."""
    loader, wrong = SequentialLoader({"mode": mode}), []
    for job in sorted(jobs, key=lambda job: job.finished_at):
        right = loader.load(job.delivery).state
        if _loaded_or(job.state) != _loaded_or(right):
            name = f"{job.content.path.name} of {job.data_date} (job {job.job_id})"
            wrong.append(f"{name} ended as {job.state} instead of {right}")
    return loader.rows, wrong


def _loaded_or(state: str) -> str:
    """Return the state, with one word for both in which rows are loaded: the counts tell them apart."""
    return JobState.SUCCEEDED if state in LOADED_STATES else state
