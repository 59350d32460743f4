-- Read texts as a type does, and those that it refuses without length or precision where it has one, to tell the errors. The
-- types are constants: Postgres looks up a type's name once a statement then, not once a text.
SELECT
    given.place - 1,
    %(type)s = %(plain_type)s OR plain.message IS NOT NULL AS is_plain,
    coalesce(plain.sql_error_code, limited.sql_error_code) AS sqlstate,
    coalesce(plain.message, limited.message) AS message,
    CASE WHEN plain.message IS NULL THEN limited.detail ELSE plain.detail END AS detail
FROM unnest(%(texts)s::text []) WITH ORDINALITY AS given (text, place)
CROSS JOIN LATERAL pg_input_error_info(given.text, %(type)s) AS limited
LEFT JOIN LATERAL pg_input_error_info(given.text, %(plain_type)s) AS plain ON %(type)s <> %(plain_type)s
WHERE limited.message IS NOT NULL
