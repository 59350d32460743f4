"""Run every check of the code and show what each found and took; one failure hides no other."""

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tools.bootstrap.locations import ROOT
from tools.bootstrap.pants import pants_command

_BIN = Path(sys.executable).parent
_PYTHON_FOLDERS = ("services", "libs", "tools", "migrations", "tests", "tasks.py", "conftest.py")
_AT_ONCE = 2


@dataclass(frozen=True)
class Check:
    """A command that exits with 0 when the code is right."""

    name: str
    command: Sequence[str]
    variables: dict[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Finding:
    """What a check said, and how long it took in seconds."""

    check: Check
    passed: bool
    output: str
    seconds: float

    def __str__(self) -> str:
        """Return the check's line of the table."""
        result = "ok" if self.passed else "FAILED"
        return f"  {self.check.name:<14} {self.seconds:6.1f} s  {result}"


def python_paths() -> list[str]:
    """Return the files and folders of Python code that exist."""
    return [name for name in _PYTHON_FOLDERS if (ROOT / name).exists()]


def all_checks() -> list[Check]:
    """List the checks, the slowest first."""
    pants, variables = pants_command()
    return [
        Check("types", [str(_BIN / "mypy"), *python_paths()]),
        # `dependencies` fails on an import that nothing provides, and on a broken visibility rule.
        Check("dependencies", [*pants, "dependencies", "::"], variables),
        Check("lint", [str(_BIN / "ruff"), "check", "--quiet", "."]),
        Check("format", [str(_BIN / "ruff"), "format", "--check", "--quiet", "."]),
        Check("dead code", [str(_BIN / "vulture")]),
        Check("words", [sys.executable, "-m", "tools.checks.words"]),
        Check("sizes", [sys.executable, "-m", "tools.checks.sizes"]),
        Check("versions", [sys.executable, "-m", "tools.checks.versions"]),
        Check("reference", [sys.executable, "-m", "tools.reference.pages"]),
    ]


def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """Run all checks, printing what the failed ones said and then the table."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        findings = list(pool.map(_run, checks))
    for finding in findings:
        if not finding.passed:
            print(f"\n--- {finding.check.name} ---\n{finding.output.strip()}")
    print_table(findings)
    return findings


def print_table(findings: Sequence[Finding]) -> None:
    """Print one line per check."""
    print("\nChecks")
    print(*findings, sep="\n", flush=True)


def _run(check: Check) -> Finding:
    start = time.monotonic()
    done = subprocess.run(
        check.command,
        cwd=ROOT,
        env=check.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Finding(check, done.returncode == 0, done.stdout, time.monotonic() - start)
