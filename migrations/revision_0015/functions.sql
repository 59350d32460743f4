-- The least job id that can be made at a moment: a version 7 UUID begins with its milliseconds.
CREATE FUNCTION adsp.first_job_id(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (lpad(to_hex((1000 * extract(EPOCH FROM moment))::bigint), 12, '0') || repeat('0', 20))::uuid;

-- Drop the partitions of failed_rows of months that are long over and empty, and make those for this month and so many after
-- it. What has no partition of its own goes into the default one. A lock that is not free within a second is left for
-- the next time. Returns how many were made or dropped.
CREATE FUNCTION adsp.keep_failed_row_months(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' SET timezone = 'UTC'
AS $$
DECLARE
    month timestamptz;
    part text;
    is_filled boolean;
    changed integer := 0;
BEGIN
    FOR part IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE
            i.inhparent = 'adsp.failed_rows'::regclass AND c.relname ~ '^failed_rows_(before_)?\d{4}_\d\d$'
            -- A partition "before" a month ends where that begins.
            AND to_date(right(c.relname, 7), 'YYYY_MM') + CASE WHEN c.relname LIKE '%before%' THEN interval '0' ELSE interval '1 month' END
            < now() - interval '1 month'
    LOOP
        BEGIN
            EXECUTE format('SELECT EXISTS (SELECT FROM adsp.%I)', part) INTO is_filled;
            CONTINUE WHEN is_filled;
            EXECUTE format('LOCK TABLE adsp.%I', part);
            EXECUTE format('SELECT EXISTS (SELECT FROM adsp.%I)', part) INTO is_filled;
            CONTINUE WHEN is_filled;
            EXECUTE format('DROP TABLE adsp.%I', part);
            changed := changed + 1;
        EXCEPTION WHEN lock_not_available THEN
            RAISE WARNING 'adsp.% is not dropped: %', part, SQLERRM;
        END;
    END LOOP;

    FOR month IN
        SELECT made FROM generate_series(date_trunc('month', now()), now() + make_interval(months => ahead), '1 month') AS made
        WHERE
            to_regclass('adsp.failed_rows_' || to_char(made, 'YYYY_MM')) IS NULL
            AND to_char(made, 'YYYY_MM') >= ALL (
                SELECT right(c.relname, 7) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'adsp.failed_rows'::regclass AND c.relname LIKE 'failed\_rows\_before\_%'
            )
    LOOP
        part := 'failed_rows_' || to_char(month, 'YYYY_MM');
        BEGIN
            EXECUTE format(
                'CREATE TABLE adsp.%I (LIKE adsp.failed_rows INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part
            );
            -- Of the partitioned table it needs a lock that loads do not mind.
            EXECUTE format(
                'ALTER TABLE adsp.failed_rows ATTACH PARTITION adsp.%I FOR VALUES FROM (%L) TO (%L)',
                part, adsp.first_job_id(month), adsp.first_job_id(month + interval '1 month')
            );
            changed := changed + 1;
        EXCEPTION WHEN lock_not_available OR check_violation OR invalid_object_definition THEN
            RAISE WARNING 'adsp.% is not made: %', part, SQLERRM;
        END;
    END LOOP;
    RETURN changed;
END
$$;
REVOKE ALL ON FUNCTION adsp.keep_failed_row_months(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION adsp.keep_failed_row_months(integer) TO adsp_worker;
