"""Read the settings of sources: where they may lie and how much of them is accepted."""

from pathlib import Path

from pydantic import Field

from libs.common.settings import AdspSettings
from libs.common.sources.source_areas import SourceAreas
from libs.common.sources.stores.connections import Connections
from libs.common.sources.stores.locations import Location
from libs.common.sources.stores.search import is_url, locate


class SourceSettings(AdspSettings):
    """Where sources may lie and how much of them is accepted."""

    source_roots: list[Path] = Field(
        default_factory=list, description="Folders that sources may lie in."
    )
    connections: Connections = Field(
        default_factory=Connections,
        repr=False,
        description='Stores that sources may lie in, as JSON: name → {"kind": "s3", "bucket": …}; best as a file in'
        " `ADSP_SECRETS_DIR`.",
    )
    upload_dir: Path = Field(
        Path("uploads"), description="Folder for uploaded files; no request can name one."
    )
    upload_store: str | None = Field(
        None,
        pattern="^(s3|gs|az)://.+/$",
        description="Folder of a store that uploaded files are put in once they are whole, e.g. s3://bucket/uploads/;"
        " empty: they stay in `ADSP_UPLOAD_DIR`, which api, workers and loaders then share.",
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
            return SourceAreas((*self.source_roots, self.upload_dir), None, self.connections)
        hidden = self.upload_dir, self.connections, self.upload_store
        return SourceAreas(tuple(self.source_roots), *hidden)

    def location(self, recorded: str) -> Location:
        """Return where a file lies that is on record; raises `SourceError` where no connection leads there now."""
        return locate(recorded, self.connections) if is_url(recorded) else Path(recorded)
