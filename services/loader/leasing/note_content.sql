-- Record what a load has read of a file that nobody had read; another plan may have read it meanwhile.
UPDATE adsp.jobs SET fingerprint = %(digest)s
WHERE id = %(job_id)s AND (starts_with(fingerprint, 'unread:') OR fingerprint = %(digest)s)
