-- List the ledger's events after an id, oldest first, with the owner and the dataset of each one's job.
SELECT
    e.id,
    e.job_id,
    j.owner,
    j.dataset,
    e.type,
    e.payload
FROM adsp.events AS e
INNER JOIN adsp.jobs AS j ON e.job_id = j.id
WHERE e.id > :after
ORDER BY e.id
LIMIT :most
