"""Read the settings of sources: where they may lie and how much of them is accepted."""

from pathlib import Path

from pydantic import Field

from libs.common.settings import AdspSettings
from libs.common.sources.source_areas import SourceAreas


class SourceSettings(AdspSettings):
    """Where sources may lie and how much of them is accepted."""

    source_roots: list[Path] = Field(
        default_factory=list, description="Folders that sources may lie in."
    )
    upload_dir: Path = Field(
        Path("uploads"), description="Folder for uploaded files; no request can name one."
    )
    source_settle_seconds: float = Field(
        1.0, ge=0, description="A source younger than this is checked again before it is trusted."
    )
    max_record_bytes: int = Field(1 << 20, ge=1024, description="Longest record, in bytes.")
    max_decompressed_bytes: int = Field(
        1 << 40, ge=1, description="Largest decompressed source, bytes."
    )
    max_decompression_ratio: int = Field(
        1000,
        ge=1,
        description="Largest ratio of decompressed to compressed bytes, past the first 64 MB.",
    )
    max_compressed_members: int = Field(
        10_000,
        ge=1,
        description="Most gzip members or zstd frames of a source, beside one for each 64 bytes of its content.",
    )
    max_zstd_window_bytes: int = Field(
        1 << 27,
        ge=1 << 10,
        le=1 << 31,
        description="Largest window of a zstd source, bytes; a loader and a worker need as much memory for it.",
    )

    def areas(self, *, is_sent: bool) -> SourceAreas:
        """Return where the source of a job may lie; `is_sent`: the api has stored it in the upload area itself."""
        if is_sent:
            return SourceAreas((*self.source_roots, self.upload_dir))
        return SourceAreas(tuple(self.source_roots), self.upload_dir)
