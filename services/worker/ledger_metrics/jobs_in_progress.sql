-- Count live jobs, and tell when the quietest running one last showed a sign: a change of state, or a load that got on.
-- That a lease is renewed is no such sign: it is also while its load waits for a lock.
SELECT
    j.dataset,
    j.state,
    count(*) AS jobs,
    min(sign.at) AS oldest_sign_at,
    min(j.waiting_since) AS waiting_since
FROM adsp.jobs AS j
CROSS JOIN LATERAL (
    SELECT greatest(
        j.created_at,
        j.started_at,
        (SELECT max(greatest(c.started_at, c.finished_at)) FROM adsp.chunks AS c WHERE c.job_id = j.id),
        (SELECT max(l.progressed_at) FROM adsp.chunk_leases AS l WHERE l.job_id = j.id)
    ) AS at
) AS sign
WHERE j.finished_at IS NULL
GROUP BY j.dataset, j.state
