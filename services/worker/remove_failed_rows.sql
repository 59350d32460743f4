-- Remove the failed rows of a job, and what people have made of them; its counts stay. No replay can load them any more.
WITH job AS (
    UPDATE adsp.jobs SET failed_rows_removed_at = now(), failed_rows_settled = TRUE
    WHERE
        id = :job_id AND failed_rows_removed_at IS NULL
        AND NOT EXISTS (SELECT FROM adsp.jobs AS r WHERE r.replay_of = :job_id AND r.finished_at IS NULL)
    RETURNING id
), drafts AS (
    DELETE FROM adsp.corrections WHERE job_id = :job_id AND EXISTS (SELECT FROM job)
)
DELETE FROM adsp.failed_rows WHERE job_id = :job_id AND EXISTS (SELECT FROM job)
