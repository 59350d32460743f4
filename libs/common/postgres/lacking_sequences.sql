-- List the sequences whose numbers are defaults of a table's columns and which a role may not use, but for columns given.
SELECT
    pg_catalog.format('%%I.%%I', n.nspname, s.relname) AS sequence,
    a.attname
FROM pg_catalog.pg_attrdef AS d
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
JOIN pg_catalog.pg_depend AS p
    ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
JOIN pg_catalog.pg_class AS s ON s.oid = p.refobjid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_roles AS r ON r.rolname = %(role)s
WHERE
    d.adrelid = %(table)s
    AND NOT a.attname = ANY(%(given)s::text [])
    AND NOT pg_catalog.has_sequence_privilege(r.oid, s.oid, 'USAGE, UPDATE')
ORDER BY a.attnum
