-- Return the same of each row that has the key of an earlier one.
COPY (
    SELECT {number}, {values}
    FROM (SELECT *, {place} AS adsp_place FROM {keys} AS {row} WHERE {is_whole}) AS {row}
    WHERE adsp_place > 1
) TO STDOUT (FORMAT binary)
