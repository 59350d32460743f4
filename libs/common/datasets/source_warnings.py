"""Say in a job's warnings what was odd about its source, and loads all the same."""

from collections import Counter
from collections.abc import Collection

from libs.common.csv.skipped_records import Skip
from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import WarningCode

_MESSAGES = {
    WarningCode.BYTES_AFTER_END: (
        "line ends stand after the compressed data; they were left out: have the sender write nothing behind it"
    ),
    WarningCode.LOOKS_LIKE_UTF_8: (
        "all that is not ASCII in the source, or a chunk of it, is valid UTF-8, but the dataset's encoding is another; "
        "look at what was loaded (UTF-8 read as cp1252 has Ã¶ for ö), and set 'encoding' to utf-8 if it is wrong"
    ),
}


def warn_of_skipped(skipped: Counter[Skip]) -> list[JobWarning]:
    """Return a warning that counts what was skipped for each reason, if anything was."""
    counts = {str(reason): count for reason, count in sorted(skipped.items()) if count}
    if not counts:
        return []
    message = (
        "the source holds what 'format' of the dataset says is no record (comments, repeated headers, records of empty "
        "cells, or a footer); it was skipped, and is not among the rows read"
    )
    return [JobWarning(WarningCode.LINES_SKIPPED, message, counts)]


def warn_of_oddities(codes: Collection[WarningCode]) -> list[JobWarning]:
    """Return a warning for each thing that was noticed as the source was read."""
    return [JobWarning(code, message) for code, message in _MESSAGES.items() if code in codes]


class Utf8Watch:
    """Notices bytes of a single-byte encoding that are UTF-8 throughout, and not ASCII alone."""

    def __init__(self, encoding: str) -> None:
        """Watch unless the encoding is one in which that is as it should be."""
        self._may_be = not encoding.startswith(("utf", "ascii"))
        self.has_noticed = False

    def look(self, data: bytes) -> None:
        """Look at a part of the text that begins and ends with a record."""
        if not self._may_be or data.isascii():
            return
        try:
            data.decode()
        except UnicodeDecodeError:
            self._may_be = self.has_noticed = False
        else:
            self.has_noticed = True
