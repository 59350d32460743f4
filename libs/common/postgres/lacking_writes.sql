-- Return which of the statements that write (what, into which name, the schemas to look in) a role may not run, as grants.
-- A name that no schema has may be of a temporary table.
SELECT DISTINCT
    w.place,
    pg_catalog.format('%%s ON %%I.%%I', w.needed, found.nspname, found.relname) AS lacks
FROM unnest(%(needed)s::text [], %(names)s::text [], %(paths)s::text []) WITH ORDINALITY AS w (needed, name, path, place)
CROSS JOIN LATERAL (
    SELECT c.oid, c.relname, n.nspname
    FROM unnest(w.path::text []) WITH ORDINALITY AS s (name, place)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.name
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p', 'v', 'f')
    ORDER BY s.place
    LIMIT 1
) AS found
JOIN pg_catalog.pg_roles AS r ON r.rolname = %(role)s
WHERE NOT pg_catalog.has_table_privilege(r.oid, found.oid, w.needed)
ORDER BY w.place
