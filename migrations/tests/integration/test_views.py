"""Who has the role `adsp_reader` reads what was loaded and refused, and nothing else of the ledger."""

from contextlib import closing
from uuid import uuid4

import psycopg2
import pytest
from psycopg2 import errors

from libs.devstack.testing.databases import ScratchDatabase

JOB = """
INSERT INTO adsp.jobs (id, dataset, definition, definition_version, data_date, source, state, trigger,
    rows_read, rows_rejected, finished_at, dry_run)
VALUES (%s, 'items', '{"table": "public.items"}', 1, '2026-11-26', 'items.csv', %s, 'api', 1, 1, now(), %s)
"""
ROW = """
INSERT INTO adsp.failed_rows (job_id, chunk_number, line_number, byte_offset, raw, stage, error_code, message)
VALUES (%s, 0, 2, 10, 'a,b', 'convert', 'type-error', 'wrong')
"""


def test_readers_see_loads_and_rejected_rows_and_no_dry_runs(database: ScratchDatabase) -> None:
    job, dry_run = str(uuid4()), str(uuid4())
    with (
        closing(psycopg2.connect(database.dsn_for("owner"))) as owner,
        owner,
        owner.cursor() as cursor,
    ):
        definition = '{"table": "public.items"}'
        cursor.execute(
            "INSERT INTO adsp.datasets (name, definition) VALUES ('items', %s)", (definition,)
        )
        for one, state in ((job, "completed_with_rejects"), (dry_run, "checked")):
            cursor.execute(JOB, (one, state, one == dry_run))
            cursor.execute(ROW, (one,))
    with closing(psycopg2.connect(database.dsn_for("reader"))) as reader:
        with reader, reader.cursor() as cursor:
            cursor.execute(
                "SELECT job_id::text, target_table, state, rows_rejected FROM adsp.load_history"
            )
            loads = cursor.fetchall()
            cursor.execute("SELECT job_id::text, line_number, error_code FROM adsp.rejected_rows")
            rows = cursor.fetchall()
        with reader, reader.cursor() as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute("SELECT FROM adsp.jobs")

    assert loads == [(job, "public.items", "completed_with_rejects", 1)]
    assert rows == [(job, 2, "type-error")]
