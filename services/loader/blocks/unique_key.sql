-- Name the columns of the table's one unique index, if a join by `=` finds what the index refuses: plain columns of built-in
-- types with the usual equality, checked at once. Nothing when there is none, another one or an exclusion constraint beside it.
SELECT
    (
        SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(i.indkey::int2 []) WITH ORDINALITY AS k (attnum, place)
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND k.attnum = a.attnum
        WHERE k.place <= i.indnkeyatts
    ) AS columns,
    coalesce(to_jsonb(i) ->> 'indnullsnotdistinct' = 'true', FALSE) AS nulls_are_equal,
    (
        SELECT bool_and(equal.oprcanhash)
        FROM unnest(i.indclass::oid []) AS k (opclass)
        INNER JOIN pg_catalog.pg_opclass AS o ON k.opclass = o.oid
        INNER JOIN pg_catalog.pg_amop AS m
            ON o.opcfamily = m.amopfamily AND o.opcintype = m.amoplefttype AND o.opcintype = m.amoprighttype
        INNER JOIN pg_catalog.pg_operator AS equal ON m.amopopr = equal.oid
        WHERE m.amopstrategy = 3
    ) AS can_be_hashed
FROM pg_catalog.pg_index AS i
WHERE
    i.indrelid = %(table)s
    AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
    AND NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_index AS other
        WHERE
            other.indrelid = i.indrelid AND other.indexrelid <> i.indexrelid
            AND (other.indisunique OR other.indisexclusion)
    )
    AND NOT i.indisexclusion
    AND NOT EXISTS (
        SELECT 1
        FROM unnest(i.indkey::int2 [], i.indclass::oid [], i.indcollation::oid [])
            WITH ORDINALITY AS k (attnum, opclass, "collation", place)
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND k.attnum = a.attnum
        INNER JOIN pg_catalog.pg_type AS t ON a.atttypid = t.oid
        LEFT JOIN pg_catalog.pg_opclass AS o ON k.opclass = o.oid
        LEFT JOIN pg_catalog.pg_collation AS c ON k."collation" = c.oid
        WHERE
            k.place <= i.indnkeyatts
            AND NOT (
                a.attname = ANY(%(columns)s::text [])
                AND t.typtype = 'b' AND t.typnamespace = 'pg_catalog'::regnamespace
                AND t.typcategory <> 'A'
                AND o.opcdefault
                AND coalesce(c.collisdeterministic, TRUE)
                AND k."collation" = a.attcollation
            )
    )
