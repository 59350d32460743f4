-- List the unique indexes of a table that ON CONFLICT can name by their columns.
SELECT
    ARRAY(
        SELECT a.attname::text
        FROM unnest(i.indkey::int2 []) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.place <= i.indnkeyatts
        ORDER BY k.place
    ) AS columns,
    i.indnullsnotdistinct AS nulls_are_equal
FROM pg_catalog.pg_index AS i
WHERE i.indrelid = %(oid)s
    AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
