-- Name the files of a chunk in the order in which they are loaded: those of a job over several, or the job's own one.
SELECT
    f.number,
    f.path,
    f.size,
    f.mtime_ns,
    f.fingerprint AS digest,
    f.header_end
FROM adsp.job_files AS f
INNER JOIN adsp.jobs AS j ON f.job_id = j.id
WHERE f.job_id = %(job_id)s AND f.duplicate_of IS NULL AND j.source_path IS NULL
ORDER BY f.number
