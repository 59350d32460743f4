"""Load a file by the loader and record by record, and compare everything that the two leave behind."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from random import Random
from typing import TypeVar
from uuid import UUID

import psycopg2
import pytest
from backports import zstd

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import DateOrder, LoadMode
from libs.common.errors import SourceError
from libs.common.postgres.catalog import read_table
from libs.devstack.testing.reference_layout import FooterMissing, reference_layout
from services.loader.rejects.rejection import may_be_row_error
from services.loader.session import fix_settings
from services.loader.tests.integration.cases import Case
from services.loader.tests.integration.conftest import LoadBench
from services.loader.tests.integration.generators import CAP, Trial
from services.loader.tests.integration.oracle import DAY, Refusal, Verdict, judge_file

Item = TypeVar("Item")
_SHOWN = 3
_UNPACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"\x28\xb5\x2f\xfd": zstd.decompress,
    b"BZh9": bz2.decompress,
    b"\xfd7zXZ\0": lzma.decompress,
    b"PK\3\4": lambda data: zipfile.ZipFile(BytesIO(data)).read("data.csv"),
}
_CHUNK_BYTES = 25


class Difference(AssertionError):
    """Loader and oracle do not agree."""


def require_same(what: str, found: list[Item], expected: list[Item]) -> None:
    """Raise `Difference` naming what only one of two lists has, or where their order differs."""
    if found == expected:
        return
    extra, missing = (
        [item for item in one if one.count(item) > other.count(item)]
        for one, other in ((found, expected), (expected, found))
    )
    if not extra and not missing:
        extra, missing = found, expected
    raise Difference(f"{what}: the loader has {extra[:_SHOWN]!r}, the oracle {missing[:_SHOWN]!r}")


def plain(data: bytes) -> bytes:
    """Return a file's bytes decompressed."""
    for magic, unpack in _UNPACKED.items():
        if data.startswith(magic):
            return unpack(data)
    return data


def make_tables(bench: LoadBench, case: Case) -> None:
    """Make the table twice, `fast` for the loader and `slow` for the oracle; rows that do not fit are left out."""
    bench.renew_schema()
    for name in ("fast", "slow"):
        bench.execute((case.table + ";" + case.seed).replace("{t}", name))
        for statement in case.rows_before:
            try:
                bench.execute(statement.replace("{t}", name))
            except psycopg2.DatabaseError as exc:
                if not may_be_row_error(exc.pgcode):
                    raise


def definition_of(case: Case, mode: str, table: str) -> DatasetDefinition:
    """Return the dataset's definition of a case."""
    key = list(case.key or ()) if mode == "upsert" else []
    way = {"mode": "append", "atomic": False} if mode == "chunks" else {"mode": mode}
    return DatasetDefinition.model_validate(
        {"table": f"feed.{table}", "key": key, **way, **case.options}
    )


def run_oracle(
    bench: LoadBench, case: Case, definition: DatasetDefinition, job_id: UUID
) -> Verdict:
    """Load a file into feed.slow record by record, in the loader's session settings."""
    with closing(psycopg2.connect(bench.database.dsn_for("loader"))) as connection:
        order = definition.date_order or DateOrder.MDY
        fix_settings(connection, definition.table, definition.time_zone, order, lock_seconds=60)
        verdict = judge_file(
            connection,
            "slow",
            plain(case.data),
            definition,
            cap=CAP,
            nulls_are_equal="NULLS NOT DISTINCT" in case.table,
            job={"$file": f"{job_id}.csv", "$job_id": str(job_id), "$data_date": DAY},
        )
        if has_nothing_good(definition, verdict):
            connection.rollback()
        connection.commit()
    return verdict


def has_nothing_good(definition: DatasetDefinition, verdict: Verdict) -> bool:
    """Return whether a replace must fail and leave the old rows: it has failed rows and not one good one."""
    is_replace = definition.mode is LoadMode.REPLACE
    return is_replace and bool(verdict.refusals) and not verdict.accepted


def contents(
    bench: LoadBench, table: str, hidden: str | None, *, in_order: bool
) -> list[tuple[object, ...]]:
    """Return every row as text with its size as stored; of a hidden column only the order counts, if that."""
    order = f"rank() OVER (ORDER BY {hidden})" if hidden and in_order else "0"
    [(columns,)] = bench.execute(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND attname IS DISTINCT FROM %s",
        f"feed.{table}",
        hidden,
    )
    return bench.execute(
        f"SELECT ROW({columns})::text, pg_column_size(ROW({columns})), {order}"
        f" FROM feed.{table} ORDER BY 1, 3"
    )


def refusals_on_record(bench: LoadBench, job_id: UUID, *, in_order: bool) -> list[Refusal]:
    """Return the failed rows of a job as the oracle words them; only records refused by Postgres have its words."""
    rows = bench.execute(
        "SELECT line_number, byte_offset, raw, stage, error_code, sqlstate, message, column_name"
        " FROM adsp.failed_rows WHERE job_id = %s ORDER BY byte_offset",
        str(job_id),
    )
    refusals = [
        Refusal(line, offset, bytes(raw), stage, code, state, message if state else None, column)
        for line, offset, raw, stage, code, state, message, column in rows
    ]
    return refusals if in_order else sorted(refusals, key=lambda refusal: refusal.byte_offset)


def as_fast(refusals: list[Refusal], case: Case) -> list[Refusal]:
    """Return the oracle's refusals with the loader's table in their words."""
    return [
        replace(
            r, message=_comparable(r.message.replace("slow", "fast"), case) if r.message else None
        )
        for r in refusals
    ]


def _comparable(message: str, case: Case) -> str:
    """Leave out of a message what may differ: the numbers that a sequence gave."""
    return message if case.hidden is None else message.partition(": Failing row contains")[0]


def compare_case(bench: LoadBench, case: Case, mode: str, **settings: int) -> None:
    """Load a case and assert that nothing differs; the mode `chunks` is append in small ones."""
    chunk_bytes = max(_CHUNK_BYTES, len(plain(case.data)) // 3) if mode == "chunks" else None
    fast, slow = (definition_of(case, mode, table) for table in ("fast", "slow"))
    _compare(bench, case, fast, slow, chunk_bytes, settings)


def compare_trial(bench: LoadBench, trial: Trial) -> None:
    """Load a trial, in chunks if it says so, and assert that nothing differs."""
    fast, slow = (trial.definition(table) for table in ("fast", "slow"))
    _compare(bench, trial.case, fast, slow, trial.chunk_bytes, trial.settings)


def _compare(
    bench: LoadBench,
    case: Case,
    fast: DatasetDefinition,
    slow: DatasetDefinition,
    chunk_bytes: int | None,
    settings: dict[str, int],
) -> None:
    """Make the tables, cut the file, and compare.

    Chunks that do not depend on each other come in any order, as loaders in parallel finish them.
    """
    make_tables(bench, case)
    chunks: list[tuple[int, int | None, int]] = [(0, None, 1)]
    if chunk_bytes:
        try:
            chunks = bench.plan(case.data, fast, chunk_bytes, CAP)
        except SourceError as exc:
            require_same("ends", [exc.code], ["trailer-mismatch"])
            with pytest.raises(FooterMissing):
                reference_layout(plain(case.data), slow.format, CAP)
            return
    in_order = keeps_order(bench)
    job_id = bench.add_job(case.data, fast, chunks, is_ordered=in_order)
    numbers = list(range(len(chunks)))
    if not in_order:
        Random(len(case.data)).shuffle(numbers)
    assert_same(bench, case, job_id, numbers, settings, slow)


def keeps_order(bench: LoadBench) -> bool:
    """Return whether records must come in the order of the file."""
    return read_table(bench.owner, "feed.fast").has_order_dependent_constraints


def assert_same(
    bench: LoadBench,
    case: Case,
    job_id: UUID,
    numbers: list[int],
    settings: dict[str, int],
    slow: DatasetDefinition,
) -> None:
    """Load a job's chunks, judge its file, and compare rows, failed rows and counts."""
    with closing(bench.loader(max_record_bytes=CAP, **settings)) as loader:
        for number in numbers:
            loader.load_chunk(job_id, number)
    chunks = [bench.chunk(job_id, number) for number in numbers]
    try:
        verdict = run_oracle(bench, case, slow, job_id)
    except FooterMissing:
        ends = [f"{chunk['error_code']}, {chunk['rows_read']} records" for chunk in chunks]
        require_same("ends", ends, ["trailer-mismatch, 0 records"] * len(numbers))
        fast, slowly = (
            contents(bench, table, case.hidden, in_order=False) for table in ("fast", "slow")
        )
        require_same("rows", fast, slowly)
        return
    is_refused = has_nothing_good(slow, verdict)
    reason = "error_code" if is_refused else "error_message"
    ends = [chunk[reason] or chunk["state"] for chunk in chunks]
    require_same("ends", ends, ["nothing-good" if is_refused else "done"] * len(numbers))

    in_order = len(numbers) == 1
    found = refusals_on_record(bench, job_id, in_order=in_order)
    require_same("failed rows", as_fast(found, case), as_fast(verdict.refusals, case))
    # Rows that stay keep their numbers.
    are_new = chunks[0]["rows_unchanged"] is None
    counts_in_order = in_order and are_new and keeps_order(bench)
    fast, slowly = (
        contents(bench, table, case.hidden, in_order=counts_in_order) for table in ("fast", "slow")
    )
    require_same("rows", fast, slowly)
    names = ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded", "bytes_done")
    counts = [
        verdict.accepted + len(verdict.refusals),
        verdict.accepted - verdict.superseded,
        len(verdict.refusals),
        verdict.superseded,
        0 if is_refused else len(case.data),
    ]
    require_same("counts", [sum(chunk[name] for chunk in chunks) for name in names], counts)
