-- Take back what comparison_settings.sql has set. Pages that have just been read are found in memory by their place.
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET enable_mergejoin;
RESET jit;
RESET hash_mem_multiplier;
RESET max_parallel_workers_per_gather;
RESET work_mem;
SET LOCAL random_page_cost = 1
