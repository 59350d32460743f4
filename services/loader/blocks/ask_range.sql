-- Return the same of rows whose key is among those of the target from the block's least to its greatest, of which no more are
-- read than the block has rows: in one go, hashed. CASE keeps Postgres from making a join of it, by an estimate.
COPY (
    SELECT {number}, {values}
    FROM {keys} AS {row}
    WHERE CASE WHEN {is_given} THEN ({own}) IN (
        SELECT {key} FROM ONLY {target}
        WHERE ({key}) >= (SELECT {key} FROM {keys} AS {row} WHERE {is_given} ORDER BY {key} LIMIT 1)
            AND ({key}) <= (SELECT {key} FROM {keys} AS {row} WHERE {is_given} ORDER BY {downwards} LIMIT 1)
        ORDER BY {key}
        LIMIT (SELECT count(*) FROM {keys})
    ) END
) TO STDOUT (FORMAT binary)
