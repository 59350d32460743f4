-- Return whether rows of two transactions can meet in the table: it has a unique index or an exclusion constraint.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    INNER JOIN pg_catalog.pg_class AS c ON i.indrelid = c.oid
    INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :schema AND c.relname = :relation AND (i.indisunique OR i.indisexclusion)
)
