-- Remove published events of a while ago. Their ids begin with the time they were made, so the primary key finds them.
DELETE FROM adsp.events
WHERE id IN (
    SELECT id
    FROM adsp.events
    WHERE id < :before AND published_at < :cutoff
    ORDER BY id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
