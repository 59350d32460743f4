-- Make one login role unless it exists, and give it its password.
-- The name and the password are filled in by psycopg2.sql.
DO $$ BEGIN
    CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
ALTER ROLE {role} PASSWORD {password};
