-- Say what of a table decides whether a delivery can be compared with its rows, and how: for the columns of a header.
WITH given AS (
    SELECT a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %(table)s AND a.attname = ANY(%(columns)s::text [])
),
indexes AS (
    SELECT i.*, c.relname
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = %(table)s AND (i.indisunique OR i.indisexclusion)
),
numbered AS (
    SELECT a.attnum, a.attname
    FROM pg_catalog.pg_attribute AS a
    WHERE
        a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
        AND NOT a.attname = ANY(%(columns)s::text [])
        AND (
            a.attidentity <> ''
            OR EXISTS (
                SELECT
                FROM pg_catalog.pg_attrdef AS d
                JOIN pg_catalog.pg_depend AS p
                    ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                    AND p.refclassid = 'pg_class'::regclass
                JOIN pg_catalog.pg_class AS s ON s.oid = p.refobjid AND s.relkind = 'S'
                WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
            )
        )
),
-- Unique indexes whose equality is that of a join: plain columns of built-in types with the usual equality.
keys AS (
    SELECT
        i.indisprimary,
        (
            SELECT array_agg(a.attname::text ORDER BY k.place)
            FROM unnest(i.indkey::int2 []) WITH ORDINALITY AS k (attnum, place)
            JOIN given AS a ON a.attnum = k.attnum
            WHERE k.place <= i.indnkeyatts
        ) AS columns
    FROM indexes AS i
    WHERE
        i.indisvalid AND NOT i.indisexclusion AND i.indpred IS NULL AND i.indexprs IS NULL
        AND NOT EXISTS (
            SELECT
            FROM unnest(i.indkey::int2 [], i.indclass::oid [], i.indcollation::oid [])
                WITH ORDINALITY AS k (attnum, opclass, "collation", place)
            LEFT JOIN given AS a ON a.attnum = k.attnum
            LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            LEFT JOIN pg_catalog.pg_opclass AS o ON o.oid = k.opclass
            LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = k."collation"
            WHERE
                k.place <= i.indnkeyatts
                AND (
                    t.typtype = 'b' AND t.typnamespace = 'pg_catalog'::regnamespace
                    AND t.typcategory <> 'A'
                    AND o.opcdefault
                    AND coalesce(c.collisdeterministic, TRUE)
                    AND k."collation" = a.attcollation
                ) IS NOT TRUE
        )
)
SELECT
    (
        SELECT array_agg(needed ORDER BY place)
        FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text []) WITH ORDINALITY AS n (needed, place)
        WHERE NOT pg_catalog.has_table_privilege(%(table)s::oid, needed)
    ) AS lacking_rights,
    coalesce(
        pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('adsp_staging')::oid, 'CREATE, USAGE'), FALSE
    ) AS may_stage,
    t.relispartition AS is_partition,
    EXISTS (SELECT FROM indexes AS i WHERE i.indisexclusion) AS has_exclusion,
    EXISTS (SELECT FROM indexes AS i WHERE NOT i.indimmediate) AS has_deferrable_key,
    -- 2 is BEFORE, 4 is INSERT: see pg_trigger.h.
    EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS g
        WHERE
            g.tgrelid = %(table)s AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')
            AND g.tgtype & 6 = 6
    ) AS has_trigger_before_insert,
    -- As of the last time that they were counted; of a table that never was, what may be in its pages.
    CASE
        WHEN t.reltuples >= 0 THEN t.reltuples::bigint
        ELSE coalesce(pg_catalog.pg_relation_size(t.oid), 0) / 100
    END AS rows_estimated,
    (
        SELECT json_agg(k.columns ORDER BY k.indisprimary DESC, cardinality(k.columns), k.columns) FROM keys AS k
    ) AS keys,
    -- The rule of B-tree's deduplication (support function 4): equal values are the same byte for byte; less text that
    -- is padded to no length, plus numbers of a fixed scale.
    (
        SELECT coalesce(array_agg(a.attname::text), '{}')
        FROM given AS a
        LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation
        WHERE
            coalesce(c.collisdeterministic, TRUE)
            AND CASE
                WHEN a.atttypid IN ('numeric'::regtype, 'bpchar'::regtype) AND a.atttypmod = -1 THEN FALSE
                WHEN a.atttypid = 'numeric'::regtype THEN TRUE
                ELSE EXISTS (
                    SELECT
                    FROM pg_catalog.pg_opclass AS o
                    JOIN pg_catalog.pg_amproc AS image
                        ON image.amprocfamily = o.opcfamily
                        AND image.amproclefttype = o.opcintype
                        AND image.amprocrighttype = o.opcintype
                        AND image.amprocnum = 4
                    JOIN pg_catalog.pg_am AS m ON m.oid = o.opcmethod AND m.amname = 'btree'
                    WHERE
                        o.opcdefault
                        -- Else its `=` may be in a schema that no load looks in.
                        AND o.opcnamespace = 'pg_catalog'::regnamespace
                        AND o.opcintype = CASE a.atttypid
                            WHEN 'varchar'::regtype THEN 'text'::regtype
                            ELSE a.atttypid
                        END
                )
            END
    ) AS same_if_equal,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
        WHERE k.conrelid = %(table)s AND k.contype = 'c' AND NOT a.attname = ANY(%(columns)s::text [])
    ) AS checks_other_columns,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = %(table)s AND k.contype = 'f' AND NOT k.convalidated
    ) AS has_unchecked_references,
    -- Columns that are not given and take a number from a sequence.
    (SELECT coalesce(array_agg(n.attname::text), '{}') FROM numbered AS n) AS numbered,
    -- Of unique indexes that hold more than such numbers, which no record brings.
    (
        SELECT count(*)
        FROM indexes AS i
        WHERE EXISTS (
            SELECT
            FROM unnest(i.indkey::int2 []) WITH ORDINALITY AS k (attnum, place)
            WHERE k.place <= i.indnkeyatts AND k.attnum NOT IN (SELECT n.attnum FROM numbered AS n)
        )
    ) AS keys_of_records,
    -- How each unique index is made, from its method on.
    (
        SELECT coalesce(json_agg(json_build_array(
            i.relname,
            pg_catalog.substr(
                pg_catalog.pg_get_indexdef(i.indexrelid),
                pg_catalog.length(pg_catalog.format(
                    'CREATE UNIQUE INDEX %%I ON %%I.%%I USING ', i.relname, n.nspname, t.relname
                )) + 1
            )
        ) ORDER BY i.indexrelid), '[]')
        FROM indexes AS i
        WHERE NOT i.indisexclusion AND i.indisvalid
    ) AS unique_indexes
FROM pg_catalog.pg_class AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
WHERE t.oid = %(table)s
