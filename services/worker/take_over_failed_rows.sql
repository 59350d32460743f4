-- Copy the failed rows of the chunks that an earlier job of the same content has done.
INSERT INTO adsp.failed_rows (
    job_id, chunk_number, line_number, byte_offset, raw,
    stage, error_code, column_name, sqlstate, message
)
SELECT
    :job_id, f.chunk_number, f.line_number, f.byte_offset, f.raw,
    f.stage, f.error_code, f.column_name, f.sqlstate, f.message
FROM adsp.failed_rows AS f
INNER JOIN adsp.chunks AS c ON f.job_id = c.job_id AND f.chunk_number = c.number
WHERE f.job_id = :earlier_id AND c.state = 'done'
