-- List what a role may not use of what a row of the table needs beside the table: as "right ON object", and what for.
-- Defaults of columns that are given are not asked for.
WITH RECURSIVE role AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = %(role)s
),
columns AS (
    SELECT a.attnum, a.attname, a.atttypid, a.atthasdef
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
),
-- Their types with the domains' bases.
types AS (
    SELECT c.attname, c.attnum, c.atttypid AS oid
    FROM columns AS c
    UNION
    SELECT types.attname, types.attnum, t.typbasetype
    FROM types JOIN pg_catalog.pg_type AS t ON t.oid = types.oid
    WHERE t.typbasetype <> 0
),
-- What is evaluated for a row, by the role that writes it.
expressions AS (
    SELECT 'pg_attrdef'::regclass AS classid, d.oid, c.attname::text AS needed_for
    FROM pg_catalog.pg_attrdef AS d
    JOIN columns AS c ON c.attnum = d.adnum
    WHERE d.adrelid = %(table)s AND NOT c.attname = ANY(%(given)s::text [])
    UNION
    SELECT 'pg_constraint'::regclass, k.oid, k.conname::text
    FROM pg_catalog.pg_constraint AS k
    WHERE
        k.contype = 'c'
        AND (k.conrelid = %(table)s OR k.contypid IN (SELECT types.oid FROM types))
    UNION
    SELECT 'pg_type'::regclass, types.oid, types.attname::text
    FROM types
    WHERE NOT types.attname = ANY(%(given)s::text [])
    UNION
    SELECT 'pg_class'::regclass, i.indexrelid, i.indexrelid::regclass::text
    FROM pg_catalog.pg_index AS i
    WHERE i.indrelid = %(table)s AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
),
lacking AS (
    SELECT 'USAGE ON SCHEMA ' || pg_catalog.quote_ident(n.nspname) AS lacks, types.attname::text AS needed_for
    FROM types
    JOIN pg_catalog.pg_type AS t ON t.oid = types.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    CROSS JOIN role
    WHERE NOT pg_catalog.has_schema_privilege(role.oid, n.oid, 'USAGE')
    UNION
    SELECT 'USAGE ON TYPE ' || pg_catalog.format('%%I.%%I', n.nspname, t.typname), types.attname::text
    FROM types
    JOIN pg_catalog.pg_type AS t
        ON t.oid = (
            SELECT CASE WHEN own.typcategory = 'A' THEN own.typelem ELSE own.oid END
            FROM pg_catalog.pg_type AS own
            WHERE own.oid = types.oid
        )
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    CROSS JOIN role
    WHERE NOT pg_catalog.has_type_privilege(role.oid, t.oid, 'USAGE')
    UNION
    SELECT 'USAGE ON SEQUENCE ' || pg_catalog.format('%%I.%%I', n.nspname, s.relname), e.needed_for
    FROM expressions AS e
    JOIN pg_catalog.pg_depend AS p
        ON p.classid = e.classid AND p.objid = e.oid AND p.refclassid = 'pg_class'::regclass
    JOIN pg_catalog.pg_class AS s ON s.oid = p.refobjid AND s.relkind = 'S'
    JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace
    CROSS JOIN role
    WHERE
        e.classid <> 'pg_class'::regclass
        AND NOT pg_catalog.has_sequence_privilege(role.oid, s.oid, 'USAGE, UPDATE')
    UNION
    SELECT
        'EXECUTE ON FUNCTION '
        || pg_catalog.format('%%I.%%I(%%s)', n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)),
        e.needed_for
    FROM expressions AS e
    JOIN pg_catalog.pg_depend AS p
        ON p.classid = e.classid AND p.objid = e.oid AND p.refclassid = 'pg_proc'::regclass
    JOIN pg_catalog.pg_proc AS f ON f.oid = p.refobjid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
    CROSS JOIN role
    WHERE NOT pg_catalog.has_function_privilege(role.oid, f.oid, 'EXECUTE')
)
SELECT lacking.lacks, pg_catalog.string_agg(DISTINCT lacking.needed_for, ', ' ORDER BY lacking.needed_for)
FROM lacking
GROUP BY lacking.lacks
ORDER BY lacking.lacks
