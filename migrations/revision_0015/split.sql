-- Make the table of failed rows one that is partitioned by the month of its job. What is there stays where it is: the table becomes
-- the partition of all months before the bound, which a constraint has shown to be so.
DO $split$
DECLARE
    bound CONSTANT uuid := '{bound}';
    last_id bigint;
    privilege record;
    view_text CONSTANT text := pg_get_viewdef('adsp.rejected_rows');
BEGIN
    SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END INTO last_id FROM adsp.failed_rows_id_seq;
    ALTER TABLE adsp.failed_rows ALTER COLUMN id DROP IDENTITY;
    ALTER TABLE adsp.failed_rows RENAME TO {before};
    ALTER TABLE adsp.{before} RENAME CONSTRAINT pk_failed_rows TO pk_{before};
    ALTER INDEX adsp.ix_failed_rows_cut RENAME TO ix_{before}_cut;

    CREATE TABLE adsp.failed_rows (LIKE adsp.{before} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)
    PARTITION BY RANGE (job_id);
    ALTER TABLE adsp.failed_rows DROP CONSTRAINT ck_failed_rows_before;
    EXECUTE format(
        'ALTER TABLE adsp.failed_rows ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START %s CACHE 1000)', last_id + 1
    );
    ALTER TABLE adsp.failed_rows ADD CONSTRAINT pk_failed_rows PRIMARY KEY (job_id, byte_offset);
    CREATE INDEX ix_failed_rows_cut ON adsp.failed_rows (job_id) WHERE record_bytes IS NOT NULL;
    EXECUTE format('ALTER TABLE adsp.failed_rows ATTACH PARTITION adsp.{before} FOR VALUES FROM (MINVALUE) TO (%L)', bound);
    ALTER TABLE adsp.{before} DROP CONSTRAINT ck_failed_rows_before;
    CREATE TABLE adsp.failed_rows_other PARTITION OF adsp.failed_rows DEFAULT;

    FOR privilege IN
        SELECT acl.grantee::regrole AS role, acl.privilege_type AS name
        FROM pg_class AS c, aclexplode(c.relacl) AS acl
        WHERE c.oid = 'adsp.{before}'::regclass AND acl.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON adsp.failed_rows TO %s', privilege.name, privilege.role);
        EXECUTE format('REVOKE %s ON adsp.{before} FROM %s', privilege.name, privilege.role);
    END LOOP;
    EXECUTE 'CREATE OR REPLACE VIEW adsp.rejected_rows AS ' || view_text;
END
$split$;
