-- Say when the chunks of a job were begun and done, how many there are, and how many are done.
SELECT
    min(started_at) AS first_begun,
    max(finished_at) AS last_done,
    count(*) AS chunks,
    count(*) FILTER (WHERE finished_at IS NOT NULL) AS chunks_done
FROM adsp.chunks
WHERE job_id = :job_id
