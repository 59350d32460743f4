-- Record what became of the records of each file, in the transaction that ends its chunk.
UPDATE adsp.job_files AS f SET
    rows_read = c.rows_read,
    rows_loaded = c.rows_loaded,
    rows_rejected = c.rows_rejected,
    rows_superseded = c.rows_superseded
FROM unnest(
    %(numbers)s::int [], %(read)s::bigint [], %(loaded)s::bigint [], %(rejected)s::bigint [], %(superseded)s::bigint []
) AS c (number, rows_read, rows_loaded, rows_rejected, rows_superseded)
WHERE f.job_id = %(job_id)s AND f.number = c.number
