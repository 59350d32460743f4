-- Give a chunk back after a fault or a cancellation, if this loader still holds it.
WITH lease AS (
    DELETE FROM adsp.chunk_leases
    WHERE job_id = %(job_id)s AND chunk_number = %(number)s AND holder = %(holder)s
    RETURNING 1
)
UPDATE adsp.chunks SET
    state = 'queued',
    next_attempt_at = now() + make_interval(secs => %(wait_seconds)s)
WHERE job_id = %(job_id)s AND number = %(number)s AND state = 'running'
    AND EXISTS (SELECT FROM lease)
