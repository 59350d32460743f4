-- Say which cells a type refuses, in Postgres' words.
SELECT
    asked.number,
    cell.value,
    refusal.sql_error_code AS sqlstate,
    refusal.message
FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS asked (number integer, type text, cells jsonb)
CROSS JOIN LATERAL jsonb_array_elements_text(asked.cells) AS cell (value)
CROSS JOIN LATERAL pg_input_error_info(cell.value, asked.type) AS refusal
WHERE refusal.message IS NOT NULL
LIMIT :most
