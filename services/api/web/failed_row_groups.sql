-- Count the first failed rows of a job by reason and column, each with its first three as examples.
WITH first_rows AS (
    SELECT
        error_code,
        column_name,
        line_number,
        message,
        raw,
        byte_offset
    FROM adsp.failed_rows
    WHERE job_id = :job_id
    ORDER BY byte_offset
    LIMIT :most
),

ranked AS (
    SELECT
        *,
        count(*) OVER reason AS failed_rows,
        row_number() OVER (reason ORDER BY byte_offset) AS place
    FROM first_rows
    WINDOW reason AS (PARTITION BY error_code, column_name)
)

SELECT
    error_code,
    column_name,
    failed_rows,
    line_number,
    message,
    substr(raw, 1, 400) AS raw
FROM ranked
WHERE place <= 3
ORDER BY failed_rows DESC, error_code, column_name, place
