"""Say where a record stands in a delivery of several files: one number holds the file and the place in it.

Whatever orders records, keeps them apart or cuts them into pages compares one number, as for a single file.
See docs/decisions/0033.
"""

_FILE_BITS = 40

MOST_PLACES = 1 << _FILE_BITS
"""A file of a delivery must be shorter, in bytes when decompressed: 1 TiB."""


def to_place(file_number: int, position: int) -> int:
    """Return the place of a byte offset or line number of a file of the delivery."""
    return (file_number << _FILE_BITS) + position


def from_place(place: int) -> tuple[int, int]:
    """Return the number of the file and the byte offset or line number in it."""
    return place >> _FILE_BITS, place & (MOST_PLACES - 1)
