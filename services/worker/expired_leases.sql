-- Find running chunks whose loader is gone: its lease has expired, or it has none any more.
SELECT
    c.job_id,
    c.number,
    c.attempt,
    j.request_id,
    l.holder,
    a.pid AS backend_pid
FROM adsp.chunks AS c
INNER JOIN adsp.jobs AS j ON c.job_id = j.id
LEFT JOIN adsp.chunk_leases AS l ON c.job_id = l.job_id AND c.number = l.chunk_number
LEFT JOIN pg_catalog.pg_stat_activity AS a
    ON l.backend_pid = a.pid AND l.backend_start = a.backend_start
WHERE
    -- The index of unfinished chunks is told by their missing end.
    c.finished_at IS NULL
    AND c.state = 'running'
    AND (l.expires_at IS NULL OR l.expires_at < now())
ORDER BY c.job_id, c.number
LIMIT :limit
