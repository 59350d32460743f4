-- Note of ended jobs that none of their failed rows can be loaded by a replay any more, so that nobody asks again; that
-- does not change once it is so.
UPDATE adsp.jobs SET failed_rows_settled = TRUE
WHERE id IN (
    SELECT j.id
    FROM adsp.jobs AS j
    WHERE
        j.finished_at IS NOT NULL
        AND j.rows_rejected > 0
        AND NOT j.failed_rows_settled
        -- Asked once and hashed, not for each job.
        AND j.id NOT IN (SELECT o.job_id FROM adsp.open_failed_rows AS o)
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)
