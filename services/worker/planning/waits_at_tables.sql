-- Find the oldest job of another dataset that waits for its turn at one of these tables: it has claimed its content once, and
-- its own dataset does not hold it up. While it is planned again it keeps its place, unless that plan died.
SELECT waiting.id
FROM adsp.jobs AS waiting
WHERE
    waiting.finished_at IS NULL
    AND waiting.dataset <> %(dataset)s
    AND waiting.definition ->> 'table' = ANY(%(tables)s)
    AND (%(meets_all)s OR waiting.definition ->> 'mode' = 'replace')
    AND waiting.id < %(before)s
    AND (
        (waiting.state = 'queued' AND waiting.fingerprint IS NOT NULL)
        OR (
            waiting.state = 'running' AND waiting.fingerprint IS NULL
            AND waiting.next_attempt_at > now() + %(plan_is_alive)s
            AND (
                waiting.known_content IS NOT NULL
                OR EXISTS (SELECT FROM adsp.job_files AS f WHERE f.job_id = waiting.id)
            )
        )
    )
    -- One that waits for its own dataset holds nobody up: it may wait long, and for a job that is younger than all others here.
    AND NOT EXISTS (
        SELECT
        FROM adsp.jobs AS first
        WHERE
            first.dataset = waiting.dataset AND first.id <> waiting.id AND first.finished_at IS NULL
            AND (
                (first.state = 'running' AND first.fingerprint IS NOT NULL)
                OR (
                    (first.data_date, first.id) < (waiting.data_date, waiting.id)
                    -- As `rivals` in last_loads.py says: of a slice what changes that, or more than one.
                    AND (
                        coalesce(waiting.definition -> 'scope', 'null') = 'null'
                        OR first.data_date = waiting.data_date
                        OR coalesce(first.definition -> 'scope', 'null') <> waiting.definition -> 'scope'
                    )
                )
            )
            -- Of a replay, the delivery whose rows it loads again says whether there is an order.
            AND (
                WITH RECURSIVE delivery AS (
                    SELECT waiting.replay_of, waiting.definition
                    UNION ALL
                    SELECT replayed.replay_of, replayed.definition
                    FROM adsp.jobs AS replayed
                    INNER JOIN delivery ON replayed.id = delivery.replay_of
                )
                SELECT delivery.definition ->> 'mode' FROM delivery WHERE delivery.replay_of IS NULL
            ) <> 'append'
    )
ORDER BY waiting.id
LIMIT 1
