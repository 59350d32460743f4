-- List the columns of a table as people declare them.
SELECT
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS is_required,
    pg_get_expr(d.adbin, d.adrelid) AS default_value
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE a.attrelid = to_regclass(:relation) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
