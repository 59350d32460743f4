"""Name what is no text at all, whatever its name says: a workbook, an archive, a document."""

import re

from libs.common.errors import SourceError
from libs.common.sources.magic_bytes import detect

_KINDS = {
    "an Excel workbook (.xls) or another old Office document": re.compile(
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    ),
    "a PDF document": re.compile(rb"%PDF-\d"),
    "a 7-Zip archive": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "a RAR archive": re.compile(rb"Rar!\x1a\x07"),
    "a Parquet file": re.compile(rb"PAR1[\x00-\x1f]"),
    "an SQLite database": re.compile(rb"SQLite format 3\0"),
    "a tar archive": re.compile(rb"(?s:.{257})ustar[\0 ]"),
}


def refuse_foreign(start: bytes) -> None:
    """Raise `SourceError` where a file begins as no text does."""
    found = next((kind for kind, magic in _KINDS.items() if magic.match(start)), None)
    if found is not None:
        raise SourceError(
            "source-not-text", f"the source is {found}, no text; save, export or unpack it as CSV"
        )


def refuse_packed(start: bytes) -> None:
    """Raise `SourceError` where what was decompressed begins as something compressed, or as no text."""
    packed = detect(start)
    if packed != "none":
        raise SourceError(
            "source-corrupt",
            f"what comes out of the source is {packed} again; compress it once only, or unpack it before it is sent",
        )
    refuse_foreign(start)
