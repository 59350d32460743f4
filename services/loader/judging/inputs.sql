-- Read texts as types do, first without length or precision, and tell the errors.
SELECT
    given.place,
    plain.message IS NOT NULL AS is_plain,
    coalesce(plain.sql_error_code, limited.sql_error_code) AS sqlstate,
    coalesce(plain.message, limited.message) AS message,
    CASE WHEN plain.message IS NULL THEN limited.detail ELSE plain.detail END AS detail
FROM unnest(%(places)s::int [], %(plain_types)s::text [], %(types)s::text [], %(texts)s::text [])
AS given (place, plain_type, type, text),
    pg_input_error_info(given.text, given.plain_type) AS plain,
    pg_input_error_info(given.text, given.type) AS limited
WHERE limited.message IS NOT NULL
