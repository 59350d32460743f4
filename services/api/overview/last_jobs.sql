-- Find the last job of each dataset's day; what a replay or a dry run loads is no delivery. A job whose failed rows a
-- replay has loaded to the last is as good as one without. OFFSET keeps Postgres from reading all jobs once instead of
-- a few by their index.
SELECT
    wanted.dataset,
    day.data_date::date AS data_date,
    last_job.id,
    last_job.state,
    last_job.due_at,
    last_job.state = 'completed_with_rejects' AND EXISTS (
        SELECT 1
        FROM adsp.jobs AS replay
        WHERE replay.replay_of = last_job.id AND replay.state = 'succeeded'
        OFFSET 0
    ) AS is_repaired
FROM unnest(CAST(:datasets AS text [])) AS wanted (dataset)
CROSS JOIN generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS day (data_date)
CROSS JOIN LATERAL (
    SELECT
        j.id,
        j.state,
        j.due_at
    FROM adsp.jobs AS j
    WHERE
        j.dataset = wanted.dataset
        AND j.data_date = day.data_date::date
        AND j.replay_of IS NULL
        AND NOT j.dry_run
        AND (CAST(:owner AS text) IS NULL OR j.owner = :owner)
    ORDER BY j.id DESC
    LIMIT 1
) AS last_job
