-- Describe each dataset: its schedule, none while it is paused, and the ends of its jobs. What a replay loads is no new
-- data. A duplicate is a success only where the data of its day are there: as the table's state, or appended for the same day.
SELECT
    d.name AS dataset,
    CASE WHEN d.paused_at IS NULL THEN d.definition -> 'schedule' END AS schedule,
    d.paused_at,
    d.created_at,
    success.at AS last_success_at,
    completion.at AS last_completion_at,
    coalesce(last_job.rows_read, 0) AS read,
    coalesce(last_job.rows_loaded, 0) AS loaded,
    coalesce(last_job.rows_rejected, 0) AS rejected,
    coalesce(last_job.rows_superseded, 0) AS superseded,
    coalesce(previous_job.rows_loaded, 0) AS previous_loaded
FROM adsp.datasets AS d
LEFT JOIN LATERAL (
    SELECT j.finished_at AS at
    FROM adsp.jobs AS j
    WHERE
        j.dataset = d.name
        AND j.finished_at IS NOT NULL
        AND j.trigger <> 'replay'
        AND (
            j.state IN ('succeeded', 'completed_with_rejects')
            OR j.state = 'duplicate' AND (
                j.definition ->> 'mode' <> 'append'
                -- One value, since Postgres may answer an EXISTS by reading all jobs into a hash table.
                OR j.data_date = (
                    SELECT loaded.data_date
                    FROM adsp.jobs AS loaded
                    WHERE loaded.id = j.duplicate_of
                )
            )
        )
    ORDER BY j.finished_at DESC
    LIMIT 1
) AS success ON TRUE
LEFT JOIN LATERAL (
    SELECT j.finished_at AS at
    FROM adsp.jobs AS j
    WHERE j.dataset = d.name AND j.finished_at IS NOT NULL AND NOT j.dry_run
    ORDER BY j.finished_at DESC
    LIMIT 1
) AS completion ON TRUE
LEFT JOIN LATERAL (
    SELECT j.rows_read, j.rows_loaded, j.rows_rejected, j.rows_superseded
    FROM adsp.jobs AS j
    WHERE
        j.dataset = d.name
        AND j.finished_at IS NOT NULL
        AND j.state IN ('succeeded', 'completed_with_rejects')
        AND j.trigger <> 'replay'
    ORDER BY j.finished_at DESC
    LIMIT 1
) AS last_job ON TRUE
LEFT JOIN LATERAL (
    SELECT j.rows_loaded
    FROM adsp.jobs AS j
    WHERE
        j.dataset = d.name
        AND j.finished_at IS NOT NULL
        AND j.state IN ('succeeded', 'completed_with_rejects')
        AND j.trigger <> 'replay'
    ORDER BY j.finished_at DESC
    OFFSET 1
    LIMIT 1
) AS previous_job ON TRUE
WHERE d.deleted_at IS NULL
