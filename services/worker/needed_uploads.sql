-- Name those of the folders whose file a job is made of that is not over, or not for long. A source is compared by the
-- folder it lies in, however it was named.
SELECT DISTINCT named.folder
FROM adsp.jobs AS j,
    LATERAL (
        VALUES
            (substring(j.source FROM '([0-9a-f-]{36})/[^/]*$')),
            (substring(j.source_path FROM '([0-9a-f-]{36})/[^/]*$'))
    ) AS named (folder)
WHERE (j.finished_at IS NULL OR j.finished_at >= :cutoff) AND named.folder = ANY (:folders)
