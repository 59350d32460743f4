r"""Write lines with escapes as lines whose cells are quoted instead, in one pass over their bytes; compiled.

    a\,b,"c\"d",\N   ──►   "a,b","c""d",\N

A cell with escapes is quoted, since it stands for NULL as one in quotes does; one that is `\N`, in quotes or not,
is NULL and loses its quotes. What MySQL means by a letter after a backslash is that of `libs.common.csv.cells`.
"""

from typing import NamedTuple

from libs.common.compiled.jit import compiled, inlined
from libs.common.compiled.words import Bytes, Number, Numbers
from libs.common.csv.line_marks import CR, LF, UNCERTAIN, Signs, is_special, measure_end

_BACKSLASH, _NULL = ord("\\"), ord("N")


class QuotedLines(NamedTuple):
    """What is written: the bytes, and where each line begins in them, and one after the last would."""

    text: Bytes
    starts: Numbers


class _Done(NamedTuple):
    """Up to where is read and written; `place` is -1 where the cell is not certain."""

    place: Number
    at: Number


@inlined
def _unescape(letter: Number) -> Number:
    """Return the byte that an escape stands for, 0 where it is none of a line that is certain."""
    if letter == ord("n"):
        return 10
    if letter == ord("t"):
        return 9
    if letter == ord("r"):
        return 13
    if letter == ord("b"):
        return 8
    if letter == ord("Z"):
        return 26
    return 0 if letter in (ord("0"), CR, LF) else letter


@inlined
def _ends_here(text: Bytes, place: Number, size: Number, signs: Signs) -> Number:
    """Return whether a cell without quotes ends at a place."""
    if place >= size or text[place] == signs.delimiter:
        return True
    return text[place] in (CR, LF) and text[place] != signs.plain


@inlined
def _find_null_end(text: Bytes, place: Number, size: Number, signs: Signs) -> Number:
    """Return where the cell ends that begins here, if all of it is the escape of NULL, or -1."""
    is_quoted = text[place] == signs.quote
    begin = place + (1 if is_quoted else 0)
    end = begin + 2
    if end > size or text[begin] != _BACKSLASH or text[begin + 1] != _NULL:
        return UNCERTAIN
    if is_quoted:
        if end >= size or text[end] != signs.quote:
            return UNCERTAIN
        end += 1
    return end if _ends_here(text, end, size, signs) else UNCERTAIN


@inlined
def _put(out: Bytes, at: Number, byte: Number, quote: Number) -> Number:
    """Write a byte of a quoted cell; return its end."""
    out[at] = byte
    if byte != quote:
        return at + 1
    out[at + 1] = quote
    return at + 2


@inlined
def _put_plain(
    text: Bytes, begin: Number, size: Number, signs: Signs, out: Bytes, at: Number
) -> _Done:
    """Write a cell without quotes up to its end or its first escape."""
    place = begin
    while not _ends_here(text, place, size, signs) and text[place] != _BACKSLASH:
        if text[place] == signs.quote or is_special(text[place], signs):
            return _Done(UNCERTAIN, at)
        out[at] = text[place]
        place, at = place + 1, at + 1
    return _Done(place, at)


@inlined
def _read_byte(text: Bytes, place: Number, size: Number, signs: Signs) -> tuple[Number, Number]:
    """Return the byte of a text that stands here, and the length of that; 0 where it is not certain.

    In quotes that is a quote only if it is doubled.
    """
    byte = text[place]
    if byte == _BACKSLASH:
        return (_unescape(text[place + 1]) if place + 1 < size else 0), 2
    if byte == signs.quote:
        is_doubled = place + 1 < size and text[place + 1] == signs.quote
        return (byte if is_doubled else 0), 2
    return (0 if is_special(byte, signs) else byte), 1


@inlined
def _put_quoted(
    text: Bytes, begin: Number, size: Number, signs: Signs, out: Bytes, at: Number
) -> _Done:
    """Write the cell in quotes that begins here."""
    place, out[at] = begin + 1, signs.quote
    at += 1
    while place < size:
        byte, width = _read_byte(text, place, size, signs)
        if byte == 0:
            break
        at = _put(out, at, byte, signs.quote)
        place += width
    if place >= size or text[place] != signs.quote:
        return _Done(UNCERTAIN, at)
    out[at] = signs.quote
    return _Done(place + 1, at + 1)


@inlined
def _put_escaped(
    text: Bytes, begin: Number, size: Number, signs: Signs, out: Bytes, at: Number
) -> _Done:
    """Write a cell without quotes, which has escapes, in quotes."""
    place, out[at] = begin, signs.quote
    at += 1
    while not _ends_here(text, place, size, signs):
        byte, width = _read_byte(text, place, size, signs)
        if byte == 0 or text[place] == signs.quote:
            return _Done(UNCERTAIN, at)
        at = _put(out, at, byte, signs.quote)
        place += width
    out[at] = signs.quote
    return _Done(place, at + 1)


@inlined
def _put_cell(
    text: Bytes, begin: Number, size: Number, signs: Signs, out: Bytes, at: Number
) -> _Done:
    """Write the cell that begins here."""
    end = _find_null_end(text, begin, size, signs) if begin < size else UNCERTAIN
    if end >= 0:
        out[at], out[at + 1] = _BACKSLASH, _NULL
        return _Done(end, at + 2)
    if begin < size and text[begin] == signs.quote:
        return _put_quoted(text, begin, size, signs, out, at)
    done = _put_plain(text, begin, size, signs, out, at)
    if done.place < 0 or _ends_here(text, done.place, size, signs):
        return done
    return _put_escaped(text, begin, size, signs, out, at)


@inlined
def _is_text_of_null(out: Bytes, begin: Number, end: Number) -> Number:
    """Return whether a quoted cell is spelt as the escape of NULL, which it is not."""
    return end - begin == 4 and out[begin + 1] == _BACKSLASH and out[begin + 2] == _NULL


@inlined
def _put_line(
    text: Bytes,
    begin: Number,
    size: Number,
    signs: Signs,
    has_quoted_nulls: Number,
    out: Bytes,
    at: Number,
) -> _Done:
    """Write the line that begins here without its end."""
    place = begin
    while True:
        done = _put_cell(text, place, size, signs, out, at)
        is_null = has_quoted_nulls and _is_text_of_null(out, at, done.at)
        if done.place < 0 or is_null or not _ends_here(text, done.place, size, signs):
            return _Done(UNCERTAIN, at)
        if done.place >= size or text[done.place] != signs.delimiter:
            return done
        out[done.at] = signs.delimiter
        place, at = done.place + 1, done.at + 1


@compiled
def quote_lines(
    text: Bytes,
    size: Number,
    signs: Signs,
    has_quoted_nulls: Number,
    starts: Numbers,
    found: QuotedLines,
) -> tuple[Number, Number]:
    """Write where each line of ``text[:size]`` begins, and one after the last would, and the line without escapes.

    Returns how many lines there are, -1 when not each is certainly a record, and the length of a line end. What is
    found may need twice the room of what is read.
    """
    place = count = at = 0
    ending, out = 0, found.text
    while place < size:
        starts[count], found.starts[count] = place, at
        done = _put_line(text, place, size, signs, has_quoted_nulls, out, at)
        end, at = done.place, done.at
        if end <= place:
            return UNCERTAIN, 0  # no record, or a blank line
        count += 1
        if end == size:
            ending = max(ending, 1)
            place = size + ending
        else:
            length = measure_end(text, end, size, signs.newline)
            if length < 0 or ending not in (0, length):
                return UNCERTAIN, 0
            ending = length
            place = end + length
        out[at : at + ending] = signs.newline
        at += ending
    starts[count], found.starts[count] = place, at
    return count, ending
