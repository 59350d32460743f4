-- Ids begin with the time at which they were made: now, less five minutes each.
CREATE FUNCTION pg_temp.id_of(age integer) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (
        lpad(to_hex((1000 * extract(epoch FROM now() - make_interval(secs => 300 * age)))::bigint), 12, '0')
        || '70008' || substr(md5(age::text), 1, 15)
    )::uuid
$$;

-- Add so many ended jobs with their chunks, failed rows and events, the last one now, one every five minutes, over the datasets in turn. Of
-- twenty one has failed rows, open in the last tenth where no snapshot has closed them, one has failed, one is a duplicate.
WITH made AS (
    INSERT INTO adsp.jobs (
        id, dataset, definition, definition_version, data_date, source, trigger, state, error_code, error_message, duplicate_of, fingerprint,
        bytes_total, bytes_done, rows_read, rows_loaded, rows_rejected, rejected_by_code, failed_rows_settled,
        created_at, started_at, finished_at, next_attempt_at
    )
    SELECT
        own.id, d.name, d.definition, d.version, date '2000-01-01' + n / %(datasets)s, 'items.csv', 'api', own.state,
        CASE own.state WHEN 'failed' THEN 'source-missing' END,
        CASE own.state WHEN 'failed' THEN 'no such file' END,
        CASE own.state WHEN 'duplicate' THEN own.before END,
        md5(n::text), %(bytes)s, %(bytes)s,
        1000, 1000 - own.rejected, own.rejected,
        CASE own.rejected WHEN 0 THEN '{}' ELSE json_build_object('check', own.rejected) END::jsonb, n < 0.9 * %(jobs)s OR d.definition ->> 'mode' = 'replace' AND d.definition ->> 'scope' IS NULL,
        own.at, own.at, own.at, NULL
    FROM generate_series(1, %(jobs)s) AS n
    INNER JOIN (SELECT *, row_number() OVER (ORDER BY name) - 1 AS number FROM adsp.datasets) AS d
        ON d.number = n %% %(datasets)s
    CROSS JOIN LATERAL (
        SELECT
            now() - make_interval(secs => 300 * (%(jobs)s - n)) AS at,
            pg_temp.id_of(%(jobs)s - n) AS id,
            pg_temp.id_of(%(jobs)s - n + %(datasets)s) AS before,
            CASE
                WHEN (n + n / %(datasets)s) %% 20 = 7 THEN 'completed_with_rejects'
                WHEN (n + n / %(datasets)s) %% 20 = 8 THEN 'failed'
                WHEN (n + n / %(datasets)s) %% 20 = 9 AND n > %(datasets)s THEN 'duplicate'
                ELSE 'succeeded'
            END AS state,
            CASE WHEN (n + n / %(datasets)s) %% 20 = 7 THEN %(failed_rows)s ELSE 0 END AS rejected
    ) AS own
    RETURNING id, state, rows_read, rows_loaded, rows_rejected, finished_at, dataset
), chunks AS (
    INSERT INTO adsp.chunks (
        job_id, number, byte_start, first_line, state, error_code, rows_read, rows_loaded, rows_rejected, finished_at
    )
    SELECT
        id, n, 45 + 1000 * n, 2, CASE state WHEN 'failed' THEN 'failed' ELSE 'done' END,
        CASE state WHEN 'failed' THEN 'load-fault' END,
        CASE n WHEN 0 THEN rows_read ELSE 0 END, CASE n WHEN 0 THEN rows_loaded ELSE 0 END,
        CASE n WHEN 0 THEN rows_rejected ELSE 0 END, finished_at
    FROM made CROSS JOIN generate_series(0, %(chunks)s - 1) AS n
    WHERE state <> 'duplicate'
), failed_rows AS (
    INSERT INTO adsp.failed_rows (job_id, chunk_number, line_number, byte_offset, raw, stage, error_code, message)
    SELECT id, 0, n + 1, 45 + 50 * n, convert_to(repeat('x', 50), 'UTF8'), 'constraint', 'check', 'price is below 0'
    FROM made CROSS JOIN LATERAL generate_series(1, rows_rejected) AS n
), events AS (
    INSERT INTO adsp.events (id, job_id, type, payload, created_at, published_at)
    SELECT id, id, 'job.' || state, '{}', finished_at, finished_at
    FROM made
    WHERE finished_at > now() - interval '30 days'  -- published ones are kept no longer
)
INSERT INTO adsp.job_counters (
    dataset, trigger, state, jobs, rows_read, rows_loaded, rows_rejected, rows_superseded, bytes, unaccounted
)
SELECT dataset, 'api', state, count(*), sum(rows_read), sum(rows_loaded), sum(rows_rejected), 0, 0, 0
FROM made
GROUP BY dataset, state
