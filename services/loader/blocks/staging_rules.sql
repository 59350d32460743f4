-- Return whether rows of one key may be put together before they are written: equal keys are the same byte for byte,
-- and no other index could refuse a row that an earlier one of its key made way for.
SELECT
    -- The rule of B-tree's deduplication (support function 4), less text that is padded to no length, plus numbers of
    -- a fixed scale.
    NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_index AS i
        CROSS JOIN LATERAL unnest(i.indkey::int2 [], i.indclass::oid [], i.indcollation::oid [])
            AS part (attnum, opclass, collid)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = part.attnum
        JOIN pg_catalog.pg_opclass AS o ON o.oid = part.opclass
        LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = part.collid
        LEFT JOIN pg_catalog.pg_amproc AS image
            ON image.amprocfamily = o.opcfamily
            AND image.amproclefttype = o.opcintype
            AND image.amprocrighttype = o.opcintype
            AND image.amprocnum = 4
        WHERE
            i.indrelid = %(table)s
            AND i.indisunique
            AND a.attname = ANY(%(key)s::text [])
            AND (
                NOT coalesce(c.collisdeterministic, TRUE)
                OR (o.opcintype IN ('numeric'::regtype, 'bpchar'::regtype) AND a.atttypmod = -1)
                OR (o.opcintype <> 'numeric'::regtype AND image.oid IS NULL)
            )
    )
    AND 1 = ALL(
        SELECT count(*)
        FROM pg_catalog.pg_index AS i
        WHERE
            (i.indisunique OR i.indisexclusion)
            AND i.indrelid IN (
                SELECT %(table)s::oid
                UNION
                SELECT tree.relid FROM pg_catalog.pg_partition_tree(%(table)s::oid) AS tree
            )
        GROUP BY i.indrelid
    )
