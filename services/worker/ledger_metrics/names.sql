-- Name the datasets that are not deleted: each has all of its series from the start.
SELECT name AS dataset
FROM adsp.datasets
WHERE deleted_at IS NULL
