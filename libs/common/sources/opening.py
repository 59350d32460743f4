"""Open sources to read their plain bytes."""

from libs.common.errors import SourceUnsettled
from libs.common.sources.decoders import choose_decoder
from libs.common.sources.stores.locations import Location, open_stored
from libs.common.sources.stream import Digest, SourceLimits, SourceStream


def open_source(
    location: Location,
    compression: str,
    limits: SourceLimits,
    digest: Digest | None = None,
    member: str | None = None,
) -> SourceStream:
    """Open a source to read its plain bytes; `compression` is auto, none, or a name of `magic_bytes.detect`.

    `digest` is fed with the stored bytes as they are read. Of a zip archive the only file is read, or the only one
    that `member` means.
    """
    file = open_stored(location)
    try:
        decoder = choose_decoder(file, compression, limits.max_zstd_window, member)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return SourceStream(file, decoder, limits, digest)


def unsettled(location: Location) -> SourceUnsettled:
    """Make the error for a source that is still being written."""
    return SourceUnsettled(
        "source-changing",
        f"{location} changed while it was read; write it under another name, rename it when it is "
        "complete, and trigger the job again",
    )
