-- Count the failed rows of ended jobs that no replay has taken up, and since when the oldest stand there.
SELECT
    j.dataset,
    sum(j.rows_rejected)::bigint AS failed_rows,
    min(j.finished_at) AS oldest_at
FROM adsp.jobs AS j
WHERE
    j.finished_at IS NOT NULL
    AND j.rows_rejected > 0
    AND NOT EXISTS (
        SELECT 1
        FROM adsp.jobs AS replay
        WHERE
            replay.replay_of = j.id
            AND replay.state IN ('succeeded', 'completed_with_rejects')
    )
GROUP BY j.dataset
