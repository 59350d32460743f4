-- Describe one relation as a target of loads; the partitions of a partitioned table count as parts of it.
WITH RECURSIVE target AS (
    SELECT c.oid, c.relkind, n.oid AS namespace
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
),
parts AS (
    SELECT oid FROM target
    UNION
    SELECT tree.relid FROM target, pg_catalog.pg_partition_tree(target.oid) AS tree
),
-- The types of the columns with what they are made of: domains' bases, elements, ranges' subtypes, attributes.
-- Multiranges stand in pg_range beside their range. ARRAY and OFFSET 0 keep the planner, which expects
-- thousands of parts and types, from reading all of pg_type, and below all of pg_depend.
types AS (
    SELECT a.atttypid AS oid
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = ANY (ARRAY(SELECT oid FROM parts)) AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT inner_type.oid
    FROM types
    CROSS JOIN LATERAL (
        SELECT part.oid
        FROM pg_catalog.pg_type AS t
        CROSS JOIN LATERAL (
            SELECT t.typbasetype AS oid
            UNION ALL
            SELECT t.typelem
            UNION ALL
            SELECT r.rngsubtype
            FROM pg_catalog.pg_range AS r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
            UNION ALL
            SELECT a.atttypid
            FROM pg_catalog.pg_attribute AS a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        ) AS part
        WHERE t.oid = types.oid
        OFFSET 0
    ) AS inner_type
    WHERE inner_type.oid <> 0
),
-- What is evaluated for each row: defaults, checks, and the checks and defaults of the columns' domains.
expressions AS (
    SELECT 'pg_attrdef'::regclass AS classid, d.oid
    FROM pg_catalog.pg_attrdef AS d WHERE d.adrelid = ANY (ARRAY(SELECT oid FROM parts))
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid
    FROM pg_catalog.pg_constraint AS k
    WHERE k.contypid = ANY (ARRAY(SELECT oid FROM types)) OR k.conrelid = ANY (ARRAY(SELECT oid FROM parts))
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid
    FROM pg_catalog.pg_type AS t
    WHERE t.oid = ANY (ARRAY(SELECT oid FROM types)) AND t.typtype = 'd'
)
SELECT
    target.oid,
    target.relkind::text AS kind,
    EXISTS (
        SELECT FROM pg_catalog.pg_rewrite AS r
        WHERE r.ev_class = target.oid AND r.ev_type IN ('2', '3', '4')
    ) AS has_rules,
    EXISTS (
        SELECT FROM pg_catalog.pg_class AS c JOIN parts ON parts.oid = c.oid WHERE c.relkind = 'f'
    ) AS has_foreign_parts,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS i JOIN parts ON parts.oid = i.indrelid
        WHERE i.indisunique OR i.indisexclusion
    ) AS has_unique_index,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS i JOIN parts ON parts.oid = i.indrelid
        WHERE i.indisunique OR i.indisexclusion
        GROUP BY i.indrelid
        HAVING count(*) > 1
    ) AS has_several_unique_indexes,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.contype = 'f'
            AND k.conrelid IN (SELECT oid FROM parts) AND k.confrelid IN (SELECT oid FROM parts)
    ) AS references_itself,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.contype = 'f' AND k.conrelid IN (SELECT oid FROM parts)
    ) AS has_foreign_keys,
    EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t JOIN parts ON parts.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
    ) AS has_user_triggers,
    -- Functions of Postgres itself are pinned and have no entry in pg_depend.
    EXISTS (
        SELECT FROM expressions AS e
        CROSS JOIN LATERAL (
            SELECT FROM pg_catalog.pg_depend AS d
            JOIN pg_catalog.pg_proc AS f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
            WHERE d.classid = e.classid AND d.objid = e.oid AND f.provolatile <> 'i'
            OFFSET 0
        ) AS changing
    ) AS calls_user_functions,
    (
        SELECT coalesce(array_agg(DISTINCT a.attname::text), '{}')
        FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
        WHERE k.contype = 'f' AND k.confrelid = target.oid
    ) AS referenced_columns,
    -- The columns in their order.
    (
        SELECT json_agg(c ORDER BY c.place)
        FROM (
            SELECT
                a.attnum AS place,
                a.attname AS name,
                pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
                a.attnotnull AS is_not_null,
                (a.atthasdef AND a.attgenerated = '') OR t.typdefault IS NOT NULL AS has_default,
                a.attgenerated <> '' AS is_computed,
                a.attidentity AS identity,
                t.typtype = 'd' AS is_domain,
                -- What the binary form of its values is that of, where that is another type.
                (
                    WITH RECURSIVE base AS (
                        SELECT a.atttypid AS oid, a.atttypmod AS typmod
                        UNION ALL
                        SELECT d.typbasetype, d.typtypmod
                        FROM base JOIN pg_catalog.pg_type AS d ON d.oid = base.oid
                        WHERE d.typtype = 'd'
                    )
                    SELECT
                        CASE
                            WHEN b.typtype = 'e' THEN 'text'
                            WHEN b.oid <> t.oid THEN pg_catalog.format_type(b.oid, base.typmod)
                            ELSE ''
                        END
                    FROM base JOIN pg_catalog.pg_type AS b ON b.oid = base.oid
                    WHERE b.typtype <> 'd'
                ) AS sent_as
            FROM pg_catalog.pg_attribute AS a
            JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = target.oid AND a.attnum > 0 AND NOT a.attisdropped
        ) AS c
    ) AS columns,
    -- The unique indexes that ON CONFLICT can name by their columns.
    (
        SELECT json_agg(json_build_object(
            'columns', ARRAY(
                SELECT a.attname
                FROM unnest(i.indkey::int2 []) WITH ORDINALITY AS k (attnum, place)
                JOIN pg_catalog.pg_attribute AS a
                    ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                WHERE k.place <= i.indnkeyatts
                ORDER BY k.place
            ),
            'nulls_are_equal', i.indnullsnotdistinct
        ))
        FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = target.oid
            AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
            -- WITHOUT OVERLAPS: ON CONFLICT cannot update by it.
            AND NOT i.indisexclusion
            AND i.indpred IS NULL AND i.indexprs IS NULL
            -- ON CONFLICT would take a deferrable index of the same columns too, and refuse.
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_index AS other
                WHERE other.indrelid = target.oid AND other.indisunique AND NOT other.indimmediate
                    AND other.indkey::int2 [] @> i.indkey::int2 []
                    AND other.indkey::int2 [] <@ i.indkey::int2 []
            )
    ) AS unique_keys,
    -- The column of each constraint and unique index that concerns exactly one.
    (
        SELECT json_object_agg(single.name, a.attname)
        FROM (
            SELECT k.conname AS name, k.conkey[1] AS attnum
            FROM pg_catalog.pg_constraint AS k
            WHERE k.conrelid = target.oid AND cardinality(k.conkey) = 1
            UNION
            SELECT c.relname, i.indkey[0]
            FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indrelid = target.oid AND i.indisunique AND i.indnatts = 1
        ) AS single
        JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = target.oid AND a.attnum = single.attnum
    ) AS constraint_columns,
    -- Not the table itself: what refers to it from within goes with it.
    (
        SELECT coalesce(array_agg(DISTINCT n.nspname || '.' || c.relname), '{}')
        FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE k.contype = 'f' AND k.confdeltype IN ('c', 'n', 'd')
            AND k.confrelid IN (SELECT oid FROM parts) AND k.conrelid NOT IN (SELECT oid FROM parts)
    ) AS tables_changed_by_deletes
FROM target
