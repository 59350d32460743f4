-- Name the datasets: each has all of its series from the start.
SELECT name AS dataset
FROM adsp.datasets
