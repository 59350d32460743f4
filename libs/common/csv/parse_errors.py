"""Word what is wrong with a record that is not well-formed, for `records`, and how to fix it."""

from typing import NamedTuple

from libs.common.csv.places import from_place
from libs.common.enums import ErrorCode


class ParseError(NamedTuple):
    """Why a record is not well-formed; `words` name the offsets in `places` by their number.

    `is_cut` says that not all of the record was kept; `column` is the one whose cell cannot be converted.
    """

    code: ErrorCode
    words: str
    places: tuple[int, ...] = ()
    is_cut: bool = False
    column: str | None = None

    @property
    def message(self) -> str:
        """Return the words with the offsets, which are those in the file, as the api shows them."""
        return self.words.format(*(from_place(place)[1] for place in self.places))


def malformed(code: ErrorCode, start: int, after: int, max_record_bytes: int) -> ParseError:
    """Describe a record whose end or cells are not certain; the next begins at offset `after`."""
    if code is ErrorCode.LINE_TOO_LONG:
        return ParseError(
            code,
            f"the record (bytes {{0}} to {{1}}) is longer than {max_record_bytes} bytes; "
            "a quote may never close, or the limit is too low: who runs ADSP can raise it "
            "(ADSP_MAX_RECORD_BYTES of api, worker and loader); then replay this row",
            (start, after),
        )
    if code is ErrorCode.BARE_CARRIAGE_RETURN:
        return ParseError(
            code,
            "the record (bytes {0} to {1}) has a carriage return outside quotes that ends no line: the "
            "header's line ends with LF, so the others must; take the return out or quote its cell",
            (start, after),
        )
    return ParseError(
        code,
        "the record (bytes {0} to {1}) has a quote inside an unquoted cell, text after a "
        "closing quote, or a quote that never closes; double the quotes inside a quoted cell",
        (start, after),
    )


NUL_WORDS = "there is a NUL at offset {0}; take it out of the file"


def nul_byte(offset: int) -> ParseError:
    """Describe a record with a NUL, which no text value of Postgres can hold."""
    return ParseError(ErrorCode.ENCODING_ERROR, NUL_WORDS, (offset,))


def undecodable(found: bytes, offset: int, encoding: str) -> ParseError:
    """Describe a record that is not text in the dataset's encoding for these bytes, one or two."""
    subject, verb = ("byte", "is") if len(found) == 1 else ("bytes", "are")
    return ParseError(
        ErrorCode.ENCODING_ERROR,
        f"{subject} 0x{found.hex()} at offset {{0}} {verb} not valid {encoding}; "
        "correct the file or set the dataset's encoding",
        (offset,),
    )


def wrong_count(found: int, expected: int) -> ParseError:
    """Describe a record that has not as many cells as the header."""
    code = ErrorCode.MISSING_CELL if found < expected else ErrorCode.EXTRA_CELL
    return ParseError(code, f"the record has {found} cells, the header has {expected}")


def unconverted(message: str, column: str) -> ParseError:
    """Describe a record with a cell of a column that a declared conversion cannot read."""
    words = message.replace("{", "{{").replace("}", "}}")
    return ParseError(ErrorCode.CONVERSION_ERROR, words, column=column)


def no_json(code: ErrorCode, message: str) -> ParseError:
    """Describe a line that is no record of a file of JSON lines."""
    return ParseError(code, message.replace("{", "{{").replace("}", "}}"))
