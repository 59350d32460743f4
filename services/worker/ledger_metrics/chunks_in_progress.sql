-- Count the chunks that wait or are being loaded.
SELECT
    c.state,
    count(*) AS chunks
FROM adsp.chunks AS c
WHERE c.finished_at IS NULL AND c.state IN ('queued', 'running')
GROUP BY c.state
