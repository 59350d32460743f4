"""Read one file of a zip archive as a source: found by the archive's directory, decoded as the archive streams.

The stored bytes of the whole archive are read, so that progress and digests are those of any other source.
"""

import fnmatch
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

from libs.common.errors import SourceError
from libs.common.sources.compression import Decoder, corrupt, truncated

_LOCAL_HEADER = struct.Struct("<26xHH")
_ENCRYPTED = 1
_RAW_DEFLATE = -15
_NAMED = 5
_LARGEST_DIRECTORY = 16 << 20
_DIRECTORY_END = b"PK\x05\x06"
_END_BYTES = 22
_LONGEST_COMMENT = 1 << 16
_HIDDEN = ("__MACOSX/", ".")
_WORKBOOKS = {
    "xl/workbook.xml": "an Excel workbook (.xlsx)",
    "xl/workbook.bin": "an Excel workbook (.xlsb)",
    "word/document.xml": "a Word document (.docx)",
    "META-INF/manifest.xml": "a LibreOffice document (.ods)",
}


@dataclass(frozen=True, slots=True)
class ZipMember:
    """Where the bytes of a file stand in its archive, how they are stored, and their checksum."""

    begin: int
    stored_size: int
    is_deflated: bool
    checksum: int


def find_member(file: io.RawIOBase, pattern: str | None) -> ZipMember:
    """Return the only file of an archive, or the only one whose name matches; raises `SourceError`."""
    _refuse_large_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            entry = _choose(archive.infolist(), pattern)
        file.seek(entry.header_offset)
        name_size, extra_size = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError) as exc:
        raise corrupt("zip", str(exc)) from exc
    begin = entry.header_offset + _LOCAL_HEADER.size + name_size + extra_size
    is_deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    return ZipMember(begin, entry.compress_size, is_deflated, entry.CRC)


def _choose(entries: list[zipfile.ZipInfo], pattern: str | None) -> zipfile.ZipInfo:
    """Return the entry that is meant."""
    names = {entry.filename for entry in entries}
    found = next((what for name, what in _WORKBOOKS.items() if name in names), None)
    if found and pattern is None:
        raise SourceError(
            "source-not-text", f"the source is {found}, no text; save or export it as CSV"
        )
    files = [entry for entry in entries if _is_file(entry)]
    if pattern is not None:
        files = [entry for entry in files if fnmatch.fnmatchcase(entry.filename, pattern)]
    if len(files) != 1:
        raise _ambiguous(files, entries, pattern)
    if files[0].flag_bits & _ENCRYPTED:
        raise SourceError(
            "source-corrupt", "the file in the zip archive is encrypted; send it without a password"
        )
    if files[0].compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise SourceError(
            "source-corrupt",
            f"the file in the zip archive is packed by method {files[0].compress_type}; only stored and deflated ones "
            "are read: pack it again, or send it as gzip, bzip2, xz or zstd",
        )
    return files[0]


def _is_file(entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry is neither a folder nor what a system leaves beside files."""
    base = entry.filename.rpartition("/")[2]
    return not (entry.is_dir() or entry.filename.startswith(_HIDDEN[0]) or base.startswith("."))


def _ambiguous(
    files: list[zipfile.ZipInfo], entries: list[zipfile.ZipInfo], pattern: str | None
) -> SourceError:
    shown = files or [entry for entry in entries if _is_file(entry)]
    named = ", ".join(repr(entry.filename) for entry in shown[:_NAMED])
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    matching = (
        "" if pattern is None else f" that match {pattern!r} ('member' of the dataset's format)"
    )
    there = f" (there are {named}{more})" if shown else ""
    return SourceError(
        "source-ambiguous",
        f"the zip archive holds {len(files)} files{matching}{there}; name one in 'member' of the dataset's format, "
        "which may hold * and ?, or send an archive of one file",
    )


def _refuse_large_directory(file: io.RawIOBase) -> None:
    """Raise before a directory of millions of files fills the memory."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_BYTES - _LONGEST_COMMENT))
    end = file.read()
    place = end.rfind(_DIRECTORY_END)
    if place < 0 or len(end) - place < _END_BYTES:
        raise truncated("zip")
    (directory,) = struct.unpack_from("<I", end, place + 12)
    if directory > _LARGEST_DIRECTORY:
        raise SourceError(
            "source-too-large",
            f"the zip archive's list of files is longer than {_LARGEST_DIRECTORY} bytes; send an archive of one file",
        )


class ZipDecoder(Decoder):
    """Decodes one file of an archive; what stands around it is passed over."""

    def __init__(self, member: ZipMember) -> None:
        """Stand at the archive's first byte."""
        super().__init__()
        self._member = member
        self._before, self._left = member.begin, member.stored_size
        self._inflater = zlib.decompressobj(_RAW_DEFLATE)
        self._checksum = 0
        self.members = 1

    def read(self, size: int) -> bytes:
        """Return plain bytes."""
        piece = self._next_slice()
        passed = min(self._before, len(piece))
        self._before -= passed
        inner = piece[passed:][: self._left]
        if not inner:
            return b""
        # What follows the file in its archive is passed over, unless some of the file is left to be decoded.
        try:
            data, left = self._decode(inner, size)
        except zlib.error as exc:
            raise corrupt("zip", str(exc)) from exc
        self._left -= len(inner) - left
        self._position -= len(piece) - passed - len(inner) + left
        self._checksum = zlib.crc32(data, self._checksum)
        return data

    def finish(self) -> None:
        """Raise unless the file was whole."""
        if self._left or (self._member.is_deflated and not self._inflater.eof):
            raise truncated("zip")
        if self._checksum != self._member.checksum:
            raise corrupt("zip", "its checksum is wrong")

    def _decode(self, stored: memoryview, size: int) -> tuple[bytes, int]:
        """Return plain bytes, and how many stored ones are left."""
        if not self._member.is_deflated:
            return bytes(stored[:size]), max(0, len(stored) - size)
        data = self._inflater.decompress(stored, size)
        return data, len(self._inflater.unconsumed_tail)
