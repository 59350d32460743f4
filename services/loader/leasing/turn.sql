-- Look at the chunks of a job before this one that are not done: are all being loaded, does one wait for a lock?
SELECT
    count(*) = 0 AS is_now,
    coalesce(bool_and(c.state = 'running'), TRUE) AS are_loaded,
    coalesce(bool_or(EXISTS (
        SELECT FROM pg_catalog.pg_locks AS k WHERE k.pid = l.backend_pid AND NOT k.granted
    )), FALSE) AS is_held_up
FROM adsp.chunks AS c
LEFT JOIN adsp.chunk_leases AS l ON c.job_id = l.job_id AND c.number = l.chunk_number
WHERE c.job_id = %(job_id)s AND c.number < %(number)s AND c.state <> 'done'
