"""A compressed source yields its plain bytes, all of them or an error, in bounded memory."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import SourceError
from libs.common.sources.magic_bytes import detect
from libs.common.sources.opening import open_source
from libs.common.sources.stream import SourceLimits, SourceStream

LIMITS = SourceLimits(max_bytes=1 << 40, max_ratio=1000)
SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00abcde"
TEXT = b"sku,name\n" + b"".join(b"%d,lamp %d\n" % (n, n * n) for n in range(20_000))

Compress = Callable[[bytes], bytes]


def in_gzip_members(data: bytes) -> bytes:
    """Compress as two gzip members with the padding that tapes leave."""
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:]) + bytes(100)


def in_zstd_frames(data: bytes) -> bytes:
    """Compress as two zstd frames with a skippable one between."""
    half = len(data) // 2
    return zstd.compress(data[:half]) + SKIPPABLE + zstd.compress(data[half:])


def in_zip(data: bytes, *names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Pack into an archive, with a folder and what a system leaves beside files; each name holds the data."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.mkdir("inner")
        archive.writestr("__MACOSX/inner/._items.csv", b"\0\5\x16")
        for name in names or ("inner/items.csv",):
            archive.writestr(name, data)
        archive.writestr(".DS_Store", b"x" * 300)
    return file.getvalue()


COMPRESSIONS: dict[str, Compress] = {
    "none": bytes,
    "gzip": gzip.compress,
    "gzip members": in_gzip_members,
    "zstd": zstd.compress,
    "zstd frames": in_zstd_frames,
    "bzip2": bz2.compress,
    "bzip2 streams": lambda data: bz2.compress(data[:99]) + bz2.compress(data[99:]),
    "xz": lzma.compress,
    "xz streams": lambda data: lzma.compress(data[:99]) + bytes(8) + lzma.compress(data[99:]),
    "zip": in_zip,
    "zip, stored": lambda data: in_zip(data, method=zipfile.ZIP_STORED),
}
PACKED = ["gzip", "zstd", "bzip2", "xz"]
"""Those that go on until the file ends."""


def open_bytes(
    folder: Path, content: bytes, compression: str = "auto", limits: SourceLimits = LIMITS
) -> SourceStream:
    """Open a source with this content."""
    path = folder / "source"
    path.write_bytes(content)
    return open_source(path, compression, limits)


def read_all(stream: SourceStream, size: int = 1 << 16) -> bytes:
    """Read to the end and close."""
    with stream:
        pieces = []
        while piece := stream.read(size):
            assert len(piece) <= size
            pieces.append(piece)
        return b"".join(pieces)


def refusal(stream: SourceStream) -> SourceError:
    """Return the error that reading to the end raises."""
    with pytest.raises(SourceError) as caught:
        read_all(stream)
    return caught.value


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest.mark.parametrize("size", [7, 4096, 1 << 20])
def test_plain_bytes_come_out_whatever_the_read_size(
    compress: Compress, size: int, tmp_path: Path
) -> None:
    stored = compress(TEXT)
    stream = open_bytes(tmp_path, stored)

    assert read_all(stream, size) == TEXT
    assert stream.position == len(stored)


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_skipping_leads_to_the_same_bytes_as_reading(compress: Compress, tmp_path: Path) -> None:
    with open_bytes(tmp_path, compress(TEXT)) as stream:
        stream.read(10)
        stream.skip(100_000)

        assert stream.read(50) == TEXT[100_010:100_060]


def test_position_grows_with_the_stored_bytes(tmp_path: Path) -> None:
    """It is what progress is measured in, so it must not jump to the end at once."""
    noise = random.Random(1).randbytes(3 << 20)
    with open_bytes(tmp_path, gzip.compress(noise)) as stream:
        stream.read(1 << 16)

        assert 0 < stream.position < 1 << 20


@pytest.mark.parametrize("name", PACKED)
@given(cut=st.integers(min_value=10, max_value=200))
def test_truncated_source_is_an_error_wherever_it_ends(
    tmp_path_factory: pytest.TempPathFactory, name: str, cut: int
) -> None:
    stored = COMPRESSIONS[name](random.Random(2).randbytes(300))
    folder = tmp_path_factory.mktemp("cut")

    error = refusal(open_bytes(folder, stored[:cut]))

    assert error.code == "source-corrupt"
    assert name in error.message


@pytest.mark.parametrize("name", ["gzip members", "zstd frames", "bzip2 streams", "xz streams"])
def test_source_cut_after_a_whole_part_and_a_piece_is_an_error(name: str, tmp_path: Path) -> None:
    stored = COMPRESSIONS[name](TEXT).rstrip(b"\0")

    assert refusal(open_bytes(tmp_path, stored[:-3])).code == "source-corrupt"


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("garbage", [b"g", b"garbage", b"\ngarbage", b"\0\ng"])
def test_garbage_after_the_compressed_data_is_named(
    name: str, garbage: bytes, tmp_path: Path
) -> None:
    error = refusal(open_bytes(tmp_path, COMPRESSIONS[name](TEXT) + garbage))

    assert error.code == "source-corrupt"
    assert "after its compressed data it goes on with" in error.message


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_a_line_end_after_the_compressed_data_is_left_out_and_noticed(
    name: str, end: bytes, tmp_path: Path
) -> None:
    stored = COMPRESSIONS[name](TEXT) + end
    stream = open_bytes(tmp_path, stored)

    assert read_all(stream) == TEXT
    assert stream.has_odd_end
    assert stream.position == len(stored)


@pytest.mark.parametrize("name", [*PACKED, "zip", "zip, stored"])
@pytest.mark.parametrize("again", [*PACKED, "zip"])
def test_what_is_compressed_twice_is_named(name: str, again: str, tmp_path: Path) -> None:
    stored = COMPRESSIONS[name](COMPRESSIONS[again](TEXT))

    error = refusal(open_bytes(tmp_path, stored))

    assert error.message.startswith(f"what comes out of the source is {again} again")


def test_a_file_of_several_in_a_zip_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(in_zip(TEXT, "a/items.csv", "a/other.txt", "b.csv"))

    def open_one(member: str | None) -> SourceStream:
        return open_source(path, "auto", LIMITS, member=member)

    assert read_all(open_one("*.txt")) == TEXT
    assert read_all(open_one("a/items.csv")) == TEXT
    for member, message in {
        None: "holds 3 files (there are 'a/items.csv', 'a/other.txt', 'b.csv')",
        "*.csv": "holds 2 files that match '*.csv'",
        "c": "holds 0 files that match 'c' ('member' of the dataset's format) (there are 'a/items",
    }.items():
        with pytest.raises(SourceError) as caught:
            open_one(member)
        assert caught.value.code == "source-ambiguous"
        assert message in caught.value.message


@pytest.mark.parametrize("place", range(40, 400, 40))
def test_a_damaged_zip_is_an_error(place: int, tmp_path: Path) -> None:
    content = random.Random(5).randbytes(300)
    stored = in_zip(content, "a", method=zipfile.ZIP_STORED)
    begin = stored.index(content)
    damaged = bytearray(stored)
    damaged[begin + min(place, 299)] ^= 1
    cut = stored[: len(stored) - place]

    assert "checksum" in refusal(open_bytes(tmp_path, bytes(damaged))).message
    with pytest.raises(SourceError, match="as zip"):
        read_all(open_bytes(tmp_path, cut))


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("items.csv"), io.BytesIO(b""))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an Excel workbook (.xls)"),
        (in_zip(b"<x/>", "[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook (.xlsx)"),
        (in_zip(b"<x/>", "mimetype", "META-INF/manifest.xml"), "a LibreOffice document (.ods)"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-Zip archive"),
        (b"PAR1\x15\0", "a Parquet file"),
        (_tar(), "a tar archive"),
        (gzip.compress(_tar()), "a tar archive"),
    ],
)
def test_what_is_no_text_is_named_as_what_it_is(content: bytes, kind: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_all(open_bytes(tmp_path, content))

    assert caught.value.code == "source-not-text"
    assert f"the source is {kind}" in caught.value.message


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_flipped_bit_is_an_error(name: str, tmp_path: Path) -> None:
    content = random.Random(3).randbytes(5000)
    checked: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
    packed = gzip.compress(content) if name == "gzip" else zstd.compress(content, options=checked)
    stored = bytearray(packed)
    stored[2500] ^= 1

    assert refusal(open_bytes(tmp_path, bytes(stored))).code == "source-corrupt"


@pytest.mark.parametrize("name", [*PACKED, "zip"])
@pytest.mark.parametrize("content", [TEXT, b""], ids=["text", "empty"])
def test_plain_source_declared_as_compressed_is_an_error_that_names_the_cure(
    name: str, content: bytes, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        read_all(open_bytes(tmp_path, content, name))

    assert caught.value.code == "source-corrupt"
    assert "compression" in caught.value.message


def test_compressed_source_declared_as_plain_is_read_as_it_is(tmp_path: Path) -> None:
    stored = gzip.compress(TEXT)

    assert read_all(open_bytes(tmp_path, stored, "none")) == stored


@pytest.mark.parametrize("name", ["none", *PACKED, "zip", "zip, stored"])
def test_source_larger_than_the_cap_is_refused(name: str, tmp_path: Path) -> None:
    limits = SourceLimits(max_bytes=1000, max_ratio=1000)

    error = refusal(open_bytes(tmp_path, COMPRESSIONS[name](TEXT), limits=limits))

    assert error.code == "source-too-large"
    assert "1000 bytes" in error.message


@pytest.mark.parametrize("name", PACKED)
def test_bomb_is_refused_before_it_fills_the_memory(name: str, tmp_path: Path) -> None:
    limits = SourceLimits(max_bytes=1 << 40, max_ratio=100)
    stored = COMPRESSIONS[name](bytes(10 << 20)) * 40

    tracemalloc.start()
    error = refusal(open_bytes(tmp_path, stored, limits=limits))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert error.code == "source-too-large"
    assert peak < 100 << 20


def test_dense_but_small_source_is_no_bomb(tmp_path: Path) -> None:
    limits = SourceLimits(max_bytes=1 << 40, max_ratio=10)
    plain = bytes(1 << 20)

    assert read_all(open_bytes(tmp_path, gzip.compress(plain), limits=limits)) == plain


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("content", [b"", b"1\n"], ids=["empty", "nearly empty"])
def test_members_that_hold_next_to_nothing_are_refused_soon(
    name: str, content: bytes, tmp_path: Path
) -> None:
    """They decode at a megabyte or three a second: each costs as much as kilobytes of data."""
    member = COMPRESSIONS[name](content)
    stored = member * ((4 << 20) // len(member))
    stream = open_bytes(tmp_path, stored)

    error = refusal(stream)

    assert error.code == "source-corrupt"
    assert "ADSP_MAX_COMPRESSED_MEMBERS" in error.message
    assert stream.position < len(stored) / 2


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_of_a_line_each_are_one_source(name: str, tmp_path: Path) -> None:
    """So does a sender write that appends each line to the compressed file."""
    lines = [b"%064d\n" % n for n in range(20_000)]
    stored = b"".join(map(COMPRESSIONS[name], lines))

    assert read_all(open_bytes(tmp_path, stored)) == b"".join(lines)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_some_empty_members_are_no_harm(name: str, tmp_path: Path) -> None:
    compress = COMPRESSIONS[name]
    stored = compress(b"") * 9_000 + compress(TEXT) + compress(b"")

    assert read_all(open_bytes(tmp_path, stored)) == TEXT


def with_window(log: int) -> bytes:
    """Compress with a window of 2^log bytes, as `zstd --long` does."""
    return zstd.compress(TEXT * 20, options={zstd.CompressionParameter.window_log: log})


def test_window_beyond_the_limit_is_refused_with_the_cure(tmp_path: Path) -> None:
    limits = SourceLimits(max_bytes=1 << 40, max_ratio=1000, max_zstd_window=1 << 20)

    error = refusal(open_bytes(tmp_path, with_window(21), limits=limits))

    assert error.code == "source-too-large"
    assert "ADSP_MAX_ZSTD_WINDOW_BYTES" in error.message
    assert read_all(open_bytes(tmp_path, with_window(20), limits=limits)) == TEXT * 20


def test_no_read_puts_out_more_than_asked_for(tmp_path: Path) -> None:
    """However dense the frame is: memory does not grow with what a few bytes decompress to."""
    stored = zstd.compress(bytes(100 << 20))
    with open_bytes(tmp_path, stored, limits=SourceLimits(1 << 40, 1 << 30)) as stream:
        tracemalloc.start()
        while stream.read(1 << 16):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 2 << 20


@pytest.mark.parametrize(
    ("start", "compression"),
    [
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x5f\x2a\x4d\x18", "zstd"),
        (b"sku,", "none"),
        (b"\x1f", "none"),
        (bz2.compress(b""), "bzip2"),
        (bz2.compress(b"a"), "bzip2"),
        (b"BZh9,name\n", "none"),
        (lzma.compress(b""), "xz"),
        (b"PK\x03\x04", "zip"),
        (b"", "none"),
    ],
)
def test_compression_is_known_by_the_first_bytes(start: bytes, compression: str) -> None:
    assert detect(start) == compression
