-- Tell whether rows of one key may be put together before they are written: equal keys are the same byte for byte,
-- and no other index could refuse a row that an earlier one of its key made way for.
SELECT
    NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation
        WHERE
            a.attrelid = %(table)s
            AND a.attname = ANY(%(key)s::text [])
            AND (NOT coalesce(c.collisdeterministic, TRUE) OR t.typname IN ('float4', 'float8', 'jsonb'))
    )
    AND 1 = ALL(
        SELECT count(*)
        FROM pg_catalog.pg_index AS i
        WHERE
            (i.indisunique OR i.indisexclusion)
            AND i.indrelid IN (
                SELECT %(table)s::oid
                UNION
                SELECT tree.relid FROM pg_catalog.pg_partition_tree(%(table)s::oid) AS tree
            )
        GROUP BY i.indrelid
    )
