-- What a person would type to upsert a file by hand; {table} and {file} are filled in.
CREATE TEMP TABLE arrived (LIKE {table});
\copy arrived from '{file}' with (format csv, header true)
INSERT INTO {table} SELECT * FROM arrived
ON CONFLICT (sku) DO UPDATE SET
    name = excluded.name, category = excluded.category, price = excluded.price,
    quantity = excluded.quantity, updated_at = excluded.updated_at;
