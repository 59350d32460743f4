-- What a person would type to replace the rows of a table by hand; {table} and {file} are filled in.
BEGIN;
TRUNCATE {table};
\copy {table} from '{file}' with (format csv, header true)
COMMIT;
