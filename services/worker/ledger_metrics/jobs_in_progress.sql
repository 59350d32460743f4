-- Count live jobs, and tell when the quietest running one last showed a sign: a change of state, or a load that got on.
-- That a lease is renewed is no such sign: it is also while its load waits for a lock. Live jobs are found first, for themselves: what
-- Postgres expects the signs to cost would hide that one way to the jobs reads all that have ended.
WITH live AS MATERIALIZED (
    SELECT id, dataset, state, created_at, started_at, waiting_since
    FROM adsp.jobs
    WHERE finished_at IS NULL
)
SELECT
    j.dataset,
    j.state,
    count(*) AS jobs,
    min(sign.at) AS oldest_sign_at,
    min(j.waiting_since) AS waiting_since
FROM live AS j
CROSS JOIN LATERAL (
    SELECT greatest(
        j.created_at,
        j.started_at,
        (SELECT max(greatest(c.started_at, c.finished_at)) FROM adsp.chunks AS c WHERE c.job_id = j.id),
        (SELECT max(l.progressed_at) FROM adsp.chunk_leases AS l WHERE l.job_id = j.id)
    ) AS at
) AS sign
GROUP BY j.dataset, j.state
