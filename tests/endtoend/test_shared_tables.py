"""Two datasets load the same keys into one table, in opposite orders."""

from random import Random

import pytest

from tests.endtoend.system import System

HEADER = "sku,name,category,price,quantity,updated_at\n"
ROW = "SKU-{0},lamp,tools,9.99,3,2026-01-01 00:00:00+00\n"
ROWS = 30_000


@pytest.mark.parametrize("mode", ["upsert", "append"])
def test_neither_of_two_jobs_ends_in_a_deadlock(system: System, mode: str) -> None:
    """Seen before: Postgres ended one of them in 6 of 6 pairs of upserts, and it started over."""
    table = system.make_table(f"shared_{mode}")
    orders = list(range(ROWS)), list(range(ROWS))[::-1]
    Random(1).shuffle(orders[0])
    with system.client as client:
        jobs = []
        for number, order in enumerate(orders):
            name = f"shared_{mode}_{number}"
            path = system.incoming / f"{name}.csv"
            path.write_text(HEADER + "".join(ROW.format(place) for place in order))
            options = {"mode": "upsert", "key": ["sku"]} if mode == "upsert" else {}
            client.put_dataset(name, {"table": table, "source": path.name, **options})
            jobs.append(name)
        made = [client.submit(dataset=name) for name in jobs]
        ended = [system.wait_over(job, 120) for job in made]

    attempts = "SELECT attempt FROM adsp.chunks WHERE job_id = ANY(%s::uuid[])"
    assert system.query(attempts, [job.id for job in ended]) == [(1,), (1,)]
    assert system.count(table) == ROWS
    assert sorted(job.rows_loaded for job in ended) == (
        [ROWS, ROWS] if mode == "upsert" else [0, ROWS]
    )
