-- Tell what an owner takes: unfinished jobs (counted up to :most_jobs), bytes of files that are kept or announced, failed
-- rows of late.
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT j.id FROM adsp.jobs AS j
            WHERE j.owner = :owner AND j.finished_at IS NULL
            LIMIT :most_jobs
        ) AS unfinished
    ) AS unfinished_jobs,
    (
        SELECT coalesce(sum(file.bytes), 0)::bigint
        FROM (
            SELECT u.bytes FROM adsp.uploads AS u WHERE u.owner = :owner
            UNION ALL
            SELECT d.bytes FROM adsp.direct_uploads AS d
            WHERE d.owner = :owner AND d.job_id IS NULL
        ) AS file
    ) AS upload_bytes,
    (
        SELECT coalesce(sum(j.rows_rejected), 0)::bigint
        FROM adsp.jobs AS j
        WHERE j.owner = :owner AND j.rows_rejected > 0 AND j.id >= :since
    ) AS failed_rows
