-- End the backend of a lease that is expired now: the lease is locked first, so that it cannot be renewed meanwhile.
-- Materialized, for a function in the same SELECT would be called before the lock is taken.
WITH expired AS MATERIALIZED (
    SELECT
        backend_pid,
        backend_start
    FROM adsp.chunk_leases
    WHERE
        job_id = :job_id
        AND chunk_number = :number
        AND holder = :holder
        AND expires_at < clock_timestamp()
    FOR UPDATE SKIP LOCKED
)
SELECT pg_terminate_backend(a.pid, :wait_milliseconds)
FROM expired AS l
INNER JOIN pg_catalog.pg_stat_activity AS a
    ON l.backend_pid = a.pid AND l.backend_start = a.backend_start
