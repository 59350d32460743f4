-- Show the jobs that are under way, the newest first, and those that somebody watches, each with its progress.
WITH shown AS (
    (
        SELECT id FROM adsp.jobs
        WHERE finished_at IS NULL
        ORDER BY id DESC
        LIMIT :most
    )
    UNION
    SELECT unnest(CAST(:watched AS uuid[]))
)

SELECT
    j.id,
    j.owner,
    j.dataset,
    j.data_date,
    j.state,
    j.cancel_requested_at IS NOT NULL AS is_cancelled,
    j.bytes_total,
    greatest(j.bytes_done, progress.bytes_done) AS bytes_done,
    greatest(j.rows_read, progress.rows_read) AS rows_read,
    greatest(j.rows_loaded, progress.rows_loaded) AS rows_loaded,
    greatest(j.rows_rejected, progress.rows_rejected) AS rows_rejected
FROM shown
INNER JOIN adsp.jobs AS j ON shown.id = j.id
LEFT JOIN LATERAL (
    SELECT
        sum(CASE WHEN c.finished_at IS NULL THEN coalesce(lease.bytes_done, 0) ELSE c.bytes_done END)::bigint AS bytes_done,
        sum(CASE WHEN c.finished_at IS NULL THEN coalesce(lease.rows_read, 0) ELSE c.rows_read END)::bigint AS rows_read,
        sum(c.rows_loaded)::bigint AS rows_loaded,
        sum(c.rows_rejected)::bigint AS rows_rejected
    FROM adsp.chunks AS c
    LEFT JOIN adsp.chunk_leases AS lease ON c.job_id = lease.job_id AND c.number = lease.chunk_number
    WHERE c.job_id = j.id AND j.state = 'running'
) AS progress ON true
