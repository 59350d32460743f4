-- Make the queued jobs of an ended job's content due.
UPDATE adsp.jobs AS waiting SET next_attempt_at = now() + :resend_after
FROM adsp.jobs AS ended
WHERE ended.id = :job_id AND ended.finished_at IS NOT NULL
    AND waiting.dataset = ended.dataset AND waiting.fingerprint = ended.fingerprint
    -- The index of unfinished jobs is told by their missing end.
    AND waiting.state = 'queued' AND waiting.finished_at IS NULL
RETURNING waiting.id, waiting.request_id
