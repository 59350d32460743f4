"""Compile functions of bytes and whole numbers to machine code, once for each version of their sources.

Numba translates what `compiled` decorates when it is first called; such a function holds no lock of Python's while it
runs. The code is made for any processor of the machine's kind and kept in a folder named for the sources that it was
made of, so that another process, another checkout or an image finds it there (`NUMBA_CACHE_DIR`, else the user's
folder for caches).
"""

import os
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self, TypeVar, cast

import numba
from numba.core import config

F = TypeVar("F", bound=Callable[..., Any])


class ByContent:
    """Tell Numba where compiled functions are kept (its interface for locators of caches)."""

    def __init__(self, line: int, path: Path) -> None:
        """Keep the function on this line below this path."""
        self._line = line
        self._path = path

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> Self:
        """Return where a function of a file is kept."""
        return cls(function.__code__.co_firstlineno, _folder(Path(file).parent))

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._path)

    def ensure_cache_path(self) -> None:
        """Make the folder, which is done."""

    def get_source_stamp(self) -> str:
        """Return what the code depends on, which the folder's name tells already."""
        return ""

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart."""
        return str(self._line)


@cache
def _folder(place: Path) -> Path:
    """Return where to keep what the functions of a folder are compiled to: they call those beside them, and those here.

    It is a folder of this process alone where nothing can be kept.
    """
    here = Path(__file__).parent
    files = sorted({*here.glob("*.py"), *place.glob("*.py")}, key=lambda file: file.name)
    sources = b"".join(file.read_bytes() for file in files)
    kept = os.environ.get("NUMBA_CACHE_DIR")
    below = Path(kept) if kept else Path.home() / ".cache" / "adsp"
    folder = below / f"compiled-{sha256(sources).hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(mkdtemp(prefix="adsp-compiled-"))
    return folder


vars(config).update(
    CPU_NAME="generic",
    CPU_FEATURES="",
    CACHE_LOCATOR_CLASSES=f"{ByContent.__module__}.{ByContent.__qualname__}",
)


# Arrays belong to the caller throughout: without Numba's own count of who holds them (the last of these options) a line
# is encoded in a quarter of the time.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}


def compiled(function: F) -> F:
    """Compile a function that is called from Python."""
    return cast("F", numba.njit(cache=True, **_OPTIONS)(function))


def inlined(function: F) -> F:
    """Compile a function into those compiled ones that call it."""
    return cast("F", numba.njit(forceinline=True, **_OPTIONS)(function))
