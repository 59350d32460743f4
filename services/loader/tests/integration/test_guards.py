"""A guard that trips fails the load before anything is visible, and keeps its failed rows."""

from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

OLD = 100
TABLE = (
    "CREATE TABLE feed.products (sku text PRIMARY KEY, price numeric(8,2) NOT NULL);"
    f" INSERT INTO feed.products SELECT 'S' || n, n FROM generate_series(1, {OLD}) AS n"
)
ALL_BAD = b'sku,price\nS1,"9,90"\nS2,"8,00"\n'
MODES: list[dict[str, Any]] = [{"mode": "append"}, {"mode": "replace"}, {"mode": "upsert", "key": ["sku"]}]  # fmt: skip


def rows(count: int, first: int = 1) -> bytes:
    """Return a file of good rows."""
    return b"sku,price\n" + b"".join(b"N%d,1.00\n" % n for n in range(first, first + count))


def products(**options: Any) -> DatasetDefinition:
    """Return a dataset of the table."""
    return DatasetDefinition.model_validate({"table": "feed.products", **options})


def load(
    bench: LoadBench,
    data: bytes,
    definition: DatasetDefinition,
    *,
    rows_before: int | None = None,
    force: bool = False,
) -> tuple[UUID, dict[str, Any]]:
    """Load a file after a load of so many rows; return the job and its chunk."""
    job_id = bench.add_job(data, definition)
    bench.execute(
        "UPDATE adsp.jobs SET rows_before = %s, force = %s WHERE id = %s",
        rows_before,
        force,
        str(job_id),
    )
    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) in {Outcome.LOADED, Outcome.FAILED}
    return job_id, bench.chunk(job_id)


def count(bench: LoadBench) -> int:
    """Count the rows of the table."""
    return int(bench.execute("SELECT count(*) FROM feed.products")[0][0])


@pytest.mark.parametrize("force", [False, True])
def test_a_replace_without_one_good_row_leaves_the_old_ones(bench: LoadBench, force: bool) -> None:  # noqa: FBT001
    """Seen before: 100 rows became 0, `completed_with_rejects`. Force is no way to empty a table by a broken file."""
    bench.execute(TABLE)

    job_id, chunk = load(bench, ALL_BAD, products(mode="replace"), force=force)

    assert (chunk["state"], chunk["error_code"]) == ("failed", "nothing-good")
    assert (chunk["rows_read"], chunk["rows_rejected"], chunk["rows_loaded"]) == (2, 2, 0)
    assert count(bench) == OLD
    assert [code for *_, code, _, _, _ in bench.failed_rows(job_id)] == ["type-error"] * 2


def test_one_good_row_is_enough_for_a_replace(bench: LoadBench) -> None:
    bench.execute(TABLE)

    _, chunk = load(bench, ALL_BAD + b"S3,1.00\n", products(mode="replace"))

    assert (chunk["state"], count(bench)) == ("done", 1)


@pytest.mark.parametrize("options", [{"mode": "append"}, {"mode": "upsert", "key": ["sku"]}])
def test_other_modes_may_have_nothing_good(bench: LoadBench, options: dict[str, Any]) -> None:
    """They take nothing away."""
    bench.execute(TABLE)

    _, chunk = load(bench, ALL_BAD, products(**options))

    assert (chunk["state"], count(bench)) == ("done", OLD)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("options", MODES, ids=lambda options: options["mode"])
@pytest.mark.parametrize("data", [rows(0), rows(2), rows(2) + b"N9,cheap\n"], ids=len)
def test_too_few_rows_are_refused_by_force_too(
    bench: LoadBench,
    options: dict[str, Any],
    data: bytes,
    force: bool,  # noqa: FBT001
) -> None:
    """Only good rows count; `min_rows: 1` keeps a file of a header alone from emptying the table."""
    bench.execute(TABLE)

    job_id, chunk = load(bench, data, products(min_rows=3, **options), force=force)

    assert (chunk["state"], chunk["error_code"]) == ("failed", "too-few-rows")
    assert "lower 'min_rows'" in chunk["error_message"]
    assert count(bench) == OLD
    assert len(bench.failed_rows(job_id)) == data.count(b"cheap")


@pytest.mark.parametrize("options", MODES, ids=lambda options: options["mode"])
def test_enough_rows_are_loaded(bench: LoadBench, options: dict[str, Any]) -> None:
    bench.execute(TABLE)

    _, chunk = load(bench, rows(3), products(min_rows=3, max_shrink=0.25, **options), rows_before=4)

    assert (chunk["state"], chunk["warnings"]) == ("done", [])


@pytest.mark.parametrize("options", MODES, ids=lambda options: options["mode"])
def test_a_file_that_has_shrunk_is_refused(bench: LoadBench, options: dict[str, Any]) -> None:
    bench.execute(TABLE)

    _, chunk = load(bench, rows(79), products(max_shrink=0.2, **options), rows_before=OLD)

    assert (chunk["state"], chunk["error_code"]) == ("failed", "shrunk")
    assert "79 good rows, the last load had 100: a share of 0.21" in chunk["error_message"]
    assert "force" in chunk["error_message"]
    assert count(bench) == OLD


def test_a_shrunk_file_is_loaded_by_force_with_a_warning(bench: LoadBench) -> None:
    bench.execute(TABLE)
    shrinking = products(mode="replace", max_shrink=0.2)

    _, chunk = load(bench, rows(1), shrinking, rows_before=OLD, force=True)

    assert (chunk["state"], count(bench)) == ("done", 1)
    [warning] = chunk["warnings"]
    assert warning["code"] == "shrunk"
    assert warning["counts"] == {"rows_loaded": 1, "rows_before": OLD}


@pytest.mark.parametrize("rows_before", [None, 0, 1])
def test_what_has_not_shrunk_is_no_matter(bench: LoadBench, rows_before: int | None) -> None:
    bench.execute(TABLE)
    strict = products(mode="replace", max_shrink=0.0)

    _, chunk = load(bench, rows(1), strict, rows_before=rows_before)

    assert (chunk["state"], chunk["warnings"]) == ("done", [])


def test_superseded_records_are_no_rows(bench: LoadBench) -> None:
    bench.execute(TABLE)
    same = b"sku,price\nN1,1.00\nN1,2.00\nN1,3.00\n"

    _, chunk = load(bench, same, products(mode="upsert", key=["sku"], min_rows=2))

    assert (chunk["error_code"], count(bench)) == ("too-few-rows", OLD)
