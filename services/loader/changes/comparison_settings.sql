-- Let the comparison use several processes, a memory of so many bytes in all, and a hash of the keys.
SELECT
    set_config('parallel_setup_cost', '0', TRUE),
    set_config('parallel_tuple_cost', '0', TRUE),
    set_config('min_parallel_table_scan_size', '0', TRUE),
    set_config('enable_mergejoin', 'off', TRUE),
    set_config('jit', 'off', TRUE),
    set_config('hash_mem_multiplier', '1', TRUE),
    set_config('max_parallel_workers_per_gather', workers::text, TRUE),
    set_config('work_mem', greatest(64, %(memory_bytes)s / 1024 / (1 + workers))::text || 'kB', TRUE)
FROM (
    SELECT CASE WHEN %(is_parallel)s THEN current_setting('max_parallel_workers_per_gather')::int ELSE 0 END AS workers
) AS allowed
