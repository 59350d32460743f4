"""Say that a load has to start over on another way."""


class StagedRowsRefused(Exception):
    """A constraint refuses some of the staged rows, or may: only record by record can it be known which."""


class MostRowsDiffer(StagedRowsRefused):
    """So many rows of a delivery differ from those of its table that to write all costs less."""


class RowsRepeated(StagedRowsRefused):
    """Rows of a delivery have the same key, of which only the first is taken."""
