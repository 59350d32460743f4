-- Return the number of each row whose key the target has, and the key as the detail of an error has it.
COPY (SELECT {number}, {values} FROM {keys} AS {row} WHERE {is_there}) TO STDOUT (FORMAT binary)
