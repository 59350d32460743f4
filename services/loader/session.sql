-- Fix every session setting that can change what a text means or when a constraint is checked.
SELECT
    set_config('DateStyle', 'ISO, ' || %(date_order)s, FALSE),
    set_config('IntervalStyle', 'postgres', FALSE),
    set_config('TimeZone', %(time_zone)s, FALSE),
    set_config('client_encoding', 'UTF8', FALSE),
    set_config('standard_conforming_strings', 'on', FALSE),
    set_config('array_nulls', 'on', FALSE),
    set_config('bytea_output', 'hex', FALSE),
    set_config('extra_float_digits', '1', FALSE),
    set_config('lc_monetary', 'C', FALSE),
    -- Functions of triggers, checks and defaults find what stands beside the table, whatever path the role has.
    set_config('search_path', pg_catalog.format('%%I, public, pg_temp', %(schema)s), FALSE),
    set_config('xmloption', 'content', FALSE),
    set_config('transform_null_equals', 'off', FALSE),
    set_config('synchronous_commit', 'on', FALSE),
    set_config('default_transaction_isolation', 'read committed', FALSE),
    set_config('default_transaction_read_only', 'off', FALSE),
    -- A load may take hours; the heartbeat and the sweeper watch it instead of a clock, whatever its role has set.
    set_config('statement_timeout', '0', FALSE),
    set_config('transaction_timeout', '0', FALSE),
    set_config('idle_in_transaction_session_timeout', '0', FALSE),
    -- It must not wait for ever for somebody who holds its table, though: other loads need its place.
    set_config('lock_timeout', %(lock_timeout)s, FALSE)
