-- Ask Postgres which of the given types read all cells that were given with them.
SELECT
    asked.number,
    asked.type,
    bool_and(pg_input_is_valid(cell.value, asked.type)) AS is_valid
FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS asked (number integer, type text, cells jsonb)
CROSS JOIN LATERAL jsonb_array_elements_text(asked.cells) AS cell (value)
GROUP BY asked.number, asked.type
