-- Make or change a dataset. Due times count from now when its schedule is new or another one, or it had been deleted.
INSERT INTO adsp.datasets AS d (name, definition, last_due_at)
VALUES (
    :name,
    CAST(:definition AS jsonb),
    CASE WHEN CAST(:definition AS jsonb) -> 'schedule' <> 'null' THEN now() END
)
ON CONFLICT (name) DO UPDATE SET
    definition = excluded.definition,
    updated_at = now(),
    created_at = CASE WHEN d.deleted_at IS NULL THEN d.created_at ELSE now() END,
    deleted_at = NULL,
    last_due_at = CASE
        WHEN d.deleted_at IS NULL AND excluded.definition -> 'schedule' = d.definition -> 'schedule' THEN d.last_due_at
        ELSE excluded.last_due_at
    END
RETURNING xmax = 0 AS is_new
