-- Name the tables of which a load into this one writes rows, or that have rows in it: itself, its partitions, and what it is a
-- partition of (not those that inherit from it: no load touches them). Also the uppermost of them, and whether rows of two
-- transactions can meet there: one has a unique index or an exclusion constraint.
WITH target AS (
    SELECT c.oid
    FROM pg_catalog.pg_class AS c
    INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = %(schema)s AND c.relname = %(relation)s
),

touched AS (
    SELECT target.oid FROM target
    UNION
    SELECT part.relid FROM target, pg_catalog.pg_partition_tree(target.oid) AS part
    UNION
    SELECT above.relid FROM target, pg_catalog.pg_partition_ancestors(target.oid) AS above
)

SELECT
    (SELECT coalesce(pg_catalog.pg_partition_root(target.oid), target.oid)::oid FROM target) AS root,
    array_agg(n.nspname || '.' || c.relname) AS names,
    bool_or(EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
    )) AS has_keys
FROM touched
INNER JOIN pg_catalog.pg_class AS c ON touched.oid = c.oid
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
HAVING count(*) > 0
