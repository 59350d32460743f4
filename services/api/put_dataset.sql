-- Make or change a dataset. Due times count from now when its schedule is new or another one.
INSERT INTO adsp.datasets AS d (name, definition, last_due_at)
VALUES (
    :name,
    CAST(:definition AS jsonb),
    CASE WHEN CAST(:definition AS jsonb) -> 'schedule' <> 'null' THEN now() END
)
ON CONFLICT (name) DO UPDATE SET
    definition = excluded.definition,
    updated_at = now(),
    last_due_at = CASE
        WHEN excluded.definition -> 'schedule' = d.definition -> 'schedule' THEN d.last_due_at
        ELSE excluded.last_due_at
    END
RETURNING created_at, updated_at, xmax = 0 AS is_new
