-- Find the files that were loaded since a moment and of which nobody was told that they grew. The ids of events begin
-- with the time they were made, so the primary key finds the ends of jobs since then.
SELECT
    j.id,
    j.dataset,
    j.source_path,
    j.bytes_total,
    j.seen_identity
FROM adsp.events AS ended
INNER JOIN adsp.jobs AS j ON ended.job_id = j.id
WHERE
    ended.id >= :earliest
    AND ended.type IN ('job.succeeded', 'job.completed_with_rejects')
    AND j.trigger NOT IN ('upload', 'replay')
    AND j.seen_identity IS NOT NULL
    AND NOT EXISTS (
        SELECT 1
        FROM adsp.events AS told
        WHERE told.job_id = j.id AND told.type = 'job.source-grew'
    )
ORDER BY random()
LIMIT :limit
