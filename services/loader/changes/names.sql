-- Wait for the names that tables and indexes of the staging schema have in common with those of other loads.
SELECT pg_catalog.pg_advisory_xact_lock(hashtextextended('adsp.staging:' || taken.name, 0))
FROM (SELECT DISTINCT name FROM unnest(%(names)s::text []) AS given (name) ORDER BY name) AS taken
