-- Count the ended jobs and what became of their records; "unaccounted" must be 0 whatever happens.
SELECT
    dataset,
    trigger,
    state,
    count(*) AS jobs,
    coalesce(sum(rows_read), 0)::bigint AS read,
    coalesce(sum(rows_loaded), 0)::bigint AS loaded,
    coalesce(sum(rows_rejected), 0)::bigint AS rejected,
    coalesce(sum(rows_superseded), 0)::bigint AS superseded,
    coalesce(sum(bytes_total), 0)::bigint AS bytes,
    coalesce(sum(abs(rows_read - rows_loaded - rows_rejected - rows_superseded)), 0)::bigint AS unaccounted
FROM adsp.jobs
WHERE finished_at IS NOT NULL
GROUP BY dataset, trigger, state
