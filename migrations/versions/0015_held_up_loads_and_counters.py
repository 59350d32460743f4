"""Tell loads that wait for a lock from those that get on, and keep counters of ended jobs.

`chunks.lock_waits` counts how often a chunk was put off for a lock, `chunk_leases.progressed_at` says when its load
last got on. Columns with a default that is the same for all rows are added without writing the table anew.

`job_counters` and `failed_row_counters` are added to by the transaction that ends a job (decision 35). They begin with
what all jobs so far add up to. While that is summed no job begins or ends, so that none is counted twice or not at all:
about a second for a million jobs. Three indexes let Prometheus ask for last ends and open failed rows without reading
ended jobs.

Revision 0015, after 0014.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | Sequence[str] | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNT_ENDED_JOBS = """
CREATE FUNCTION adsp.count_ended_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH taken AS (
        SELECT
            coalesce(sum(c.rows_read), 0)::bigint AS read,
            coalesce(sum(c.rows_loaded), 0)::bigint AS loaded,
            coalesce(sum(c.rows_rejected), 0)::bigint AS rejected,
            coalesce(sum(c.rows_superseded), 0)::bigint AS superseded
        FROM adsp.chunks AS c
        WHERE c.job_id = NEW.id AND c.taken_from IS NOT NULL
    )
    INSERT INTO adsp.job_counters AS counter (
        dataset, trigger, state, jobs, rows_read, rows_loaded, rows_rejected, rows_superseded, bytes, unaccounted
    )
    SELECT
        NEW.dataset, NEW.trigger, NEW.state, 1,
        NEW.rows_read - taken.read, NEW.rows_loaded - taken.loaded,
        NEW.rows_rejected - taken.rejected, NEW.rows_superseded - taken.superseded,
        coalesce(NEW.bytes_total, 0),
        abs(NEW.rows_read - NEW.rows_loaded - NEW.rows_rejected - NEW.rows_superseded)
    FROM taken
    ON CONFLICT (dataset, trigger, state) DO UPDATE SET
        jobs = counter.jobs + excluded.jobs,
        rows_read = counter.rows_read + excluded.rows_read,
        rows_loaded = counter.rows_loaded + excluded.rows_loaded,
        rows_rejected = counter.rows_rejected + excluded.rows_rejected,
        rows_superseded = counter.rows_superseded + excluded.rows_superseded,
        bytes = counter.bytes + excluded.bytes,
        unaccounted = counter.unaccounted + excluded.unaccounted;

    IF NEW.rejected_by_code <> '{}' THEN
        INSERT INTO adsp.failed_row_counters AS counter (dataset, error_code, failed_rows)
        SELECT NEW.dataset, code.key, code.value::bigint - coalesce(taken.failed_rows, 0)
        FROM jsonb_each_text(NEW.rejected_by_code) AS code
        LEFT JOIN (
            SELECT f.error_code, count(*) AS failed_rows
            FROM adsp.chunks AS c
            JOIN adsp.failed_rows AS f ON f.job_id = c.job_id AND f.chunk_number = c.number
            WHERE c.job_id = NEW.id AND c.taken_from IS NOT NULL
            GROUP BY f.error_code
        ) AS taken ON taken.error_code = code.key
        ORDER BY code.key
        ON CONFLICT (dataset, error_code) DO UPDATE SET
            failed_rows = counter.failed_rows + excluded.failed_rows;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_inserted_job AFTER INSERT ON adsp.jobs
FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION adsp.count_ended_job();
CREATE TRIGGER count_ended_job AFTER UPDATE ON adsp.jobs
FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
EXECUTE FUNCTION adsp.count_ended_job()
"""

SUM_ENDED_JOBS = """
INSERT INTO adsp.job_counters
SELECT
    dataset, trigger, state, count(*), sum(rows_read), sum(rows_loaded), sum(rows_rejected), sum(rows_superseded),
    coalesce(sum(bytes_total), 0), sum(abs(rows_read - rows_loaded - rows_rejected - rows_superseded))
FROM adsp.jobs
WHERE finished_at IS NOT NULL
GROUP BY dataset, trigger, state
"""
SUM_FAILED_ROWS = """
INSERT INTO adsp.failed_row_counters
SELECT j.dataset, code.key, sum(code.value::bigint)
FROM adsp.jobs AS j CROSS JOIN LATERAL jsonb_each_text(j.rejected_by_code) AS code
WHERE j.finished_at IS NOT NULL AND j.rejected_by_code <> '{}'
GROUP BY j.dataset, code.key
"""
INDEXES = {
    "ix_jobs_loaded": (
        "state IN ('succeeded', 'completed_with_rejects', 'duplicate') AND trigger <> 'replay'"
    ),
    "ix_jobs_snapshots": (
        "state IN ('succeeded', 'completed_with_rejects') AND definition ->> 'mode' = 'replace'"
    ),
    "ix_jobs_unsettled": "finished_at IS NOT NULL AND rows_rejected > 0 AND NOT failed_rows_settled",
}

LAST_PROBLEM = "Why it failed; until it has ended, why its last attempt did."


def upgrade() -> None:
    """Apply the revision."""
    op.add_column(
        "chunks",
        sa.Column(
            "lock_waits",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Attempts that ended because a lock was not available; they are not held against it.",
        ),
        schema="adsp",
    )
    op.execute(f"COMMENT ON COLUMN adsp.chunks.error_message IS '{LAST_PROBLEM}'")
    op.add_column(
        "chunk_leases",
        sa.Column(
            "progressed_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
            comment="When the load last got on; a lease is renewed also while it waits.",
        ),
        schema="adsp",
    )
    op.add_column(
        "chunks",
        sa.Column(
            "taken_from",
            sa.Uuid(),
            nullable=True,
            comment="The job that had loaded it, with which it is counted; NULL: this job.",
        ),
        schema="adsp",
    )
    op.add_column(
        "jobs",
        sa.Column(
            "failed_rows_settled",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="Whether the sweep has seen that no replay can load its failed rows any more.",
        ),
        schema="adsp",
    )
    _make_counters()
    with op.get_context().autocommit_block():
        for name, where in INDEXES.items():
            _drop_index(name)  # what an attempt that was cut off has left cannot be used
            op.create_index(
                name,
                "jobs",
                ["dataset", "finished_at"],
                schema="adsp",
                postgresql_where=sa.text(where),
                postgresql_concurrently=True,
            )


def downgrade() -> None:
    """Take the revision back; attempts that ended for a lock count like others."""
    op.execute("DROP TRIGGER count_inserted_job ON adsp.jobs")
    op.execute("DROP TRIGGER count_ended_job ON adsp.jobs")
    op.execute("DROP FUNCTION adsp.count_ended_job()")
    op.drop_table("failed_row_counters", schema="adsp")
    op.drop_table("job_counters", schema="adsp")
    op.drop_column("chunks", "taken_from", schema="adsp")
    op.drop_column("chunk_leases", "progressed_at", schema="adsp")
    op.execute("COMMENT ON COLUMN adsp.chunks.error_message IS NULL")
    op.execute("UPDATE adsp.chunks SET error_message = NULL WHERE state <> 'failed'")
    op.drop_column("chunks", "lock_waits", schema="adsp")
    with op.get_context().autocommit_block():
        for name in INDEXES:
            _drop_index(name)
    op.drop_column("jobs", "failed_rows_settled", schema="adsp")


def _make_counters() -> None:
    """Make the tables, let each job that ends from now on be added, and begin with those that have."""
    words = ("dataset", "trigger", "state")
    numbers = ("jobs", "rows_read", "rows_loaded", "rows_rejected", "rows_superseded")
    op.create_table(
        "job_counters",
        *(sa.Column(name, sa.Text(), nullable=False) for name in words),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in numbers),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="Of the sources, as stored."),
        sa.Column(
            "unaccounted",
            sa.BigInteger(),
            nullable=False,
            comment="Records that went nowhere; must be 0.",
        ),
        sa.PrimaryKeyConstraint(*words, name=op.f("pk_job_counters")),
        schema="adsp",
    )
    op.create_table(
        "failed_row_counters",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column("failed_rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "error_code", name=op.f("pk_failed_row_counters")),
        schema="adsp",
    )
    op.execute("GRANT SELECT ON adsp.job_counters, adsp.failed_row_counters TO adsp_worker")
    # The triggers come first: to make them locks out whoever begins or ends a job, until the sums are committed.
    op.execute(COUNT_ENDED_JOBS)
    op.execute(SUM_ENDED_JOBS)
    op.execute(SUM_FAILED_ROWS)


def _drop_index(name: str) -> None:
    op.drop_index(
        name, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
