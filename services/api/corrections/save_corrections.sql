-- Write corrections of a job's failed rows, and return them as they are then; the caller holds the lock of its draft.
INSERT INTO adsp.corrections AS draft (job_id, byte_offset, cells, record, discarded, corrected_by)
SELECT
    :job_id,
    given.place,
    given.cells,
    given.record,
    given.discarded,
    :who
FROM jsonb_to_recordset(CAST(:given AS jsonb)) AS given (place bigint, cells jsonb, record text, discarded boolean)
ON CONFLICT (job_id, byte_offset) DO UPDATE SET
    cells = excluded.cells,
    record = excluded.record,
    discarded = excluded.discarded,
    version = DEFAULT,
    corrected_by = excluded.corrected_by,
    corrected_at = now()
