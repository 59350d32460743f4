-- Count the failed rows of ended jobs by error code, from what each job noted at its end: failed_rows is never scanned.
SELECT
    j.dataset,
    code.key AS error_code,
    sum(code.value::bigint)::bigint AS failed_rows
FROM adsp.jobs AS j
CROSS JOIN LATERAL jsonb_each_text(j.rejected_by_code) AS code
WHERE j.finished_at IS NOT NULL AND j.rejected_by_code <> '{}'
GROUP BY j.dataset, code.key
