"""Chunks whose order matters are loaded one after the other, whatever is sent: the first record of a key wins."""

from uuid import UUID

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

TABLE = "CREATE TABLE feed.t (id int PRIMARY KEY, v text)"
DATASET = DatasetDefinition(table="feed.t", atomic=False)
HEADER, FIRST, SECOND = b"id,v\n", b"7,first\n2,b\n", b"7,second\n3,c\n"


def add_job(bench: LoadBench, *, is_ordered: bool) -> UUID:
    """Make the table and a job of two chunks that hold the same key."""
    bench.execute(TABLE)
    middle = len(HEADER) + len(FIRST)
    chunks = [(len(HEADER), middle, 2), (middle, None, 4)]
    return bench.add_job(HEADER + FIRST + SECOND, DATASET, chunks, is_ordered=is_ordered)


def rows(bench: LoadBench) -> list[tuple[object, ...]]:
    """Return what is in the target."""
    return bench.execute("SELECT * FROM feed.t ORDER BY id")


def test_a_chunk_is_not_claimed_before_those_in_front_of_it_are_done(bench: LoadBench) -> None:
    job_id = add_job(bench, is_ordered=True)

    early = bench.loader().load_chunk(job_id, 1)
    left = bench.chunk(job_id, 1)
    done = [bench.loader().load_chunk(job_id, number) for number in (0, 1)]

    assert early is Outcome.SKIPPED
    assert (left["state"], left["attempt"]) == ("queued", 0)
    assert done == [Outcome.LOADED] * 2
    assert rows(bench) == [(2, "b"), (3, "c"), (7, "first")]
    assert [failed[2] for failed in bench.failed_rows(job_id)] == [b"7,second"]


@pytest.mark.parametrize(("state", "error"), [("running", None), ("failed", "load-fault")])
def test_a_chunk_in_front_that_is_not_done_holds_up_the_next(
    bench: LoadBench, state: str, error: str | None
) -> None:
    job_id = add_job(bench, is_ordered=True)
    front = "UPDATE adsp.chunks SET state = %s, error_code = %s WHERE number = 0"
    bench.execute(front, state, error)

    assert bench.loader().load_chunk(job_id, 1) is Outcome.SKIPPED
    assert rows(bench) == []


def test_chunks_in_any_order_do_not_wait_for_each_other(bench: LoadBench) -> None:
    job_id = add_job(bench, is_ordered=False)

    assert bench.loader().load_chunk(job_id, 1) is Outcome.LOADED
    assert rows(bench) == [(3, "c"), (7, "second")]
