-- Record what became of the records of one file, in the transaction that ends its chunk.
UPDATE adsp.job_files SET
    rows_read = %(rows_read)s,
    rows_loaded = %(rows_loaded)s,
    rows_rejected = %(rows_rejected)s,
    rows_superseded = %(rows_superseded)s
WHERE job_id = %(job_id)s AND number = %(file_number)s
