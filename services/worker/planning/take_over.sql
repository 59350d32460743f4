-- Copy the chunks of an earlier job of the same content, so that what it loaded is not loaded again.
INSERT INTO adsp.chunks (
    job_id, number, byte_start, byte_end, first_line, digest, state,
    rows_read, rows_loaded, rows_rejected, rows_superseded, rejected_by_code, bytes_done, warnings, load_path,
    load_path_reason, started_at, finished_at, taken_from
)
SELECT
    :job_id, number, byte_start, byte_end, first_line, digest,
    CASE state WHEN 'done' THEN 'done' ELSE 'queued' END,
    done.rows_read, done.rows_loaded, done.rows_rejected, done.rows_superseded,
    CASE state WHEN 'done' THEN rejected_by_code END,
    done.bytes_done,
    CASE state WHEN 'done' THEN warnings ELSE '[]' END,
    CASE state WHEN 'done' THEN load_path END,
    CASE state WHEN 'done' THEN load_path_reason END,
    CASE state WHEN 'done' THEN started_at END,
    CASE state WHEN 'done' THEN finished_at END,
    CASE state WHEN 'done' THEN job_id END
FROM adsp.chunks AS earlier
CROSS JOIN LATERAL (
    SELECT
        CASE state WHEN 'done' THEN earlier.rows_read ELSE 0 END AS rows_read,
        CASE state WHEN 'done' THEN earlier.rows_loaded ELSE 0 END AS rows_loaded,
        CASE state WHEN 'done' THEN earlier.rows_rejected ELSE 0 END AS rows_rejected,
        CASE state WHEN 'done' THEN earlier.rows_superseded ELSE 0 END AS rows_superseded,
        CASE state WHEN 'done' THEN earlier.bytes_done ELSE 0 END AS bytes_done
) AS done
WHERE job_id = :earlier_id
