-- Return whether a row of these columns can be refused in the end by other things than foreign keys: a check that needs
-- other columns, a generated column, a partition that is not there, an expression of an index.
SELECT
    EXISTS (
        SELECT FROM pg_catalog.pg_class AS t WHERE t.oid = %(table)s AND t.relkind = 'p'
    )
    OR EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS a
        WHERE
            a.attrelid = %(table)s
            AND (
                a.attgenerated <> ''
                OR EXISTS (
                    SELECT FROM pg_catalog.pg_constraint AS c
                    WHERE
                        c.conrelid = a.attrelid
                        AND c.contype = 'c'
                        AND a.attnum = ANY(c.conkey)
                        AND NOT a.attname = ANY(%(columns)s::text [])
                )
            )
    )
    OR EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = %(table)s AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    )
