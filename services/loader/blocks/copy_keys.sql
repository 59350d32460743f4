-- Take the keys of a block with the numbers of its rows.
COPY {keys} FROM STDIN (FORMAT binary)
