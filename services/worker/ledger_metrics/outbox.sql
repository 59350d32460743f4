-- Count what waits to be published: jobs that no broker has confirmed, and events.
SELECT
    'job' AS kind,
    count(*) AS pending,
    min(created_at) AS oldest_at
FROM adsp.jobs
WHERE finished_at IS NULL AND state = 'queued' AND published_at IS NULL
UNION ALL
SELECT
    'event' AS kind,
    count(*) AS pending,
    min(created_at) AS oldest_at
FROM adsp.events
WHERE published_at IS NULL
