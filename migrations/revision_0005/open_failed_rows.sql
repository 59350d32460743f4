-- The failed rows that a replay could still load, job by job. Closed are those that a replay has taken up, that another
-- job of the same content has taken over, and that a later snapshot has replaced; of a failed or cancelled job only the
-- chunks that are done count, for nothing else of it is loaded. What is settled is not looked through again.
-- A dataset's last snapshot is looked up once, not for each of its jobs. OFFSET 0 keeps Postgres to that, and to the
-- indexes, whatever it takes the number of rows for.
CREATE OR REPLACE VIEW adsp.open_failed_rows AS
SELECT
    j.id AS job_id,
    j.dataset,
    j.finished_at,
    open.failed_rows
FROM (
    SELECT
        d.name,
        coalesce(
            (
                SELECT max(snapshot.finished_at)
                FROM adsp.jobs AS snapshot
                WHERE
                    snapshot.dataset = d.name
                    AND snapshot.state IN ('succeeded', 'completed_with_rejects')
                    AND snapshot.definition ->> 'mode' = 'replace'
                    AND snapshot.definition ->> 'scope' IS NULL
            ),
            '-infinity'
        ) AS replaced_at,
        EXISTS (
            SELECT 1
            FROM adsp.jobs AS snapshot
            WHERE
                snapshot.dataset = d.name
                AND snapshot.state IN ('succeeded', 'completed_with_rejects')
                AND snapshot.definition ->> 'mode' = 'replace'
                AND snapshot.definition ->> 'scope' IS NOT NULL
            OFFSET 0
        ) AS has_slices
    FROM adsp.datasets AS d
    OFFSET 0
) AS d
INNER JOIN adsp.jobs AS j ON d.name = j.dataset AND j.finished_at >= d.replaced_at
CROSS JOIN LATERAL (
    SELECT
        CASE j.state
            WHEN 'completed_with_rejects' THEN j.rows_rejected
            ELSE (
                SELECT sum(c.rows_rejected)::bigint
                FROM adsp.chunks AS c
                WHERE c.job_id = j.id AND c.state = 'done'
            )
        END AS failed_rows
) AS open
WHERE
    j.finished_at IS NOT NULL
    AND j.rows_rejected > 0
    AND NOT j.failed_rows_settled
    AND open.failed_rows > 0
    AND NOT EXISTS (
        SELECT 1
        FROM adsp.jobs AS replay
        WHERE
            replay.replay_of = j.id
            AND replay.state IN ('succeeded', 'completed_with_rejects')
        OFFSET 0
    )
    AND NOT (
        d.has_slices
        AND EXISTS (
            SELECT 1
            FROM adsp.jobs AS snapshot
            WHERE
                snapshot.dataset = j.dataset
                AND snapshot.data_date = j.data_date
                AND snapshot.finished_at > j.finished_at
                AND snapshot.state IN ('succeeded', 'completed_with_rejects')
                AND snapshot.definition ->> 'mode' = 'replace'
                AND snapshot.definition ->> 'scope' IS NOT NULL
            OFFSET 0
        )
    )
    AND (
        j.state = 'completed_with_rejects'
        OR NOT EXISTS (
            SELECT 1
            FROM adsp.jobs AS later
            INNER JOIN adsp.chunks AS c ON later.id = c.job_id
            WHERE
                later.dataset = j.dataset AND later.fingerprint = j.fingerprint
                AND (later.id > j.id OR c.taken_from = j.id)
            OFFSET 0
        )
    );
