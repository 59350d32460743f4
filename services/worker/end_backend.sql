-- End the backend of a lease that is expired now: the lease is locked first, so that it cannot be renewed meanwhile.
-- Materialized, for a function in the same SELECT would be called before the lock is taken. Who counts as late when most
-- of those that live are: see expired_leases.sql; both look for themselves, for the database may stop between them.
WITH grace AS MATERIALIZED (
    SELECT
        CASE
            WHEN 2 * count(*) FILTER (WHERE l.expires_at < clock_timestamp()) > count(*)
                THEN make_interval(secs => :lease_seconds)
            ELSE make_interval()
        END AS for_live
    FROM adsp.chunk_leases AS l
    INNER JOIN pg_catalog.pg_stat_activity AS a
        ON l.backend_pid = a.pid AND l.backend_start = a.backend_start
),
expired AS MATERIALIZED (
    SELECT
        backend_pid,
        backend_start
    FROM adsp.chunk_leases
    WHERE
        job_id = :job_id
        AND chunk_number = :number
        AND holder = :holder
        AND expires_at < clock_timestamp() - (SELECT for_live FROM grace)
    FOR UPDATE SKIP LOCKED
)
SELECT pg_terminate_backend(a.pid, :wait_milliseconds)
FROM expired AS l
INNER JOIN pg_catalog.pg_stat_activity AS a
    ON l.backend_pid = a.pid AND l.backend_start = a.backend_start
