"""Write the lines of a block as tuples of a binary COPY, in one pass over their bytes; compiled.

Every line must certainly be one record (`libs.common.csv.line_scanner`). The protocol is that of PostgreSQL's
documentation of COPY: a count of fields, then for each its length (-1: NULL) and its bytes, as the types' ``send``
functions write them.
"""

from typing import NamedTuple, TypeAlias

from libs.common.compiled.jit import compiled, inlined
from libs.common.compiled.words import (
    SLACK,
    Bytes,
    Number,
    Numbers,
    copy64,
    find,
    put16,
    put32,
    put64,
    repeated,
)
from libs.common.postgres.copy.column_types import (
    FIRST_FORM,
    FIRST_LIMIT,
    FORMS,
    IS_LEFT_OUT,
    IS_PLAIN_READ,
    KIND,
    LIMITS,
    MARK,
    MOST_DECIMALS,
    POINT,
    REQUIRED,
    SCALE,
    SIZE,
    Comparison,
    Kind,
)
from libs.common.postgres.copy.values import (
    POWERS,
    count_decimals,
    put_hex,
    put_numeric,
    put_uuid,
    read_boolean,
    read_date,
    read_float,
    read_integer,
    read_moment,
    read_numeric,
    read_time,
)
from libs.common.postgres.copy.written_forms import (
    is_of_form,
    put_iso_date,
    put_plain_number,
)

ACCEPTED, MAY_VIOLATE, NEEDS_TYPE_CHECK = 0, -1, -2
"""What became of a line; a positive number is the count of cells of a line that has too few or too many."""

# Compiled code knows plain numbers only.
_JSONB, _INTEGER, _NUMERIC = int(Kind.JSONB), int(Kind.INTEGER), int(Kind.NUMERIC)
_DATE, _TIME, _TIMESTAMP = int(Kind.DATE), int(Kind.TIME), int(Kind.TIMESTAMP)
_UUID, _BYTES, _FLOAT = int(Kind.UUID), int(Kind.BYTES), int(Kind.FLOAT)
_AT_LEAST, _ABOVE, _AT_MOST, _BELOW, _EQUAL, _DIFFERENT = (int(how) for how in Comparison)
_DOUBT, _LATE = -1, -2
"""What became of a cell, where it is not the end of its field."""


class SourceLines(NamedTuple):
    """The lines of a block in UTF-8: line `i` is ``text[starts[i]:starts[i + 1] - ending]``.

    `nulls` are the texts that stand for NULL, one after the other, and `null_ends` where each of them ends;
    `longest_null` is the most bytes of one, -1 where there is none.
    `has_quoted_nulls`: also in quotes.
    """

    text: Bytes
    starts: Numbers
    ending: Number
    delimiter: Number
    quote: Number
    nulls: Bytes
    null_ends: Numbers
    longest_null: Number
    has_quoted_nulls: Number


class Columns(NamedTuple):
    """The columns' properties and limits (`libs.common.postgres.copy.column_types.as_arrays`)."""

    codecs: Numbers
    limits: Numbers


class Shaping(NamedTuple):
    """What is done beside writing each plain cell as a field; compiled code without it is a program of its own.

    `cells` are properties of the cells (`libs.common.postgres.copy.column_types.as_written`), `forms` and `letters`
    those of dates. The fields of cells are followed by `same`, which are the same in all rows, then by the line in so
    many bytes each; `first_line` is the line of the block's first one in its file. `columns` counts the fields of a
    row, but for the line number that a sink may ask for.
    """

    cells: Numbers
    forms: Numbers
    letters: Bytes
    same: Bytes
    line_sizes: Numbers
    first_line: Number
    columns: Number


MaybeShaping: TypeAlias = Shaping | None


class EncodedTuples(NamedTuple):
    """What is written: tuples, and where that of each line begins, what became of the line, cells to be inspected.

    A cell to check is a line, a column, and where the cell begins and ends. A float that needs more care has a fifth
    number: the place of its bytes, -1 where the line is not certain.
    """

    tuples: Bytes
    begins: Numbers
    verdicts: Numbers
    type_check_cells: Numbers
    floats: Numbers


class Extent(NamedTuple):
    """How much is written: where tuples end, and how many cells to check and floats that need more care there are."""

    at: Number
    doubtful: Number
    deferred_floats: Number


class Cell(NamedTuple):
    """Where the text of a cell is; a quoted one has so many doubled quotes in it."""

    begin: Number
    end: Number
    is_quoted: Number
    doubled: Number


@inlined
def _find_cell(source: SourceLines, place: Number, line_end: Number) -> Cell:
    """Return the cell that begins at a place."""
    text, quote = source.text, source.quote
    if place == line_end or text[place] != quote:
        end = find(text, place, line_end, repeated(source.delimiter))
        return Cell(begin=place, end=end, is_quoted=False, doubled=0)
    begin, doubled = place + 1, 0
    place = find(text, begin, line_end, repeated(quote))
    while text[place + 1] == quote and place + 1 < line_end:
        doubled += 1
        place = find(text, place + 2, line_end, repeated(quote))
    return Cell(begin=begin, end=place, is_quoted=True, doubled=doubled)


@inlined
def _is_spelt(source: SourceLines, cell: Cell, begin: Number, end: Number) -> Number:
    """Return whether a cell is the text that begins and ends there in the texts for NULL."""
    text, place = source.text, cell.begin
    for at in range(begin, end):
        if text[place] != source.nulls[at]:
            return False
        place += 2 if cell.doubled and text[place] == source.quote else 1
    return True


@inlined
def _is_null(source: SourceLines, cell: Cell) -> Number:
    """Return whether a cell is a text that stands for NULL."""
    if cell.is_quoted and not source.has_quoted_nulls:
        return False
    size, begin = cell.end - cell.begin - cell.doubled, 0
    if size > source.longest_null:
        return False
    for end in source.null_ends:
        if end - begin == size and _is_spelt(source, cell, begin, end):
            return True
        begin = end
    return False


@inlined
def _count_characters(text: Bytes, begin: Number, end: Number) -> Number:
    """Count the characters of UTF-8."""
    count = 0
    for place in range(begin, end):
        count += (text[place] & 0xC0) != 0x80
    return count


@inlined
def _put_text(source: SourceLines, cell: Cell, out: Bytes, at: Number) -> Number:
    """Store a text, each doubled quote as one; return its end."""
    text, place = source.text, cell.begin
    if not cell.doubled:
        while place < cell.end:
            copy64(text, place, out, at + place - cell.begin)
            place += 8
        return at + cell.end - cell.begin
    while place < cell.end:
        out[at] = text[place]
        at += 1
        place += 2 if text[place] == source.quote else 1
    return at


@inlined
def _put_text_field(
    source: SourceLines, cell: Cell, kind: Number, most: Number, out: Bytes, at: Number
) -> Number:
    """Store a text or a document; return the field's end, or that it is one to check where it is too long."""
    if most and cell.end - cell.begin - cell.doubled > most:
        characters = _count_characters(source.text, cell.begin, cell.end)
        if characters - cell.doubled > most:
            return _DOUBT
    start = at + 4
    if kind == _JSONB:
        out[start] = 1  # jsonb_recv's version
        start += 1
    end = _put_text(source, cell, out, start)
    put32(out, at, end - at - 4)
    return end


@inlined
def _put_bytes_field(text: Bytes, cell: Cell, kind: Number, out: Bytes, at: Number) -> Number:
    """Store a UUID, or bytes in their hex form; return the field's end, or that it is one to check."""
    begin, end = cell.begin, cell.end
    if kind == _UUID:
        stop = put_uuid(text, begin, end, out, at + 4)
    elif end - begin >= 2 and text[begin] == 92 and text[begin + 1] == 120:  # backslash and x
        stop = put_hex(text, begin + 2, end, out, at + 4)
    else:
        return _DOUBT
    if stop < 0:
        return _DOUBT
    put32(out, at, stop - at - 4)
    return stop


@inlined
def _put_number(out: Bytes, at: Number, size: Number, value: Number) -> Number:
    """Store a field of one number of 1, 2, 4 or 8 bytes; return its end."""
    put32(out, at, size)
    if size == 8:
        put64(out, at + 4, value)
    elif size == 4:
        put32(out, at + 4, value)
    elif size == 2:
        put16(out, at + 4, value)
    else:
        out[at + 4] = value
    return at + 4 + size


@inlined
def _read_decimal(
    text: Bytes, cell: Cell, most: Number, scale: Number
) -> tuple[bool, Number, Number]:
    """Read a numeric of at most so many digits; return whether it is certain, the number and its scale."""
    if scale < 0:
        scale = count_decimals(text, cell.begin, cell.end)
        if scale > MOST_DECIMALS:
            return False, 0, 0
    is_certain, value = read_numeric(text, cell.begin, cell.end, scale)
    return is_certain and -POWERS[most] < value < POWERS[most], value, scale


@inlined
def _read_moment(
    text: Bytes, cell: Cell, kind: Number, size: Number, scale: Number
) -> tuple[bool, Number, Number]:
    """Read a date, a time or both; return whether it is certain, the number and its bytes."""
    if kind == _TIMESTAMP:
        is_certain, value = read_moment(text, cell.begin, cell.end, size, scale)
        return is_certain, value, 8
    if kind == _DATE:
        is_certain, value = read_date(text, cell.begin, cell.end)
        return is_certain, value, 4
    is_certain, value = read_time(text, cell.begin, cell.end)
    return is_certain, value, 8


@inlined
def _read(
    text: Bytes, cell: Cell, kind: Number, size: Number, scale: Number
) -> tuple[bool, Number, Number]:
    """Read a cell that is one number; return whether it is certain, the number, and its bytes, of numeric the scale."""
    if kind == _NUMERIC:
        return _read_decimal(text, cell, size, scale)
    if _DATE <= kind <= _TIMESTAMP:
        return _read_moment(text, cell, kind, size, scale)
    if kind == _INTEGER:
        is_certain, value = read_integer(text, cell.begin, cell.end, size)
        return is_certain, value, size
    if kind == _FLOAT:
        is_certain, value = read_float(text, cell.begin, cell.end, size)
        return is_certain, value, size
    is_certain, value = read_boolean(text, cell.begin, cell.end)
    return is_certain, value, 1


@inlined
def _holds(comparison: Number, value: Number, constant: Number) -> Number:
    """Return whether a comparison is true."""
    return (
        (comparison == _AT_LEAST and value >= constant)
        or (comparison == _ABOVE and value > constant)
        or (comparison == _AT_MOST and value <= constant)
        or (comparison == _BELOW and value < constant)
        or (comparison == _EQUAL and value == constant)
        or (comparison == _DIFFERENT and value != constant)
    )


@inlined
def _passes(columns: Columns, column: Number, value: Number) -> Number:
    """Return whether a value passes every limit of its column."""
    first = columns.codecs[column, FIRST_LIMIT]
    for place in range(first, first + columns.codecs[column, LIMITS]):
        if not _holds(columns.limits[place, 0], value, columns.limits[place, 1]):
            return False
    return True


@inlined
def _read_plain_form(
    text: Bytes, begin: Number, end: Number, kind: Number, size: Number, scale: Number
) -> tuple[bool, Number, Number]:
    """Read the plain form of a cell, if there is one."""
    if end <= begin:
        return False, 0, size
    cell = Cell(begin=begin, end=end, is_quoted=False, doubled=0)
    return _read(text, cell, kind, size, scale)


@inlined
def _read_written(
    source: SourceLines,
    columns: Columns,
    shaping: Shaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> tuple[bool, Number, Number]:
    """Read a cell that is written otherwise, by way of its plain form, for which there is room where its field goes."""
    kind, size = columns.codecs[column, KIND], columns.codecs[column, SIZE]
    scale, point = columns.codecs[column, SCALE], shaping.cells[column, POINT]
    if point != 0:
        mark = shaping.cells[column, MARK]
        end = put_plain_number(source.text, cell.begin, cell.end, point, mark, out, at)
        return _read_plain_form(out, at, end, kind, size, scale)
    first = shaping.cells[column, FIRST_FORM]
    for form in range(first, first + shaping.cells[column, FORMS]):
        places, letters = shaping.forms[form], shaping.letters[form]
        if is_of_form(source.text, cell.begin, cell.end, places, letters):
            end = put_iso_date(source.text, cell.begin, places, kind == _TIMESTAMP, out, at)
            return _read_plain_form(out, at, end, kind, size, scale)
    if shaping.cells[column, IS_PLAIN_READ]:
        return _read(source.text, cell, kind, size, scale)
    return False, 0, size


@inlined
def _read_cell(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> tuple[bool, Number, Number]:
    """Read a cell that is one number, as its column is written."""
    if shaping is None:
        kind, size = columns.codecs[column, KIND], columns.codecs[column, SIZE]
        return _read(source.text, cell, kind, size, columns.codecs[column, SCALE])
    return _read_written(source, columns, shaping, column, cell, out, at)


@inlined
def _is_left_out(shaping: MaybeShaping, column: Number) -> Number:
    """Return whether a cell belongs to no column."""
    if shaping is None:
        return False
    return shaping.cells[column, IS_LEFT_OUT] != 0


@inlined
def _may_be_late(shaping: MaybeShaping, column: Number) -> Number:
    """Return whether a float that is not certain is read later, from its text as it stands in the file."""
    if shaping is None:
        return True
    return shaping.cells[column, POINT] == 0


@inlined
def _count_fields(columns: Columns, shaping: MaybeShaping) -> Number:
    """Return how many fields a row has."""
    if shaping is None:
        return len(columns.codecs)
    return shaping.columns


@inlined
def _put_cell(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> tuple[Number, Number]:
    """Write a cell as a field; return its end or what became of it, and whether a constraint may refuse it."""
    kind, size = columns.codecs[column, KIND], columns.codecs[column, SIZE]
    if _is_null(source, cell):
        put32(out, at, -1)
        return at + 4, columns.codecs[column, REQUIRED] != 0
    if kind <= _JSONB:
        return _put_text_field(source, cell, kind, size, out, at), False
    if cell.begin == cell.end:
        return _DOUBT, False
    if kind in (_UUID, _BYTES):
        return _put_bytes_field(source.text, cell, kind, out, at), False
    is_certain, value, size = _read_cell(source, columns, shaping, column, cell, out, at)
    if not is_certain:
        is_late = kind == _FLOAT and _may_be_late(shaping, column)
        return _LATE if is_late else _DOUBT, False
    end = (
        put_numeric(out, at, value, size) if kind == _NUMERIC else _put_number(out, at, size, value)
    )
    return end, not _passes(columns, column, value)


@inlined
def _note(cells: Numbers, row: Number, line: Number, column: Number, cell: Cell) -> None:
    """Write down a cell."""
    cells[row, 0] = line
    cells[row, 1] = column
    cells[row, 2] = cell.begin
    cells[row, 3] = cell.end


@inlined
def _put_line(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    found: EncodedTuples,
    line: Number,
    before: Extent,
) -> Extent:
    """Write a line's fields; return how much there is after it.

    `found.verdicts` tells what became of it.
    """
    width, at = len(columns.codecs), before.at
    doubtful, deferred_floats = before.doubtful, before.deferred_floats
    place, line_end = source.starts[line], source.starts[line + 1] - source.ending
    column, is_suspected = 0, False
    while True:
        cell = _find_cell(source, place, line_end)
        if column < width and not _is_left_out(shaping, column):
            end, is_refused = _put_cell(source, columns, shaping, column, cell, found.tuples, at)
            is_suspected |= is_refused
            if end >= 0:
                at = end
            elif end == _LATE:
                _note(found.floats, deferred_floats, line, column, cell)
                size = columns.codecs[column, SIZE]
                put32(found.tuples, at, size)
                found.floats[deferred_floats, 4] = at + 4
                at += 4 + size
                deferred_floats += 1
            else:
                _note(found.type_check_cells, doubtful, line, column, cell)
                doubtful += 1
        column += 1
        place = cell.end + (1 if cell.is_quoted else 0)
        if place >= line_end:
            break
        place += 1
    if column != width:
        found.verdicts[line] = column
        return Extent(at=at, doubtful=before.doubtful, deferred_floats=before.deferred_floats)
    found.verdicts[line] = MAY_VIOLATE if is_suspected else ACCEPTED
    if doubtful > before.doubtful:
        found.verdicts[line] = NEEDS_TYPE_CHECK
        found.floats[before.deferred_floats : deferred_floats, 4] = -1
    return Extent(at=at, doubtful=doubtful, deferred_floats=deferred_floats)


@inlined
def _put_added(shaping: MaybeShaping, line: Number, out: Bytes, at: Number) -> Number:
    """Write the added fields of a line; return their end."""
    if shaping is None:
        return at
    count = len(shaping.same) - SLACK
    place = 0
    while place < count:
        copy64(shaping.same, place, out, at + place)
        place += 8
    at += count
    for size in shaping.line_sizes:
        at = _put_number(out, at, size, shaping.first_line + line)
    return at


@compiled
def encode_lines(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    found: EncodedTuples,
    first_line: Number,
    at: Number,
) -> tuple[Number, Number, Number]:
    """Write the tuple of each line that is certain or suspected, one after the other from `found.tuples[at]`.

    With a `first_line` from 1 a tuple ends with the line's number. Returns where the tuples end, and how many doubts
    and floats were found; -1 cells when there is no more room for them.
    """
    width = len(columns.codecs)
    written = Extent(at=at, doubtful=0, deferred_floats=0)
    for line in range(len(source.starts) - 1):
        if written.doubtful + width > len(found.type_check_cells):
            return at, -1, written.deferred_floats
        found.begins[line] = at
        put16(found.tuples, at, _count_fields(columns, shaping) + (first_line > 0))
        begun = Extent(
            at=at + 2, doubtful=written.doubtful, deferred_floats=written.deferred_floats
        )
        written = _put_line(source, columns, shaping, found, line, begun)
        if found.verdicts[line] == ACCEPTED or found.verdicts[line] == MAY_VIOLATE:
            at = _put_added(shaping, line, found.tuples, written.at)
            if first_line > 0:
                at = _put_number(found.tuples, at, 8, first_line + line)
    found.begins[len(source.starts) - 1] = at
    return at, written.doubtful, written.deferred_floats


@compiled
def select_tuples(
    tuples: Bytes, begins: Numbers, ends: Numbers, cut: Number, fields: Number, out: Bytes
) -> None:
    """Copy tuples one after the other, without their last `cut` bytes, as tuples of `fields`; no array needs slack."""
    at = 0
    for row in range(len(begins)):
        begin, end = begins[row], ends[row] - cut
        put16(out, at, fields)
        at += 2
        for place in range(begin + 2, end):
            out[at] = tuples[place]
            at += 1
