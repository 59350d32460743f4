-- Remove the chunks of jobs that ended a while ago, of so many jobs at most. The jobs keep the sums of their counts, and say when it was.
-- Who may go on with what a failed or cancelled job has loaded, or load its failed rows, needs the chunks: these stay.
WITH old AS MATERIALIZED (
    SELECT id
    FROM adsp.jobs
    WHERE
        finished_at IS NOT NULL AND chunks_removed_at IS NULL
        AND (rows_rejected = 0 OR failed_rows_removed_at IS NOT NULL)
        AND (state IN ('succeeded', 'completed_with_rejects') OR state IN ('failed', 'cancelled') AND rows_loaded = 0)
        AND finished_at < :cutoff
    ORDER BY finished_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE adsp.jobs SET chunks_removed_at = now() WHERE id IN (SELECT id FROM old)
)
DELETE FROM adsp.chunks WHERE job_id IN (SELECT id FROM old)
