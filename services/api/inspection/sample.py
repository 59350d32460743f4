"""Read the start of a file that somebody has sent, whatever it is packed with."""

from dataclasses import dataclass
from pathlib import Path

from libs.common.errors import BadInput, SourceError
from libs.common.sources.foreign_files import refuse_foreign
from libs.common.sources.magic_bytes import MAGIC_BYTES, detect
from libs.common.sources.opening import open_source
from libs.common.sources.stream import SourceLimits

SAMPLE_BYTES = 2 << 20
_READ_BYTES = 1 << 18


@dataclass(frozen=True)
class Sample:
    """The plain bytes of a file's start; `is_part` tells that more may follow, so that the last record may be cut."""

    plain: bytes
    compression: str
    is_part: bool


def read_sample(path: Path, limits: SourceLimits, *, is_part: bool) -> Sample:
    """Return the sample, or raise `SourceError`; a packed file may end anywhere if it `is_part`."""
    with path.open("rb") as file:
        start = file.read(MAGIC_BYTES)
    refuse_foreign(start)
    stream = open_source(path, "auto", limits)
    plain = bytearray()
    try:
        while len(plain) <= SAMPLE_BYTES and (block := stream.read(_READ_BYTES)):
            plain += block
    except SourceError:
        if not (is_part and plain):
            raise
    finally:
        stream.close()
    if not plain.strip():
        raise BadInput("source-empty", "the file holds no text; send one with records")
    is_part = is_part or len(plain) > SAMPLE_BYTES
    return Sample(bytes(plain[:SAMPLE_BYTES]), detect(start), is_part)
