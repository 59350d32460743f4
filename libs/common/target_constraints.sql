-- Name the column of each constraint and unique index that concerns exactly one.
SELECT k.conname::text AS constraint_name, a.attname::text AS column_name
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE k.conrelid = %(oid)s AND cardinality(k.conkey) = 1
UNION
SELECT c.relname::text, a.attname::text
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = %(oid)s AND i.indisunique AND i.indnatts = 1
