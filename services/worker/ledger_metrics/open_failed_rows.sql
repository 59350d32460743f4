-- Count the failed rows that a replay could still load, and since when the oldest stand there.
SELECT
    o.dataset,
    sum(o.failed_rows)::bigint AS failed_rows,
    min(o.finished_at) AS oldest_at
FROM adsp.open_failed_rows AS o
GROUP BY o.dataset
