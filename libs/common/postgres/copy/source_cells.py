"""Find the cells of a line and know those that stand for NULL; compiled.

Every line must certainly be one record (`libs.common.csv.line_scanner`).
"""

from typing import NamedTuple

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    Numbers,
    find,
    repeated,
)


class SourceLines(NamedTuple):
    """The lines of a block in UTF-8, each a record: line `i` is ``text[starts[i]:starts[i + 1] - ending]``.

    `numbers` tells on which line of the block it begins, from 0.

    `nulls` are the texts that stand for NULL, one after the other, and `null_ends` where each of them ends;
    `longest_null` is the most bytes of one, -1 where there is none.
    `has_quoted_nulls`: also in quotes.
    """

    text: Bytes
    starts: Numbers
    numbers: Numbers
    ending: Number
    delimiter: Number
    quote: Number
    nulls: Bytes
    null_ends: Numbers
    longest_null: Number
    has_quoted_nulls: Number


class Cell(NamedTuple):
    """Where the text of a cell is; a quoted one has so many doubled quotes in it."""

    begin: Number
    end: Number
    is_quoted: Number
    doubled: Number


@inlined
def find_cell(source: SourceLines, place: Number, line_end: Number) -> Cell:
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
def is_null(source: SourceLines, cell: Cell) -> Number:
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
