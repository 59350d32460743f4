-- List a table's foreign keys: the table referred to, the columns there and here; a partial key is allowed where `is_simple`.
SELECT
    n.nspname,
    r.relname,
    ARRAY(
        SELECT a.attname::text
        FROM unnest(c.confkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.attnum
        ORDER BY k.place
    ),
    ARRAY(
        SELECT a.attname::text
        FROM unnest(c.conkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
        ORDER BY k.place
    ),
    c.confmatchtype = 's' OR cardinality(c.conkey) = 1 AS is_simple,
    r.relkind = 'p' AS is_partitioned
FROM pg_catalog.pg_constraint AS c
JOIN pg_catalog.pg_class AS r ON r.oid = c.confrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
WHERE
    c.conrelid = %(table)s
    AND c.contype = 'f'
    -- Postgres 18 knows constraints that it does not enforce.
    AND to_jsonb(c) ->> 'conenforced' IS DISTINCT FROM 'false'
