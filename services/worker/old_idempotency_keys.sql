-- Forget idempotency keys of a while ago; a key that comes again after that is a new one.
DELETE FROM adsp.idempotency_keys
WHERE (key, route) IN (
    SELECT key, route
    FROM adsp.idempotency_keys
    WHERE created_at < :cutoff
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
