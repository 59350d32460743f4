-- List the constraints of a table, and the unique indexes that are none.
SELECT
    conname AS name,
    pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE conrelid = to_regclass(:relation) AND contype <> 'n'
UNION ALL
SELECT
    i.indexrelid::regclass::text,
    pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
WHERE
    i.indrelid = to_regclass(:relation)
    AND i.indisunique
    AND NOT EXISTS (SELECT 1 FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)
ORDER BY name
