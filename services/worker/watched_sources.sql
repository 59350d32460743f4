-- Find the files that were loaded since a moment and of which nobody was warned that they grew. The ids of events begin
-- with the time they were made, so the primary key finds the ends of jobs since then.
SELECT
    j.id,
    j.dataset,
    source.path,
    source.size,
    source.inode
FROM adsp.events AS ended
INNER JOIN adsp.jobs AS j ON ended.job_id = j.id
CROSS JOIN LATERAL (
    SELECT
        j.source_path AS path,
        j.bytes_total AS size,
        (j.seen_identity ->> 'device') || ':' || (j.seen_identity ->> 'inode') AS inode
    WHERE j.source_path IS NOT NULL
    UNION ALL
    SELECT
        f.path,
        f.size,
        f.inode
    FROM adsp.job_files AS f
    WHERE f.job_id = j.id AND f.duplicate_of IS NULL
) AS source
WHERE
    ended.id >= :earliest
    AND ended.type IN ('job.succeeded', 'job.completed_with_rejects')
    AND j.trigger NOT IN ('upload', 'replay')
    AND source.inode IS NOT NULL
    AND NOT EXISTS (
        SELECT 1
        FROM adsp.events AS reported
        WHERE reported.job_id = j.id AND reported.type = 'job.source-grew'
    )
ORDER BY random()
LIMIT :limit
