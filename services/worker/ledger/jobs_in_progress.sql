-- Count live jobs, and tell when the quietest running one last showed a sign: a change of state or a lease renewed.
-- A lease that has not expired was renewed just now.
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
        (SELECT max(least(l.expires_at, now())) FROM adsp.chunk_leases AS l WHERE l.job_id = j.id)
    ) AS at
) AS sign
WHERE j.finished_at IS NULL
GROUP BY j.dataset, j.state
