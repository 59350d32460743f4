-- List the functions of a table's triggers that run with the rights of who writes: the text, and the path of each if it has one.
SELECT DISTINCT
    t.tgname::text AS trigger_name,
    f.prosrc AS body,
    (
        SELECT pg_catalog.substr(setting, pg_catalog.length('search_path=') + 1)
        FROM unnest(f.proconfig) AS setting
        WHERE setting LIKE 'search\_path=%%'
    ) AS path
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_language AS l ON l.oid = f.prolang
WHERE
    (
        t.tgrelid = %(table)s
        OR t.tgrelid IN (SELECT tree.relid FROM pg_catalog.pg_partition_tree(%(table)s) AS tree)
    )
    AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
    -- 4, 8 and 16 are INSERT, DELETE and UPDATE: see pg_trigger.h.
    AND t.tgtype & %(events)s <> 0
    AND l.lanname = 'plpgsql' AND NOT f.prosecdef
ORDER BY t.tgname::text
