-- Forget that a chunk is done, which is wrong: the tests of faults prove with it that they notice.
UPDATE adsp.chunks SET
    state = 'queued',
    rows_read = 0,
    rows_loaded = 0,
    rows_rejected = 0,
    rows_superseded = 0,
    bytes_done = 0,
    finished_at = NULL
WHERE job_id = %(job_id)s AND number = %(number)s AND state = 'done'
