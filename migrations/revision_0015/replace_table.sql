-- Put a table of failed rows without rows in place of the one that is there, which is called {old} then: with its columns, checks,
-- key, index and rights, and ids that go on where its ended. The view reads the new one.
DO $replace$
DECLARE
    last_id bigint;
    privilege record;
    view_text CONSTANT text := pg_get_viewdef('adsp.rejected_rows');
BEGIN
    SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END INTO last_id FROM adsp.failed_rows_id_seq;
    ALTER TABLE adsp.failed_rows ALTER COLUMN id DROP IDENTITY;
    ALTER TABLE adsp.failed_rows RENAME TO {old};
    ALTER TABLE adsp.{old} RENAME CONSTRAINT pk_failed_rows TO pk_{old};
    ALTER INDEX adsp.ix_failed_rows_cut RENAME TO ix_{old}_cut;

    CREATE TABLE adsp.failed_rows (LIKE adsp.{old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS) {partitioning};
    EXECUTE format(
        'ALTER TABLE adsp.failed_rows ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START %s CACHE 1000)', last_id + 1
    );
    ALTER TABLE adsp.failed_rows ADD CONSTRAINT pk_failed_rows PRIMARY KEY (job_id, byte_offset);
    CREATE INDEX ix_failed_rows_cut ON adsp.failed_rows (job_id) WHERE record_bytes IS NOT NULL;

    FOR privilege IN
        SELECT acl.grantee::regrole AS role, acl.privilege_type AS name
        FROM pg_class AS c, aclexplode(c.relacl) AS acl
        WHERE c.oid = 'adsp.{old}'::regclass AND acl.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON adsp.failed_rows TO %s', privilege.name, privilege.role);
        EXECUTE format('REVOKE %s ON adsp.{old} FROM %s', privilege.name, privilege.role);
    END LOOP;
    EXECUTE 'CREATE OR REPLACE VIEW adsp.rejected_rows AS ' || view_text;
END
$replace$;
