-- Name the first column whose cell, read by itself, gives this error.
SELECT given.column_name
FROM unnest(%(columns)s::text [], %(types)s::text [], %(cells)s::text [])
WITH ORDINALITY AS given (column_name, type, cell, place),
    pg_input_error_info(given.cell, given.type) AS error
WHERE error.sql_error_code = %(sqlstate)s AND error.message = %(message)s
ORDER BY given.place
LIMIT 1
