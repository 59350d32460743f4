-- Keep where the records of each file of a job begin behind its header.
UPDATE adsp.job_files AS f SET header_end = h.header_end::jsonb
FROM unnest(CAST(:numbers AS int []), CAST(:ends AS text [])) AS h (number, header_end)
WHERE f.job_id = :job_id AND f.number = h.number
