-- Upsert a file by hand, and leave rows alone that stay as they are; {table} and {file} are filled in.
CREATE TEMP TABLE arrived (LIKE {table});
\copy arrived from '{file}' with (format csv, header true)
INSERT INTO {table} SELECT * FROM arrived
ON CONFLICT (sku) DO UPDATE SET
    name = excluded.name, category = excluded.category, price = excluded.price,
    quantity = excluded.quantity, updated_at = excluded.updated_at
WHERE ROW({table}.name, {table}.category, {table}.price, {table}.quantity, {table}.updated_at)
    IS DISTINCT FROM ROW(excluded.name, excluded.category, excluded.price, excluded.quantity, excluded.updated_at);
