-- Note of ended jobs that none of their failed rows can be loaded by a replay any more, so that nobody asks again. This is
-- the other side of ledger_metrics/open_failed_rows.sql, and does not change once it is so.
UPDATE adsp.jobs SET failed_rows_settled = TRUE
WHERE id IN (
    SELECT j.id
    FROM adsp.jobs AS j
    WHERE
        j.finished_at IS NOT NULL
        AND j.rows_rejected > 0
        AND NOT j.failed_rows_settled
        AND (
            (
                j.state <> 'completed_with_rejects'
                AND NOT EXISTS (
                    SELECT 1
                    FROM adsp.chunks AS c
                    WHERE c.job_id = j.id AND c.state = 'done' AND c.rows_rejected > 0
                )
            )
            OR EXISTS (
                SELECT 1
                FROM adsp.jobs AS replay
                WHERE
                    replay.replay_of = j.id
                    AND replay.state IN ('succeeded', 'completed_with_rejects')
            )
            OR EXISTS (
                SELECT 1
                FROM adsp.jobs AS snapshot
                WHERE
                    snapshot.dataset = j.dataset
                    AND snapshot.finished_at > j.finished_at
                    AND snapshot.state IN ('succeeded', 'completed_with_rejects')
                    AND snapshot.definition ->> 'mode' = 'replace'
                    -- Of a slice only what was delivered for the same day.
                    AND (snapshot.definition ->> 'scope' IS NULL OR snapshot.data_date = j.data_date)
            )
            OR (
                j.state <> 'completed_with_rejects'
                AND EXISTS (
                    SELECT 1
                    FROM adsp.jobs AS later
                    INNER JOIN adsp.chunks AS c ON later.id = c.job_id
                    WHERE
                        later.dataset = j.dataset AND later.fingerprint = j.fingerprint
                        AND (later.id > j.id OR c.taken_from = j.id)
                )
            )
        )
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)
