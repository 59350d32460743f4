-- List the chunks that are being loaded, by number, with the loader of each and how far it is.
SELECT
    chunk_number,
    holder,
    rows_read,
    bytes_done,
    progressed_at
FROM adsp.chunk_leases
WHERE job_id = :job_id
ORDER BY chunk_number
LIMIT 50
