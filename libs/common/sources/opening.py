"""Open sources to read their plain bytes."""

import hashlib
from pathlib import Path

from libs.common.errors import SourceUnsettled
from libs.common.sources.decoders import choose_decoder
from libs.common.sources.regular_files import open_regular
from libs.common.sources.stream import SourceLimits, SourceStream


def open_source(
    path: Path,
    compression: str,
    limits: SourceLimits,
    digest: "hashlib._Hash | None" = None,
    member: str | None = None,
) -> SourceStream:
    """Open a source to read its plain bytes; `compression` is auto, none, or a name of `magic_bytes.detect`.

    `digest` is fed with the stored bytes as they are read. Of a zip archive the only file is read, or the only one
    that `member` means.
    """
    file = open_regular(path)
    try:
        decoder = choose_decoder(file, compression, limits.max_zstd_window, member)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return SourceStream(file, decoder, limits, digest)


def unsettled(path: Path) -> SourceUnsettled:
    """Make the error for a source that is still being written."""
    return SourceUnsettled(
        "source-changing",
        f"{path} changed while it was read; write it under another name, rename it when it is "
        "complete, and trigger the job again",
    )
