"""A dry run says what the load would, and leaves nothing: it is compared with the load of the same file after it."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from libs.client.client import Client
from libs.client.errors import Conflict
from libs.client.models import FailedRow, Job
from tests.endtoend.system import System

HEADER = "sku,name,category,price,quantity,updated_at\n"
KEYED: dict[str, Any] = {"mode": "upsert", "key": ["sku"]}


def line(number: int, price: str = "9.99", quantity: str = "3") -> str:
    return f"SKU-{number:06d},lamp,tools,{price},{quantity},2026-01-01 00:00:00+00\n"


def bad_file(rows: int, seed: int = 1) -> str:
    """Return a file of which about one record in ten is bad, in each of the ways there are, and some keys repeat."""
    rng = random.Random(seed)
    lines = [HEADER]
    for number in range(rows):
        kind = rng.randrange(60)
        if kind == 0:
            lines.append(line(number, quantity="many"))
        elif kind == 1:
            lines.append(line(number, price="-1.00"))
        elif kind == 2:
            lines.append(f"SKU-{number:06d},lamp\n")
        elif kind == 3:
            lines.append(line(number, quantity="3000000000"))
        elif kind == 4 and number:
            lines.append(line(rng.randrange(number), price="5.00"))
        elif kind == 5:
            lines.append(f'SKU-{number:06d},la"mp,tools,9.99,3,2026-01-01\n')
        else:
            lines.append(line(number))
    return "".join(lines)


@dataclass(frozen=True)
class Case:
    """A dataset, what its table holds before, and the file that is checked and then loaded."""

    name: str
    definition: dict[str, Any] = field(default_factory=dict)
    before: str | None = None
    content: str = field(default_factory=lambda: bad_file(400))
    force: bool = False


CASES = [
    Case("append"),
    Case("append_held", before=HEADER + line(1) + line(7)),
    Case("append_chunks", {"atomic": False}, content=bad_file(4_000)),
    Case("upsert", KEYED, before=HEADER + line(1, "1.00") + line(7)),
    Case("replace", {"mode": "replace"}, before=bad_file(300, seed=2)),
    Case("replace_all", {"mode": "replace", "write": "all"}, before=HEADER + line(9)),
    Case("too_many", {"max_rejected_rows": 3}),
    Case("guard", {"mode": "replace", "max_shrink": 0.1}, HEADER + line(1) + line(2), HEADER),
    Case("misfit", content="sku,nonsense\n1,2\n"),
    Case("good", content=HEADER + line(1) + line(2)),
]


@dataclass
class Checked:
    """A dataset of a case with its file, and a look at its table."""

    system: System
    name: str
    path: Path

    def load(self, client: Client, **options: Any) -> Job:
        made = client.submit(self.name, source=self.path.name, **options)
        return client.wait(made, seconds=60)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.system.query(f"SELECT * FROM public.{self.name} ORDER BY 1")


def prepared(system: System, case: Case) -> Checked:
    name = f"dry_{case.name}"
    table = system.make_table(name)
    system.execute(f"GRANT TRUNCATE ON {table} TO adsp_loader")
    path = system.incoming / f"{name}.csv"
    with system.client as client:
        client.put_dataset(name, {"table": table, **case.definition})
        if case.before is not None:
            before = system.incoming / f"{name}_before.csv"
            before.write_text(case.before)
            client.wait(client.submit(name, source=before.name), seconds=60)
    path.write_text(case.content)
    return Checked(system, name, path)


def verdict(client: Client, job: Job) -> dict[str, Any]:
    """Return all that a job says of its file, less what tells this job from another."""
    counts = ("read", "loaded", "rejected", "superseded", "inserted", "updated", "deleted")
    return {
        "error": job.error,
        "counts": {name: getattr(job, f"rows_{name}") for name in counts},
        "warnings": {warning.code for warning in job.warnings},
        "failed_rows": [_less_its_id(row) for row in client.failed_rows(job.id)],
    }


def _less_its_id(row: FailedRow) -> dict[str, Any]:
    return row.model_dump(exclude={"id"})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_says_what_the_load_says_and_leaves_nothing(system: System, case: Case) -> None:
    checked = prepared(system, case)
    before = checked.rows()
    with system.client as client:
        dry = checked.load(client, dry_run=True)
        after_dry = checked.rows()
        again = checked.load(client, dry_run=True)
        real = checked.load(client)

        said, said_again, really = (verdict(client, job) for job in (dry, again, real))

    assert dry.dry_run
    assert dry.state == ("failed" if real.state == "failed" else "checked")
    assert said == said_again == really
    assert after_dry == before
    assert real.state in {"succeeded", "completed_with_rejects", "failed"}
    assert (checked.rows() != before) is (real.rows_loaded > 0)


def test_what_is_loaded_is_checked_all_the_same_and_stays_loaded(system: System) -> None:
    checked = prepared(system, Case("loaded", KEYED, content=HEADER + line(1)))
    with system.client as client:
        first = checked.load(client)
        dry = checked.load(client, dry_run=True)
        again = checked.load(client)

    assert (dry.state, dry.rows_loaded, dry.duplicate_of) == ("checked", 1, None)
    assert (again.state, again.duplicate_of) == ("duplicate", first.id)


def test_several_files_are_checked_as_one_delivery(system: System) -> None:
    checked = prepared(system, Case("parts", {"match": "all", "source": "dry_part_*.csv"}))
    for number in (1, 2):
        (system.incoming / f"dry_part_{number}.csv").write_text(bad_file(50, seed=number))
    with system.client as client:
        jobs = [
            client.wait(client.submit(checked.name, dry_run=dry_run), seconds=60)
            for dry_run in (True, True, False)
        ]
        verdicts = [verdict(client, job) for job in jobs]
        files = [[file.rows_read for file in client.files(job.id)] for job in jobs]

    assert [job.state for job in jobs] == ["checked", "checked", "completed_with_rejects"]
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert files == [[50, 50]] * 3


def test_an_upload_may_be_a_dry_run_and_no_replay_loads_its_rows(
    system: System, tmp_path: Path
) -> None:
    checked = prepared(system, Case("upload"))
    with system.client as client:
        dry = client.wait(client.load(checked.name, checked.path, dry_run=True), seconds=60)
        with pytest.raises(Conflict) as refused:
            client.replay(dry.id)

    assert (dry.state, dry.trigger) == ("checked", "upload")
    assert dry.rows_rejected > 0
    assert refused.value.code == "job-was-dry-run"
    assert checked.rows() == []


def test_dry_runs_are_no_part_of_what_is_counted(system: System) -> None:
    checked = prepared(system, Case("counted"))
    with system.client as client:
        dry = checked.load(client, dry_run=True)

    counted = f"SELECT count(*) FROM adsp.job_counters WHERE dataset = '{checked.name}'"
    open_rows = f"SELECT count(*) FROM adsp.open_failed_rows WHERE job_id = '{dry.id}'"
    assert dry.rows_rejected > 0
    assert system.query(counted) == [(0,)]
    assert system.query(open_rows) == [(0,)]
