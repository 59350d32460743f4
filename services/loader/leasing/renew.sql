-- Renew a lease and its progress; no row means that it was lost. Says whether the job is to be cancelled, and whether the backend that
-- loads is of this server: after a failover the lease is here, and the load waits for the other one.
-- A load that waits renews its lease; that it gets on is seen by what it has read since the last time.
UPDATE adsp.chunk_leases AS held SET
    expires_at = now() + make_interval(secs => %(lease_seconds)s),
    progressed_at = CASE
        WHEN (held.bytes_done, held.rows_read) = (%(bytes_done)s, %(rows_read)s) THEN held.progressed_at
        ELSE now()
    END,
    bytes_done = %(bytes_done)s,
    rows_read = %(rows_read)s
FROM adsp.jobs AS j
WHERE held.job_id = %(job_id)s AND held.chunk_number = %(number)s AND held.holder = %(holder)s
    AND j.id = held.job_id
RETURNING
    j.cancel_requested_at IS NOT NULL OR j.state <> 'running' AS is_cancelled,
    EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity AS a
        WHERE a.pid = %(backend_pid)s AND a.backend_start = %(backend_start)s
    ) AS is_loading
