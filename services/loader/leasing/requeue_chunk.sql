-- Give a chunk back after a fault, a lock that was not available or a cancellation, if this loader still holds it.
WITH lease AS (
    DELETE FROM adsp.chunk_leases
    WHERE job_id = %(job_id)s AND chunk_number = %(number)s AND holder = %(holder)s
    RETURNING 1
)
UPDATE adsp.chunks SET
    state = 'queued',
    next_attempt_at = now() + make_interval(secs => %(wait_seconds)s),
    lock_waits = lock_waits + %(lock_waits)s,
    error_message = coalesce(%(problem)s, error_message)
WHERE job_id = %(job_id)s AND number = %(number)s AND state = 'running'
    AND EXISTS (SELECT FROM lease)
