"""Send a file as the body of a request."""

from collections.abc import Callable, Iterator
from pathlib import Path

READ_BLOCK = 1 << 20


def size_of(path: Path) -> dict[str, str]:
    """Declare the size of a file, so that one that is too large is refused before it is sent; a pipe has none."""
    return {"Content-Length": str(path.stat().st_size)} if path.is_file() else {}


def blocks_of(path: Path, on_progress: Callable[[int], object] | None = None) -> Iterator[bytes]:
    """Yield a file in blocks; `on_progress` gets the bytes that were taken so far."""
    sent = 0
    with path.open("rb") as file:
        while block := file.read(READ_BLOCK):
            yield block
            sent += len(block)
            if on_progress:
                on_progress(sent)
