-- Say how long after its due time each dataset is usually loaded: the median of its last ten scheduled loads, of all
-- owners or of one.
SELECT
    wanted.dataset,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(EPOCH FROM loads.finished_at - loads.due_at)) AS seconds
FROM unnest(CAST(:datasets AS text [])) AS wanted (dataset)
CROSS JOIN LATERAL (
    SELECT
        j.finished_at,
        j.due_at
    FROM adsp.jobs AS j
    WHERE
        j.dataset = wanted.dataset
        AND j.state IN ('succeeded', 'completed_with_rejects', 'duplicate')
        AND j.trigger <> 'replay'
        AND j.due_at IS NOT NULL
        AND (CAST(:owner AS text) IS NULL OR j.owner = :owner)
    ORDER BY j.finished_at DESC
    LIMIT 10
) AS loads
GROUP BY wanted.dataset
