-- Sum what a running job has on record: its finished chunks, and how far the leased ones are. The problem is what the
-- last attempt at a chunk that is not over ended with.
SELECT
    coalesce(sum(done.rows_read), 0) + coalesce(sum(lease.rows_read), 0) AS rows_read,
    coalesce(sum(done.rows_loaded), 0) AS rows_loaded,
    coalesce(sum(done.rows_rejected), 0) AS rows_rejected,
    coalesce(sum(done.rows_superseded), 0) AS rows_superseded,
    coalesce(sum(done.bytes_done), 0) + coalesce(sum(lease.bytes_done), 0) AS bytes_done,
    max(c.error_message) FILTER (WHERE c.finished_at IS NULL) AS problem
FROM adsp.chunks AS c
LEFT JOIN adsp.chunks AS done
    ON done.job_id = c.job_id AND done.number = c.number AND done.state IN ('done', 'failed')
LEFT JOIN adsp.chunk_leases AS lease
    ON lease.job_id = c.job_id AND lease.chunk_number = c.number AND done.job_id IS NULL
WHERE c.job_id = :job_id
