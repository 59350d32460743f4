"""Compile what a block needs before the first block comes."""

from collections.abc import Sequence

from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_scanner import find_lines
from libs.common.postgres.copy.check_prefilter import RowPredicates
from libs.common.postgres.copy.column_types import ColumnCodec, Kind
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.row_forms import BINARY, RowForm
from libs.common.postgres.copy.row_layout import RowLayout


def warm_up(forms: Sequence[RowForm] = (BINARY,)) -> None:
    """Compile what a block needs, or find it where it is kept; a process forked from this one has it then.

    Text is the form of tables with types that have no codec: to compile that as well takes as long once more.
    """
    dialect, nothing = FileFormat(), RowPredicates([False], [], is_complete=True)
    codecs, lines = [ColumnCodec(Kind.TEXT)], find_lines(b"1\n", dialect)
    for form in forms:
        for layout in (None, RowLayout((0,))):
            encoder = Encoder(dialect, codecs, nothing, layout, form, has_lines=True)
            encoded = encoder.encode(lines, 1) if lines is not None else None
            if encoded is not None:
                encoded.certain.for_target()
