-- The tables of the ledger, as libs.common.ledger.models declares them.

CREATE TABLE adsp.datasets (
    name text NOT NULL,
    definition jsonb NOT NULL,
    last_due_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    paused_at timestamptz,
    deleted_at timestamptz,
    CONSTRAINT pk_datasets PRIMARY KEY (name)
);
COMMENT ON COLUMN adsp.datasets.last_due_at IS 'Due times up to here have been dispatched; NULL without a schedule.';
COMMENT ON COLUMN adsp.datasets.version IS 'Number of the current definition in dataset_versions; a trigger counts.';
COMMENT ON COLUMN adsp.datasets.paused_at IS 'Since when no due time makes a job; NULL: each does.';
COMMENT ON COLUMN adsp.datasets.deleted_at IS 'When it was deleted; the row stays for its jobs and versions.';

CREATE TABLE adsp.dataset_versions (
    dataset text NOT NULL,
    version integer NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_dataset_versions PRIMARY KEY (dataset, version),
    CONSTRAINT fk_dataset_versions_dataset FOREIGN KEY (dataset) REFERENCES adsp.datasets (name) ON DELETE CASCADE
);

CREATE TABLE adsp.jobs (
    id uuid NOT NULL,
    dataset text NOT NULL,
    definition jsonb NOT NULL,
    definition_version integer,
    data_date date NOT NULL,
    source text NOT NULL,
    trigger varchar NOT NULL,
    due_at timestamptz,
    force boolean DEFAULT false NOT NULL,
    state varchar DEFAULT 'queued' NOT NULL,
    error_code text,
    error_message text,
    request_id text,
    owner text,
    replay_of uuid,
    duplicate_of uuid,
    outdated_by uuid,
    source_path text,
    source_mtime_ns bigint,
    fingerprint text,
    header text[],
    rows_before bigint,
    chunks_at_once integer,
    bytes_total bigint,
    bytes_done bigint DEFAULT 0 NOT NULL,
    rows_read bigint DEFAULT 0 NOT NULL,
    rows_loaded bigint DEFAULT 0 NOT NULL,
    rows_rejected bigint DEFAULT 0 NOT NULL,
    rows_superseded bigint DEFAULT 0 NOT NULL,
    rejected_by_code jsonb DEFAULT '{}' NOT NULL,
    warnings jsonb DEFAULT '[]' NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    published_at timestamptz,
    next_attempt_at timestamptz DEFAULT now(),
    waiting_since timestamptz,
    seen_identity jsonb,
    known_content jsonb,
    files_due_at timestamptz,
    cancel_requested_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    failed_rows_settled boolean DEFAULT false NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (id),
    CONSTRAINT ck_jobs_accounted CHECK (state IN ('queued', 'waiting', 'running') OR rows_read = rows_loaded +
        rows_rejected + rows_superseded),
    CONSTRAINT ck_jobs_counts_not_negative CHECK (rows_read >= 0 AND rows_loaded >= 0 AND rows_rejected >= 0 AND
        rows_superseded >= 0 AND bytes_done >= 0),
    CONSTRAINT ck_jobs_finished_has_time CHECK ((state IN ('queued', 'waiting', 'running')) = (finished_at IS NULL)),
    CONSTRAINT ck_jobs_failed_has_error CHECK ((state = 'failed') = (error_code IS NOT NULL)),
    CONSTRAINT ck_jobs_error_has_message CHECK ((error_code IS NULL) = (error_message IS NULL)),
    CONSTRAINT ck_jobs_duplicate_names_original CHECK ((state = 'duplicate') = (duplicate_of IS NOT NULL)),
    CONSTRAINT ck_jobs_outdated_names_newer CHECK ((state = 'outdated') = (outdated_by IS NOT NULL)),
    CONSTRAINT ck_jobs_waiting_has_start CHECK (state <> 'waiting' OR waiting_since IS NOT NULL),
    CONSTRAINT ck_jobs_schedule_has_due_time CHECK ((trigger = 'schedule') = (due_at IS NOT NULL)),
    CONSTRAINT ck_jobs_succeeded_without_rejects CHECK (state <> 'succeeded' OR rows_rejected = 0),
    CONSTRAINT fk_jobs_dataset_definition_version FOREIGN KEY (dataset, definition_version) REFERENCES
        adsp.dataset_versions (dataset, version),
    CONSTRAINT uq_jobs_dataset_due_at UNIQUE (dataset, due_at),
    CONSTRAINT fk_jobs_dataset FOREIGN KEY (dataset) REFERENCES adsp.datasets (name),
    CONSTRAINT ck_jobs_trigger CHECK (trigger IN ('schedule', 'api', 'upload', 'replay')),
    CONSTRAINT ck_jobs_state CHECK (state IN ('queued', 'waiting', 'running', 'succeeded', 'completed_with_rejects',
        'failed', 'cancelled', 'duplicate', 'outdated')),
    CONSTRAINT fk_jobs_replay_of FOREIGN KEY (replay_of) REFERENCES adsp.jobs (id),
    CONSTRAINT fk_jobs_duplicate_of FOREIGN KEY (duplicate_of) REFERENCES adsp.jobs (id),
    CONSTRAINT fk_jobs_outdated_by FOREIGN KEY (outdated_by) REFERENCES adsp.jobs (id)
);
CREATE INDEX ix_jobs_data_date_id ON adsp.jobs (data_date, id);
CREATE INDEX ix_jobs_dataset_fingerprint ON adsp.jobs (dataset, fingerprint)
WHERE fingerprint IS NOT NULL;
CREATE INDEX ix_jobs_dataset_id ON adsp.jobs (dataset, id);
CREATE INDEX ix_jobs_delivered ON adsp.jobs (dataset, data_date)
WHERE state IN ('succeeded', 'completed_with_rejects', 'duplicate');
CREATE INDEX ix_jobs_duplicate_of ON adsp.jobs (duplicate_of)
WHERE duplicate_of IS NOT NULL;
CREATE INDEX ix_jobs_files_due ON adsp.jobs (files_due_at)
WHERE files_due_at IS NOT NULL;
CREATE INDEX ix_jobs_finished ON adsp.jobs (dataset, finished_at)
WHERE finished_at IS NOT NULL;
CREATE INDEX ix_jobs_loaded ON adsp.jobs (dataset, finished_at)
WHERE state IN ('succeeded', 'completed_with_rejects', 'duplicate') AND trigger <> 'replay';
CREATE INDEX ix_jobs_outdated_by ON adsp.jobs (outdated_by)
WHERE outdated_by IS NOT NULL;
CREATE INDEX ix_jobs_owner_id ON adsp.jobs (owner, id)
WHERE owner IS NOT NULL;
CREATE INDEX ix_jobs_owner_rejected ON adsp.jobs (owner, id)
WHERE owner IS NOT NULL AND rows_rejected > 0;
CREATE INDEX ix_jobs_owner_unfinished ON adsp.jobs (owner)
WHERE owner IS NOT NULL AND finished_at IS NULL;
CREATE INDEX ix_jobs_replay_of ON adsp.jobs (replay_of)
WHERE replay_of IS NOT NULL;
CREATE INDEX ix_jobs_snapshots ON adsp.jobs (dataset, finished_at)
WHERE state IN ('succeeded', 'completed_with_rejects') AND definition ->> 'mode' = 'replace';
CREATE INDEX ix_jobs_state_id ON adsp.jobs (state, id);
CREATE INDEX ix_jobs_trigger_id ON adsp.jobs (trigger, id);
CREATE INDEX ix_jobs_unfinished ON adsp.jobs (next_attempt_at)
WHERE finished_at IS NULL;
CREATE INDEX ix_jobs_unsettled ON adsp.jobs (dataset, finished_at)
WHERE finished_at IS NOT NULL AND rows_rejected > 0 AND NOT failed_rows_settled;
CREATE UNIQUE INDEX uq_jobs_appended_once ON adsp.jobs (dataset, fingerprint)
WHERE state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT force AND (definition ->> 'mode' = 'append'
    OR replay_of IS NOT NULL) AND definition ->> 'once' IS DISTINCT FROM 'data_date';
CREATE UNIQUE INDEX uq_jobs_appended_once_a_day ON adsp.jobs (dataset, fingerprint, data_date)
WHERE state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT force AND (definition ->> 'mode' = 'append'
    OR replay_of IS NOT NULL) AND definition ->> 'once' = 'data_date';
CREATE UNIQUE INDEX uq_jobs_content_running ON adsp.jobs (dataset, fingerprint)
WHERE state = 'running' AND NOT force AND definition ->> 'once' IS DISTINCT FROM 'data_date';
CREATE UNIQUE INDEX uq_jobs_live_schedule ON adsp.jobs (dataset, data_date, source)
WHERE trigger = 'schedule' AND state IN ('queued', 'waiting', 'running');
COMMENT ON COLUMN adsp.jobs.definition IS 'The dataset''s definition when the job was made.';
COMMENT ON COLUMN adsp.jobs.definition_version IS 'The dataset''s version that the job was made under.';
COMMENT ON COLUMN adsp.jobs.source IS 'As requested or expanded from the dataset''s pattern.';
COMMENT ON COLUMN adsp.jobs.owner IS 'Owner of the API key that made it; NULL: the schedule, or an api without keys.';
COMMENT ON COLUMN adsp.jobs.outdated_by IS 'The newer delivery that the table holds.';
COMMENT ON COLUMN adsp.jobs.source_path IS 'Resolved path, set by plan.';
COMMENT ON COLUMN adsp.jobs.source_mtime_ns IS 'Modification time at plan, ns.';
COMMENT ON COLUMN adsp.jobs.fingerprint IS 'SHA-256 of the source''s bytes, hex; of a replay, with the job that it replays.';
COMMENT ON COLUMN adsp.jobs.header IS 'Cells of the source''s header, set by plan.';
COMMENT ON COLUMN adsp.jobs.rows_before IS 'Rows of the load before, set by plan; NULL when there was none.';
COMMENT ON COLUMN adsp.jobs.chunks_at_once IS 'Most chunks under way, which end in their order; NULL: all, in any order.';
COMMENT ON COLUMN adsp.jobs.bytes_total IS 'Size of the source as stored, bytes.';
COMMENT ON COLUMN adsp.jobs.rejected_by_code IS 'Failed rows by error code, counted at the job''s end.';
COMMENT ON COLUMN adsp.jobs.warnings IS 'What was odd and allowed; at its end with its chunks''.';
COMMENT ON COLUMN adsp.jobs.attempt IS 'Times that planning was begun.';
COMMENT ON COLUMN adsp.jobs.published_at IS 'Last confirmed publish of plan.';
COMMENT ON COLUMN adsp.jobs.next_attempt_at IS 'The sweeper sends plan again after this time; NULL: never.';
COMMENT ON COLUMN adsp.jobs.waiting_since IS 'When it began to wait for its source; kept once that has come.';
COMMENT ON COLUMN adsp.jobs.seen_identity IS 'With settle: the files as they were first seen unchanged, and when. From plan on: device and inode.';
COMMENT ON COLUMN adsp.jobs.known_content IS 'Fingerprint of the source of a job that had to wait for another, and what the file was then.';
COMMENT ON COLUMN adsp.jobs.files_due_at IS 'The job''s files are moved or deleted after this time (after_load); NULL: nothing is left to do.';
COMMENT ON COLUMN adsp.jobs.failed_rows_settled IS 'Whether the sweep has seen that no replay can load its failed rows any more.';

CREATE TABLE adsp.job_files (
    job_id uuid NOT NULL,
    number integer NOT NULL,
    path text NOT NULL,
    size bigint NOT NULL,
    mtime_ns bigint NOT NULL,
    inode text NOT NULL,
    fingerprint text NOT NULL,
    duplicate_of uuid,
    rows_read bigint DEFAULT 0 NOT NULL,
    rows_loaded bigint DEFAULT 0 NOT NULL,
    rows_rejected bigint DEFAULT 0 NOT NULL,
    rows_superseded bigint DEFAULT 0 NOT NULL,
    CONSTRAINT pk_job_files PRIMARY KEY (job_id, number),
    CONSTRAINT ck_job_files_accounted CHECK (rows_read = rows_loaded + rows_rejected + rows_superseded),
    CONSTRAINT fk_job_files_job_id FOREIGN KEY (job_id) REFERENCES adsp.jobs (id) ON DELETE CASCADE
);
CREATE INDEX ix_job_files_fingerprint ON adsp.job_files (fingerprint);
CREATE INDEX ix_job_files_path ON adsp.job_files USING hash (path);
COMMENT ON COLUMN adsp.job_files.number IS 'From 0, in the order in which they are loaded: by path.';
COMMENT ON COLUMN adsp.job_files.size IS 'As stored, bytes.';
COMMENT ON COLUMN adsp.job_files.mtime_ns IS 'Modification time at plan, ns.';
COMMENT ON COLUMN adsp.job_files.inode IS 'Device and inode at plan.';
COMMENT ON COLUMN adsp.job_files.fingerprint IS 'SHA-256 of the file''s bytes, hex.';
COMMENT ON COLUMN adsp.job_files.duplicate_of IS 'The job that has loaded the file; NULL: this one does.';

CREATE TABLE adsp.chunks (
    job_id uuid NOT NULL,
    number integer NOT NULL,
    byte_start bigint NOT NULL,
    byte_end bigint,
    first_line bigint NOT NULL,
    digest text,
    state varchar DEFAULT 'queued' NOT NULL,
    error_code text,
    error_message text,
    rows_read bigint DEFAULT 0 NOT NULL,
    rows_loaded bigint DEFAULT 0 NOT NULL,
    rows_rejected bigint DEFAULT 0 NOT NULL,
    rows_superseded bigint DEFAULT 0 NOT NULL,
    bytes_done bigint DEFAULT 0 NOT NULL,
    warnings jsonb DEFAULT '[]' NOT NULL,
    load_path text,
    load_path_reason text,
    attempt integer DEFAULT 0 NOT NULL,
    published_at timestamptz,
    next_attempt_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    lock_waits integer DEFAULT 0 NOT NULL,
    taken_from uuid,
    CONSTRAINT pk_chunks PRIMARY KEY (job_id, number),
    CONSTRAINT ck_chunks_accounted CHECK (rows_read = rows_loaded + rows_rejected + rows_superseded),
    CONSTRAINT ck_chunks_range_is_forward CHECK (byte_end IS NULL OR byte_end >= byte_start),
    CONSTRAINT ck_chunks_failed_has_error CHECK ((state = 'failed') = (error_code IS NOT NULL)),
    CONSTRAINT fk_chunks_job_id FOREIGN KEY (job_id) REFERENCES adsp.jobs (id) ON DELETE CASCADE,
    CONSTRAINT ck_chunks_state CHECK (state IN ('queued', 'running', 'done', 'failed'))
);
CREATE INDEX ix_chunks_unfinished ON adsp.chunks (next_attempt_at)
WHERE finished_at IS NULL;
COMMENT ON COLUMN adsp.chunks.number IS 'From 0, in file order.';
COMMENT ON COLUMN adsp.chunks.byte_start IS 'Offset of the first record, decompressed bytes.';
COMMENT ON COLUMN adsp.chunks.byte_end IS 'Offset after the last record; NULL: the end.';
COMMENT ON COLUMN adsp.chunks.first_line IS 'Physical line of the first record, from 1.';
COMMENT ON COLUMN adsp.chunks.digest IS 'SHA-256 of the source''s header and these bytes, as stored, hex, at plan; NULL: job_files has them.';
COMMENT ON COLUMN adsp.chunks.error_message IS 'Why it failed; until it has ended, why its last attempt did.';
COMMENT ON COLUMN adsp.chunks.warnings IS 'What was odd about the load and allowed.';
COMMENT ON COLUMN adsp.chunks.load_path IS 'How its records were written: blocks, records or singly; NULL: not loaded.';
COMMENT ON COLUMN adsp.chunks.load_path_reason IS 'Why not all of them as blocks, the fastest way.';
COMMENT ON COLUMN adsp.chunks.attempt IS 'Times that loading was begun.';
COMMENT ON COLUMN adsp.chunks.next_attempt_at IS 'The sweeper sends the chunk after this time; NULL: it waits for its turn or runs.';
COMMENT ON COLUMN adsp.chunks.lock_waits IS 'Attempts that ended because a lock was not available; they are not held against it.';
COMMENT ON COLUMN adsp.chunks.taken_from IS 'The job that had loaded it, with which it is counted; NULL: this job.';

CREATE TABLE adsp.chunk_leases (
    job_id uuid NOT NULL,
    chunk_number integer NOT NULL,
    holder text NOT NULL,
    backend_pid integer NOT NULL,
    backend_start timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    bytes_done bigint DEFAULT 0 NOT NULL,
    rows_read bigint DEFAULT 0 NOT NULL,
    progressed_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_chunk_leases PRIMARY KEY (job_id, chunk_number)
);
COMMENT ON COLUMN adsp.chunk_leases.holder IS 'Host, process and a random part of the loader.';
COMMENT ON COLUMN adsp.chunk_leases.backend_pid IS 'Postgres backend of the loading transaction.';
COMMENT ON COLUMN adsp.chunk_leases.backend_start IS 'Start of that backend, so that a reused pid is never ended.';
COMMENT ON COLUMN adsp.chunk_leases.progressed_at IS 'When the load last got on; a lease is renewed also while it waits.';

CREATE TABLE adsp.failed_rows (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    job_id uuid NOT NULL,
    chunk_number integer NOT NULL,
    line_number bigint NOT NULL,
    byte_offset bigint NOT NULL,
    raw bytea NOT NULL,
    record_bytes bigint,
    stage varchar NOT NULL,
    error_code varchar NOT NULL,
    column_name text,
    sqlstate text,
    message text NOT NULL,
    CONSTRAINT pk_failed_rows PRIMARY KEY (id),
    CONSTRAINT uq_failed_rows_job_id_byte_offset UNIQUE (job_id, byte_offset),
    CONSTRAINT ck_failed_rows_stage CHECK (stage IN ('parse', 'convert', 'constraint')),
    CONSTRAINT ck_failed_rows_error_code CHECK (error_code IN ('missing-cell', 'extra-cell', 'malformed-quote',
        'bare-carriage-return', 'encoding-error', 'line-too-long', 'type-error', 'out-of-range', 'value-too-long',
        'not-null', 'unique', 'foreign-key', 'check', 'exclusion', 'suppressed', 'other'))
);
CREATE INDEX ix_failed_rows_cut ON adsp.failed_rows (job_id)
WHERE record_bytes IS NOT NULL;
COMMENT ON COLUMN adsp.failed_rows.line_number IS 'Physical line it starts on, from 1, in the decompressed source; of file n of several (job_files), n << 40 more.';
COMMENT ON COLUMN adsp.failed_rows.byte_offset IS 'Of its first byte in the decompressed source; of file n of several (job_files), n << 40 more.';
COMMENT ON COLUMN adsp.failed_rows.raw IS 'Its bytes without the line end, or their start.';
COMMENT ON COLUMN adsp.failed_rows.record_bytes IS 'Its length with the line end where raw is only its start; NULL: raw is all of it.';

CREATE TABLE adsp.events (
    id uuid NOT NULL,
    job_id uuid NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamptz DEFAULT now() NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    published_at timestamptz,
    CONSTRAINT pk_events PRIMARY KEY (id),
    CONSTRAINT fk_events_job_id FOREIGN KEY (job_id) REFERENCES adsp.jobs (id) ON DELETE CASCADE
);
CREATE INDEX ix_events_job_id ON adsp.events (job_id);
CREATE INDEX ix_events_unpublished ON adsp.events (next_attempt_at)
WHERE published_at IS NULL;
COMMENT ON COLUMN adsp.events.type IS 'Routing key, for example job.succeeded.';

CREATE TABLE adsp.idempotency_keys (
    key text NOT NULL,
    route text NOT NULL,
    request_hash text NOT NULL,
    job_id uuid NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (key, route),
    CONSTRAINT fk_idempotency_keys_job_id FOREIGN KEY (job_id) REFERENCES adsp.jobs (id) ON DELETE CASCADE
);
CREATE INDEX ix_idempotency_keys_job_id ON adsp.idempotency_keys (job_id);
COMMENT ON COLUMN adsp.idempotency_keys.route IS 'Method and path of the request, and the owner of its API key.';
COMMENT ON COLUMN adsp.idempotency_keys.request_hash IS 'SHA-256 of the request that came with it, hex.';

CREATE TABLE adsp.uploads (
    folder uuid NOT NULL,
    owner text NOT NULL,
    bytes bigint NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_uploads PRIMARY KEY (folder)
);
CREATE INDEX ix_uploads_owner ON adsp.uploads (owner);
COMMENT ON COLUMN adsp.uploads.folder IS 'Its folder''s name.';
COMMENT ON COLUMN adsp.uploads.bytes IS 'Size of the file as stored.';

CREATE TABLE adsp.api_keys (
    id text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,
    scopes text[] NOT NULL,
    digest bytea NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT ck_api_keys_scopes CHECK (scopes <@ ARRAY['read', 'submit', 'admin'] AND cardinality(scopes) > 0),
    CONSTRAINT ck_api_keys_digest_is_sha256 CHECK (octet_length(digest) = 32),
    CONSTRAINT ck_api_keys_named CHECK (name <> '' AND owner <> '')
);
COMMENT ON COLUMN adsp.api_keys.id IS 'The public part of the key.';
COMMENT ON COLUMN adsp.api_keys.name IS 'What it is for, to people.';
COMMENT ON COLUMN adsp.api_keys.owner IS 'Whose jobs it sees; several keys may share one.';
COMMENT ON COLUMN adsp.api_keys.digest IS 'SHA-256 of the secret part.';
COMMENT ON COLUMN adsp.api_keys.last_used_at IS 'To within a minute.';

CREATE TABLE adsp.job_counters (
    dataset text NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    jobs bigint NOT NULL,
    rows_read bigint NOT NULL,
    rows_loaded bigint NOT NULL,
    rows_rejected bigint NOT NULL,
    rows_superseded bigint NOT NULL,
    bytes bigint NOT NULL,
    unaccounted bigint NOT NULL,
    CONSTRAINT pk_job_counters PRIMARY KEY (dataset, trigger, state)
);
COMMENT ON COLUMN adsp.job_counters.bytes IS 'Of the sources, as stored.';
COMMENT ON COLUMN adsp.job_counters.unaccounted IS 'Records that went nowhere; must be 0.';

CREATE TABLE adsp.failed_row_counters (
    dataset text NOT NULL,
    error_code text NOT NULL,
    failed_rows bigint NOT NULL,
    CONSTRAINT pk_failed_row_counters PRIMARY KEY (dataset, error_code)
);
