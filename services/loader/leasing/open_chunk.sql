-- Tell what is to be loaded, and whether the lease is still ours now that the fence is.
SELECT
    c.state = 'running' AND j.state = 'running' AND l.holder = %(holder)s AS is_ours,
    c.byte_start, c.byte_end, c.first_line, c.digest,
    CASE WHEN NOT starts_with(j.fingerprint, 'unread:') THEN j.fingerprint END AS learned,
    j.definition, j.source_path, j.bytes_total, j.source_mtime_ns, j.header, j.header_end,
    j.rows_before, j.force, j.dry_run, j.data_date,
    j.warnings @> '[{"code": "header-changed"}]' AS has_lost_columns
FROM adsp.chunks AS c
JOIN adsp.jobs AS j ON j.id = c.job_id
LEFT JOIN adsp.chunk_leases AS l ON l.job_id = c.job_id AND l.chunk_number = c.number
WHERE c.job_id = %(job_id)s AND c.number = %(number)s
