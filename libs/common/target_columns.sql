-- List the columns of a table in their order.
SELECT
    a.attname::text AS name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS is_not_null,
    (a.atthasdef AND a.attgenerated = '') OR t.typdefault IS NOT NULL AS has_default,
    a.attgenerated <> '' AS is_computed,
    a.attidentity::text AS identity,
    t.typtype = 'd' AS is_domain
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
