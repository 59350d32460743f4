-- Remove the chunks of jobs that ended a while ago, of so many jobs at most. The jobs keep the sums of their counts, and say when it was.
-- Who may go on with what a failed or cancelled job has loaded, or load its failed rows, needs the chunks: these stay. A dry
-- run loads nothing, so nobody goes on with it.
WITH old AS MATERIALIZED (
    SELECT j.id
    FROM adsp.jobs AS j
    WHERE
        j.finished_at IS NOT NULL AND j.header IS NOT NULL AND j.chunks_removed_at IS NULL
        AND (j.rows_rejected = 0 OR j.failed_rows_removed_at IS NOT NULL)
        AND (j.rows_loaded = 0 OR j.dry_run OR j.state IN ('succeeded', 'completed_with_rejects'))
        AND j.finished_at < :cutoff
        -- Chunks of a job close failed rows of an earlier one of the same content: not before that is noted.
        AND NOT EXISTS (
            SELECT 1
            FROM adsp.jobs AS earlier
            WHERE
                earlier.dataset = j.dataset AND earlier.fingerprint = j.fingerprint AND earlier.id <> j.id
                AND earlier.state IN ('failed', 'cancelled')
                AND earlier.rows_rejected > 0 AND NOT earlier.failed_rows_settled
                AND (
                    earlier.id < j.id
                    OR EXISTS (SELECT 1 FROM adsp.chunks AS c WHERE c.job_id = j.id AND c.taken_from = earlier.id)
                )
        )
    ORDER BY j.finished_at
    LIMIT :limit
    FOR NO KEY UPDATE OF j SKIP LOCKED
), marked AS (
    UPDATE adsp.jobs SET chunks_removed_at = now() WHERE id IN (SELECT id FROM old)
)
DELETE FROM adsp.chunks WHERE job_id IN (SELECT id FROM old)
