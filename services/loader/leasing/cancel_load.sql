-- Cancel what the backend of a load does, unless that has ended: after a failover its number is another one's.
SELECT pg_cancel_backend(a.pid)
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid = %(backend_pid)s AND a.backend_start = %(backend_start)s
