-- Make the queued jobs of an ended job's content due, the next job that waits to set the state of the dataset's table,
-- and the next job of another dataset that waits for its turn at the table.
UPDATE adsp.jobs AS waiting SET next_attempt_at = now() + :resend_after
FROM adsp.jobs AS ended
WHERE ended.id = :job_id AND ended.finished_at IS NOT NULL
    -- The index of unfinished jobs knows them by their missing end.
    AND waiting.state = 'queued' AND waiting.finished_at IS NULL
    AND (
        (waiting.dataset = ended.dataset AND waiting.fingerprint = ended.fingerprint)
        -- It waits for whose content was not known yet, of as many bytes.
        OR (
            waiting.dataset = ended.dataset AND waiting.fingerprint IS NOT NULL
            AND (
                (waiting.known_content -> 'file' ->> 'size')::bigint = ended.bytes_total
                OR EXISTS (
                    SELECT 1 FROM adsp.job_files AS f WHERE f.job_id = waiting.id AND f.size = ended.bytes_total
                )
            )
        )
        OR waiting.id = :next_at_table
        OR waiting.id = (
            SELECT next.id
            FROM adsp.jobs AS next
            WHERE next.dataset = ended.dataset AND next.fingerprint IS NOT NULL
                AND next.state = 'queued' AND next.finished_at IS NULL
                AND (next.definition ->> 'mode' <> 'append' OR next.replay_of IS NOT NULL)
            ORDER BY next.data_date, next.id
            LIMIT 1
        )
    )
RETURNING waiting.id, waiting.request_id, waiting.bytes_total
