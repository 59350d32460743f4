-- Return whether row-level security holds for a role at a table, and the statements after which rows of it can be updated or
-- deleted: a publication that sends these must find, and send, a replica identity.
WITH parts AS (
    SELECT c.oid, c.relreplident, n.nspname, c.relname
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE
        c.relkind = 'r' AND c.relpersistence = 'p'
        AND (c.oid = %(table)s OR c.oid IN (SELECT tree.relid FROM pg_catalog.pg_partition_tree(%(table)s) AS tree))
),
-- A table is published by itself, with its schema, or with what it is a partition of. Where what is above a partition is
-- sent in its place, the columns and rows named for the highest of these count.
published AS (
    SELECT
        parts.oid, p.oid AS publication, p.pubname, p.pubupdate, p.pubdelete,
        pg_catalog.to_jsonb(p) ->> 'pubgencols' = 'n' AS omits_generated, sent.oid AS sent
    FROM parts
    CROSS JOIN pg_catalog.pg_publication AS p
    CROSS JOIN LATERAL (
        SELECT c.oid
        FROM (
            SELECT parts.oid AS relid, 0 AS height
            UNION ALL
            SELECT above.relid, above.height
            FROM pg_catalog.pg_partition_ancestors(parts.oid) WITH ORDINALITY AS above (relid, height)
        ) AS named
        JOIN pg_catalog.pg_class AS c ON c.oid = named.relid
        WHERE
            p.puballtables
            OR EXISTS (
                SELECT FROM pg_catalog.pg_publication_rel AS r WHERE r.prpubid = p.oid AND r.prrelid = c.oid
            )
            OR EXISTS (
                SELECT FROM pg_catalog.pg_publication_namespace AS s
                WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace
            )
        ORDER BY CASE WHEN p.pubviaroot THEN named.height ELSE -named.height END DESC
        LIMIT 1
    ) AS sent
    WHERE %(updates)s AND p.pubupdate OR %(deletes)s AND p.pubdelete
),
-- See RelationGetReplicaIndex in src/backend/utils/cache/relcache.c: a deferrable key is none.
identities AS (
    SELECT parts.oid, pg_catalog.array_agg(a.attname) AS columns
    FROM parts
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = parts.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE
        parts.relreplident = 'f'
        OR EXISTS (
            SELECT FROM pg_catalog.pg_index AS i
            WHERE
                i.indrelid = parts.oid AND i.indisvalid AND i.indimmediate AND a.attnum = ANY(i.indkey)
                AND CASE parts.relreplident
                    WHEN 'd' THEN i.indisprimary
                    WHEN 'i' THEN i.indisreplident
                    ELSE FALSE
                END
        )
    GROUP BY parts.oid
),
-- See pub_contains_invalid_column and pub_rf_contains_invalid_column in src/backend/commands/publicationcmds.c.
sendings AS (
    SELECT
        parts.*, published.pubname, published.sent, i.columns AS identity,
        ARRAY(
            SELECT a.attname FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = published.sent AND a.attnum = ANY(r.prattrs)
            ORDER BY a.attnum
        ) AS listed,
        r.prattrs IS NOT NULL AS has_list,
        ARRAY(
            SELECT DISTINCT a.attname FROM
            pg_catalog.regexp_matches(r.prqual::text, ':varattno (\d+)', 'g') AS used (numbers)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = published.sent AND a.attnum = used.numbers[1]::int
        ) AS filtered,
        pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS filter,
        ARRAY(
            SELECT a.attname FROM pg_catalog.pg_attribute AS a
            WHERE
                a.attrelid = parts.oid AND a.attname = ANY(i.columns)
                AND (published.omits_generated AND a.attgenerated = 's' OR a.attgenerated = 'v')
        ) AS generated
    FROM published
    JOIN parts USING (oid)
    LEFT JOIN identities AS i USING (oid)
    LEFT JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = published.publication AND r.prrelid = published.sent
),
fixes AS (
    SELECT
        pg_catalog.format('ALTER TABLE %%I.%%I REPLICA IDENTITY FULL', s.nspname, s.relname) AS statement
    FROM sendings AS s
    WHERE s.identity IS NULL OR NOT s.filtered <@ s.identity
    UNION
    SELECT
        pg_catalog.format(
            'ALTER PUBLICATION %%1$I DROP TABLE %%2$s; ALTER PUBLICATION %%1$I ADD TABLE %%2$s%%3$s%%4$s',
            s.pubname, s.sent::regclass,
            CASE WHEN s.relreplident <> 'f' AND NOT s.generated && s.identity THEN
                ' (' || (
                    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(named.name), ', ' ORDER BY named.name)
                    FROM (SELECT pg_catalog.unnest(s.listed) UNION SELECT pg_catalog.unnest(s.identity)) AS named (name)
                ) || ')'
            END,
            ' WHERE (' || s.filter || ')'
        )
    FROM sendings AS s
    WHERE s.has_list AND (s.relreplident = 'f' OR NOT s.identity <@ s.listed)
    UNION
    SELECT pg_catalog.format('ALTER PUBLICATION %%I SET (publish_generated_columns = stored)', s.pubname)
    FROM sendings AS s
    WHERE NOT s.has_list AND s.generated <> '{}'
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
    ARRAY(SELECT f.statement FROM fixes AS f ORDER BY f.statement) AS fixes
