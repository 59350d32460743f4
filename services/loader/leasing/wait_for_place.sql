-- Have the sweeper send a large chunk soon again that found no place; one that is short, or not to be loaded, is left alone.
UPDATE adsp.chunks AS c SET next_attempt_at = now() + make_interval(secs => %(wait_seconds)s)
FROM adsp.jobs AS j
WHERE c.job_id = %(job_id)s AND c.number = %(number)s AND c.number = 0 AND c.byte_end IS NULL
    AND c.state = 'queued' AND c.next_attempt_at IS NOT NULL
    AND j.id = c.job_id AND j.state = 'running' AND j.bytes_total >= %(long_load_bytes)s
RETURNING c.number
