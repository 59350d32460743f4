-- Return whether row-level security holds for a role at a table, and which of the table's parts it cannot update or delete
-- rows of, since a publication sends these and finds no replica identity.
WITH parts AS (
    SELECT c.oid, c.relreplident, n.nspname, c.relname
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE
        c.relkind = 'r' AND c.relpersistence = 'p'
        AND (c.oid = %(table)s OR c.oid IN (SELECT tree.relid FROM pg_catalog.pg_partition_tree(%(table)s) AS tree))
),
-- A table is published by itself, with its schema, or with what it is a partition of.
published AS (
    SELECT parts.oid, p.pubupdate, p.pubdelete
    FROM parts
    CROSS JOIN pg_catalog.pg_publication AS p
    WHERE
        p.puballtables
        OR EXISTS (
            SELECT
            FROM (
                SELECT parts.oid AS relid
                UNION ALL
                SELECT above.relid FROM pg_catalog.pg_partition_ancestors(parts.oid) AS above
            ) AS named
            JOIN pg_catalog.pg_class AS c ON c.oid = named.relid
            WHERE
                EXISTS (
                    SELECT FROM pg_catalog.pg_publication_rel AS r WHERE r.prpubid = p.oid AND r.prrelid = c.oid
                )
                OR EXISTS (
                    SELECT FROM pg_catalog.pg_publication_namespace AS s
                    WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace
                )
        )
),
-- See RelationGetReplicaIndex in src/backend/utils/cache/relcache.c: a deferrable key is none.
unidentified AS (
    SELECT parts.*
    FROM parts
    WHERE
        parts.relreplident <> 'f'
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_index AS i
            WHERE
                i.indrelid = parts.oid AND i.indisvalid AND i.indimmediate
                AND CASE parts.relreplident
                    WHEN 'd' THEN i.indisprimary
                    WHEN 'i' THEN i.indisreplident
                    ELSE FALSE
                END
        )
)
SELECT
    (
        SELECT
            c.relrowsecurity AND NOT (
                r.rolsuper OR r.rolbypassrls
                OR NOT c.relforcerowsecurity AND pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')
            )
        FROM pg_catalog.pg_class AS c CROSS JOIN pg_catalog.pg_roles AS r
        WHERE c.oid = %(table)s AND r.rolname = %(role)s
    ) AS has_row_security,
    (
        SELECT coalesce(array_agg(pg_catalog.format('%%I.%%I', u.nspname, u.relname) ORDER BY u.nspname, u.relname), '{}')
        FROM unidentified AS u
        WHERE EXISTS (
            SELECT FROM published AS p
            WHERE p.oid = u.oid AND (%(updates)s AND p.pubupdate OR %(deletes)s AND p.pubdelete)
        )
    ) AS unidentified
