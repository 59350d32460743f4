-- Name jobs whose failed rows have been kept long enough: so many days since the job's end as its dataset says, or else so many
-- as hold for all; 0 or nothing: for ever. Not while a replay loads them, or a draft of corrections is younger than that.
SELECT j.id
FROM adsp.jobs AS j
INNER JOIN adsp.datasets AS d ON j.dataset = d.name
CROSS JOIN LATERAL (
    SELECT now() - make_interval(
        secs => 86400 * nullif(coalesce((d.definition ->> 'keep_failed_rows_days')::double precision, :days), 0)
    ) AS at
) AS cutoff
WHERE
    j.finished_at IS NOT NULL AND j.rows_rejected > 0 AND j.failed_rows_removed_at IS NULL
    AND j.finished_at < cutoff.at
    AND NOT EXISTS (SELECT FROM adsp.jobs AS r WHERE r.replay_of = j.id AND r.finished_at IS NULL)
    AND NOT EXISTS (SELECT FROM adsp.corrections AS c WHERE c.job_id = j.id AND c.corrected_at >= cutoff.at)
ORDER BY j.finished_at
LIMIT :limit
