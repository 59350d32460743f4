"""Choose how an open file is decoded: as is said, or as its first bytes say."""

import io

from libs.common.sources.compression import Decoder, make_decoder
from libs.common.sources.foreign_files import refuse_foreign
from libs.common.sources.magic_bytes import MAGIC_BYTES, detect
from libs.common.sources.zip_member import ZipDecoder, find_member


def choose_decoder(
    file: io.RawIOBase, compression: str, max_window_bytes: int, member: str | None
) -> Decoder | None:
    """Return the decoder of a file that stands at its first byte, None for a plain one; the file stands anywhere then.

    Raises `SourceError` for what is no text, or an archive without the one `member` that is meant.
    """
    if compression == "auto":
        start = file.read(MAGIC_BYTES)
        compression = detect(start)
        refuse_foreign(start)
    if compression == "none":
        return None
    if compression == "zip":
        return ZipDecoder(find_member(file, member))
    return make_decoder(compression, max_window_bytes)
