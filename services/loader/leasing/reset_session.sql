-- Give back what a load may have left in its session: what DISCARD ALL does, but for prepared statements and their plans
-- (`libs.common.postgres.prepared`), whose names tell their text.
CLOSE ALL;
SET SESSION AUTHORIZATION DEFAULT;
RESET ALL;
UNLISTEN *;
SELECT pg_catalog.pg_advisory_unlock_all();
DISCARD TEMP;
DISCARD SEQUENCES
