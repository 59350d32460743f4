-- Find the sequence that a message names, one of the table's own columns first: its name, the column and its type, and
-- how its limit is taken away.
SELECT
    format('%%I.%%I', n.nspname, s.relname) AS sequence,
    quote_ident(a.attname) AS column_name,
    pg_catalog.format_type(a.atttypid, NULL) AS column_type,
    CASE WHEN q.seqincrement > 0 THEN 'NO MAXVALUE' ELSE 'NO MINVALUE' END AS no_limit
FROM pg_catalog.pg_class AS s
INNER JOIN pg_catalog.pg_namespace AS n ON s.relnamespace = n.oid
INNER JOIN pg_catalog.pg_sequence AS q ON s.oid = q.seqrelid
LEFT JOIN pg_catalog.pg_depend AS d
    ON
        s.oid = d.objid
        AND d.classid = 'pg_catalog.pg_class'::regclass
        AND d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.refobjid = %(table)s
        AND d.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_attribute AS a ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
WHERE strpos(%(message)s, s.relname) > 0
ORDER BY d.refobjid IS NULL, length(s.relname) DESC
LIMIT 1
