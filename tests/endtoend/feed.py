"""Load files into a table of one's own, one after the other, and look at what they leave."""

from typing import Any

from libs.client.models import Job
from tests.endtoend.system import System


class Feed:
    """A table of its own, its dataset, and a way to load a file into it."""

    def __init__(self, system: System, name: str, columns: str, **options: Any) -> None:
        self._system = system
        self._name = name
        self.table = f"public.{name}"
        system.execute(
            f"CREATE TABLE {self.table} ({columns});"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {self.table} TO adsp_loader"
        )
        self.put(**options)

    def put(self, **options: Any) -> None:
        """Change the dataset."""
        with self._system.client as client:
            client.put_dataset(self._name, {"table": self.table, **options})

    def load(self, text: str, **request: Any) -> Job:
        """Load a file and return its job as it ended."""
        count = len(list(self._system.incoming.iterdir()))
        path = self._system.incoming / f"{self._name}-{count}.csv"
        path.with_suffix(".part").write_text(text)
        path.with_suffix(".part").rename(path)
        with self._system.client as client:
            job = client.submit(dataset=self._name, source=path.name, **request)
        return self._system.wait_over(job)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the table's rows in their order."""
        return self._system.query(f"SELECT * FROM {self.table} ORDER BY 1, 2")


def end(job: Job) -> tuple[str, str | None]:
    """Return a job's state and the code of its error."""
    return job.state, job.error_code


def codes(job: Job) -> list[str]:
    """Return the codes of a job's warnings."""
    return [warning.code for warning in job.warnings]
