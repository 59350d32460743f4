"""Word errors that quote the text of a file for datasets that mask columns.

A file that comes without its header, or without its footer, has a record there, and its masked cells would be quoted.
"""

from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import BadInput

_TRAILER = "trailer-mismatch"
_QUOTING = frozenset(
    {
        "header-unknown-column",
        "header-repeated-column",
        "header-missing-column",
        "header-malformed",
        _TRAILER,
    }
)


def mask_error(error: BadInput, definition: DatasetDefinition) -> BadInput:
    """Return the error, without what it quotes of the file where columns are masked."""
    if not definition.masked_columns or error.code not in _QUOTING:
        return error
    place = "footer" if error.code == _TRAILER else "header"
    return BadInput(
        error.code,
        f"the {place} of the file is not as the dataset and {definition.table} need it; what stands there is not "
        f"shown, since it may be a record and the dataset masks columns: compare the file's {place} with the columns "
        "of the table and with 'format' and 'columns' of the dataset",
    )
