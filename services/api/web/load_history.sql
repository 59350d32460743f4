-- List the last loads of a dataset, the newest first.
SELECT
    id,
    data_date,
    state,
    rows_loaded,
    rows_rejected,
    extract(EPOCH FROM finished_at - coalesce(started_at, created_at)) AS seconds
FROM adsp.jobs
WHERE
    dataset = :dataset
    AND finished_at IS NOT NULL
    AND NOT dry_run
    AND (CAST(:owner AS text) IS NULL OR owner = :owner)
    AND state IN ('succeeded', 'completed_with_rejects', 'failed')
ORDER BY finished_at DESC
LIMIT 60
