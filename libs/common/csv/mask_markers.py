"""Choose the text that stands in place of a masked cell."""

from libs.common.csv.dialect import FileFormat

MARKERS = ("***", "xxx", "---", "###")
"""The first that the dialect does not take for something else."""


def choose_marker(dialect: FileFormat) -> str | None:
    """Return a text that a cell holds without quotes; None where the dialect takes all for something else."""
    signs = dialect.delimiter + (dialect.comment or "") + (dialect.quote or "")
    fitting = (
        marker for marker in MARKERS if marker[0] not in signs and marker not in dialect.null_texts
    )
    return next(fitting, None)
