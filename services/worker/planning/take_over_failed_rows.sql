-- Move the failed rows of the chunks that an earlier job of the same content has done: a failed row belongs to one job.
UPDATE adsp.failed_rows AS f SET job_id = :job_id
FROM adsp.chunks AS c
WHERE f.job_id = :earlier_id AND c.job_id = f.job_id AND c.number = f.chunk_number AND c.state = 'done'
