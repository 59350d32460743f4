-- Make the table of a block's keys; it ends with the transaction. The search for repeated keys sorts a block.
CREATE TEMPORARY TABLE {keys} ON COMMIT DROP AS SELECT {key} FROM {target} WITH NO DATA;
ALTER TABLE {keys} ADD {number} int;
SET LOCAL work_mem = '64MB'
