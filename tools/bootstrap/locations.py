"""Name the folders of a checkout: everything that is generated lives in one ignored folder."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".adsp"
LOCKFILES = ROOT / "lockfiles"
