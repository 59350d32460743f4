-- What each service needs, and no DDL.

GRANT USAGE ON SCHEMA adsp TO adsp_api, adsp_worker, adsp_loader;
GRANT SELECT ON
    adsp.datasets, adsp.dataset_versions, adsp.jobs, adsp.job_files, adsp.chunks, adsp.chunk_leases, adsp.failed_rows,
    adsp.events, adsp.idempotency_keys
TO adsp_api, adsp_worker, adsp_loader;

-- The api records what was asked for; it never decides how a load ends.
GRANT INSERT, UPDATE ON adsp.datasets, adsp.jobs TO adsp_api;
GRANT INSERT ON adsp.idempotency_keys, adsp.events TO adsp_api;
GRANT SELECT, INSERT ON adsp.uploads TO adsp_api;
GRANT SELECT, UPDATE (last_used_at) ON adsp.api_keys TO adsp_api;
GRANT SELECT ON public.items TO adsp_api;

-- The worker plans, ends and cleans up jobs; it never touches a target table.
GRANT UPDATE ON adsp.datasets TO adsp_worker;
GRANT INSERT, UPDATE, DELETE ON
    adsp.jobs, adsp.job_files, adsp.chunks, adsp.chunk_leases, adsp.failed_rows, adsp.events, adsp.idempotency_keys
TO adsp_worker;
GRANT SELECT, DELETE ON adsp.uploads TO adsp_worker;
GRANT SELECT ON adsp.job_counters, adsp.failed_row_counters, adsp.open_failed_rows TO adsp_worker;

-- The loader moves its chunk forward and writes rows.
GRANT UPDATE ON adsp.chunks, adsp.job_files TO adsp_loader;
GRANT INSERT, UPDATE, DELETE ON adsp.chunk_leases TO adsp_loader;
GRANT INSERT ON adsp.failed_rows TO adsp_loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.items TO adsp_loader;
