-- List the CHECK constraints of a table by name, as they are tried; `is_askable`: they need no other columns than these.
SELECT
    pg_catalog.pg_get_expr(c.conbin, c.conrelid),
    NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_attribute AS a
        WHERE
            a.attrelid = c.conrelid
            AND a.attnum = ANY(c.conkey)
            AND NOT a.attname = ANY(%(columns)s::text [])
    ) AS is_askable
FROM pg_catalog.pg_constraint AS c
WHERE
    c.conrelid = %(table)s
    AND c.contype = 'c'
    -- Postgres 18 knows constraints that it does not enforce.
    AND to_jsonb(c) ->> 'conenforced' IS DISTINCT FROM 'false'
ORDER BY c.conname COLLATE "C"
