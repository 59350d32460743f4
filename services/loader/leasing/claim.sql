-- Take the lease of a chunk that waits, unless another loader lives or a transaction still copies it, and count the attempt.
-- Where the order of chunks matters those before it must be done.
WITH lease AS (
    INSERT INTO adsp.chunk_leases AS held
        (job_id, chunk_number, holder, backend_pid, backend_start, expires_at)
    SELECT
        c.job_id, c.number, %(holder)s, %(backend_pid)s, %(backend_start)s,
        now() + make_interval(secs => %(lease_seconds)s)
    FROM adsp.chunks AS c JOIN adsp.jobs AS j ON j.id = c.job_id
    WHERE c.job_id = %(job_id)s AND c.number = %(number)s
        AND c.state IN ('queued', 'running') AND j.state = 'running'
        AND (j.chunks_at_once IS DISTINCT FROM 1 OR NOT EXISTS (
            SELECT FROM adsp.chunks AS b
            WHERE b.job_id = c.job_id AND b.number < c.number AND b.state <> 'done'
        ))
        AND pg_catalog.pg_try_advisory_xact_lock(hashtextextended(%(fence)s, 0))
    ON CONFLICT (job_id, chunk_number) DO UPDATE SET
        holder = excluded.holder,
        backend_pid = excluded.backend_pid,
        backend_start = excluded.backend_start,
        expires_at = excluded.expires_at,
        progressed_at = now(),
        bytes_done = 0,
        rows_read = 0
    -- A backend that is gone has ended its transaction: no need to wait for its lease to expire.
    WHERE held.expires_at < now() OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity AS a
        WHERE a.pid = held.backend_pid
            AND (a.backend_start = held.backend_start OR a.backend_start IS NULL)
    )
    RETURNING 1
)
UPDATE adsp.chunks SET
    state = 'running',
    attempt = attempt + 1,
    started_at = coalesce(started_at, now()),
    next_attempt_at = NULL
WHERE job_id = %(job_id)s AND number = %(number)s AND state IN ('queued', 'running')
    AND EXISTS (SELECT FROM lease)
RETURNING
    attempt,
    lock_waits,
    (SELECT coalesce(definition ->> 'time_zone', 'UTC') FROM adsp.jobs WHERE id = job_id),
    (SELECT coalesce(definition ->> 'date_order', 'MDY') FROM adsp.jobs WHERE id = job_id),
    (SELECT definition ->> 'table' FROM adsp.jobs WHERE id = job_id)
