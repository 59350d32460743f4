-- Forget the uploads whose folders are old and not among those that are left; a folder's name tells when it was made.
DELETE FROM adsp.uploads
WHERE folder < :before AND created_at < :cutoff AND NOT folder = ANY (CAST(:left AS uuid []))
