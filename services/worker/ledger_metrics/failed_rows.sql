-- Tell how many failed rows ended jobs have had, by error code.
SELECT
    dataset,
    error_code,
    failed_rows
FROM adsp.failed_row_counters
