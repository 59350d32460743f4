-- Tell how many jobs have ended and what became of their records; "unaccounted" must be 0 whatever happens.
SELECT
    dataset,
    trigger,
    state,
    jobs,
    rows_read AS read,
    rows_loaded AS loaded,
    rows_rejected AS rejected,
    rows_superseded AS superseded,
    bytes,
    unaccounted
FROM adsp.job_counters
