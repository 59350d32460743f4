-- Record the end of a chunk whose lease this loader holds, in the transaction that wrote its rows.
WITH lease AS (
    DELETE FROM adsp.chunk_leases
    WHERE job_id = %(job_id)s AND chunk_number = %(number)s AND holder = %(holder)s
    RETURNING 1
)
UPDATE adsp.chunks SET
    state = %(state)s,
    digest = coalesce(%(digest)s, digest),
    error_code = %(error_code)s,
    error_message = %(error_message)s,
    rows_read = %(rows_read)s,
    rows_loaded = %(rows_loaded)s,
    rows_rejected = %(rows_rejected)s,
    rows_superseded = %(rows_superseded)s,
    rejected_by_code = %(rejected_by_code)s,
    bytes_done = %(bytes_done)s,
    warnings = %(warnings)s,
    load_path = %(load_path)s,
    load_path_reason = %(load_path_reason)s,
    rows_inserted = %(rows_inserted)s,
    rows_updated = %(rows_updated)s,
    rows_deleted = %(rows_deleted)s,
    rows_unchanged = %(rows_unchanged)s,
    finished_at = now(),
    next_attempt_at = NULL
WHERE job_id = %(job_id)s AND number = %(number)s AND state IN ('queued', 'running')
    AND EXISTS (SELECT FROM lease)
