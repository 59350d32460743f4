-- Count the records that have a cell which its column's type does not take.
SELECT count(DISTINCT given.place)
FROM unnest(%(places)s::int [], %(types)s::text [], %(cells)s::text []) AS given (place, type, cell)
WHERE NOT pg_input_is_valid(given.cell, given.type)
