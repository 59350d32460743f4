"""Know a file's compression by its first bytes."""

import re

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MAGIC_BYTES = 512
"""So many bytes tell what a file is: that of a tar archive is in its first block."""

_MAGICS = {
    "gzip": re.compile(re.escape(GZIP_MAGIC)),
    # Or a frame that is skipped.
    "zstd": re.compile(re.escape(ZSTD_MAGIC) + rb"|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "zip": re.compile(rb"PK\x03\x04|PK\x05\x06"),
}


def detect(start: bytes) -> str:
    """Name the compression of a file by its first bytes: none where they are no known one."""
    for name, magic in _MAGICS.items():
        if magic.match(start):
            return name
    return "none"
