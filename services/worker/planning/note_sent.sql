-- Note that chunks were sent; one that a loader has begun meanwhile is not queued any more and keeps its own clock.
-- How long they may go unheard depends on how long their job waits for loaders.
UPDATE adsp.chunks AS c SET
    published_at = now(),
    next_attempt_at = now() + greatest(:resend_after, least(now() - j.started_at, :longest_patience))
FROM adsp.jobs AS j
WHERE c.job_id = :job_id AND c.number = ANY(:numbers) AND c.state = 'queued' AND j.id = c.job_id
