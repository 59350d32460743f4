-- Find running chunks whose loader is gone: its lease has expired, or it has none any more. Where most of the loaders
-- that live are late, or the database has just come back, it was away and not they: they get a lease's time to be back.
WITH live AS (
    SELECT
        l.job_id,
        l.chunk_number,
        l.expires_at < now() AS is_late
    FROM adsp.chunk_leases AS l
    INNER JOIN pg_catalog.pg_stat_activity AS a
        ON l.backend_pid = a.pid AND l.backend_start = a.backend_start
),
grace AS (
    SELECT
        make_interval(secs => :lease_seconds) AS lease,
        CASE
            WHEN 2 * count(*) FILTER (WHERE is_late) > count(*) THEN make_interval(secs => :lease_seconds)
            ELSE make_interval()
        END AS for_live
    FROM live
)
SELECT
    c.job_id,
    c.number,
    l.holder,
    live.job_id IS NOT NULL AS is_live
FROM adsp.chunks AS c
CROSS JOIN grace
LEFT JOIN adsp.chunk_leases AS l ON c.job_id = l.job_id AND c.number = l.chunk_number
LEFT JOIN live ON c.job_id = live.job_id AND c.number = live.chunk_number
WHERE
    -- The index of unfinished chunks knows them by their missing end.
    c.finished_at IS NULL
    AND c.state = 'running'
    AND (
        l.expires_at IS NULL
        OR (
            l.expires_at < now() - CASE WHEN live.job_id IS NULL THEN make_interval() ELSE grace.for_live END
            AND pg_postmaster_start_time() < now() - grace.lease
        )
    )
ORDER BY c.job_id, c.number
LIMIT :limit
