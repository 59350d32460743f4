-- What the tables of the ledger do by themselves.

-- Failed rows have no foreign key, which would look at each of them.
CREATE FUNCTION adsp.delete_failed_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM adsp.failed_rows AS f USING gone
    WHERE f.job_id = gone.job_id AND f.chunk_number = gone.number;
    RETURN NULL;
END
$$;
CREATE TRIGGER delete_failed_rows AFTER DELETE ON adsp.chunks
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION adsp.delete_failed_rows();

-- Count a job once, in the transaction that ends it; chunks that it took over were counted with the job that loaded them.
CREATE FUNCTION adsp.count_ended_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH taken AS (
        SELECT
            coalesce(sum(c.rows_read), 0)::bigint AS read,
            coalesce(sum(c.rows_loaded), 0)::bigint AS loaded,
            coalesce(sum(c.rows_rejected), 0)::bigint AS rejected,
            coalesce(sum(c.rows_superseded), 0)::bigint AS superseded
        FROM adsp.chunks AS c
        WHERE c.job_id = NEW.id AND c.taken_from IS NOT NULL
    )
    INSERT INTO adsp.job_counters AS counter (
        dataset, trigger, state, jobs, rows_read, rows_loaded, rows_rejected, rows_superseded, bytes, unaccounted
    )
    SELECT
        NEW.dataset, NEW.trigger, NEW.state, 1,
        NEW.rows_read - taken.read, NEW.rows_loaded - taken.loaded,
        NEW.rows_rejected - taken.rejected, NEW.rows_superseded - taken.superseded,
        coalesce(NEW.bytes_total, 0),
        abs(NEW.rows_read - NEW.rows_loaded - NEW.rows_rejected - NEW.rows_superseded)
    FROM taken
    ON CONFLICT (dataset, trigger, state) DO UPDATE SET
        jobs = counter.jobs + excluded.jobs,
        rows_read = counter.rows_read + excluded.rows_read,
        rows_loaded = counter.rows_loaded + excluded.rows_loaded,
        rows_rejected = counter.rows_rejected + excluded.rows_rejected,
        rows_superseded = counter.rows_superseded + excluded.rows_superseded,
        bytes = counter.bytes + excluded.bytes,
        unaccounted = counter.unaccounted + excluded.unaccounted;

    IF NEW.rejected_by_code <> '{}' THEN
        INSERT INTO adsp.failed_row_counters AS counter (dataset, error_code, failed_rows)
        SELECT NEW.dataset, code.key, code.value::bigint - coalesce(taken.failed_rows, 0)
        FROM jsonb_each_text(NEW.rejected_by_code) AS code
        LEFT JOIN (
            SELECT f.error_code, count(*) AS failed_rows
            FROM adsp.chunks AS c
            JOIN adsp.failed_rows AS f ON f.job_id = c.job_id AND f.chunk_number = c.number
            WHERE c.job_id = NEW.id AND c.taken_from IS NOT NULL
            GROUP BY f.error_code
        ) AS taken ON taken.error_code = code.key
        ORDER BY code.key
        ON CONFLICT (dataset, error_code) DO UPDATE SET
            failed_rows = counter.failed_rows + excluded.failed_rows;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_inserted_job AFTER INSERT ON adsp.jobs
FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION adsp.count_ended_job();
CREATE TRIGGER count_ended_job AFTER UPDATE ON adsp.jobs
FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
EXECUTE FUNCTION adsp.count_ended_job();

-- Keep each definition that a dataset has had.
CREATE FUNCTION adsp.keep_dataset_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.version := OLD.version + 1;
    END IF;
    INSERT INTO adsp.dataset_versions (dataset, version, definition)
    VALUES (NEW.name, NEW.version, NEW.definition);
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_first_version AFTER INSERT ON adsp.datasets
FOR EACH ROW EXECUTE FUNCTION adsp.keep_dataset_version();
CREATE TRIGGER keep_next_version BEFORE UPDATE ON adsp.datasets
FOR EACH ROW WHEN (OLD.definition IS DISTINCT FROM NEW.definition)
EXECUTE FUNCTION adsp.keep_dataset_version();
