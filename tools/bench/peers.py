"""Run other ways to load a file beside ours, on one file with bad rows: what they load and what they tell.

A row is accounted for when it is in the table or the tool says that it, or how many such rows, were
left out. Nothing of this is a dependency: what is not installed is reported as such.
"""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from tools.bench import peer_libraries
from tools.bench.cases import CASES, Case
from tools.bench.comparison import Files, Tell
from tools.bench.runs import Source, fresh_target, psql, run_job
from tools.bench.system import BenchSystem

ROWS = 100_000
_SECONDS = 900.0
_SKIPPED = re.compile(r"NOTICE: +(\d+) rows? (?:was|were) skipped")
_PGLOADER_COMMAND = Path(__file__).with_name("pgloader.load")


@dataclass(frozen=True)
class Peer:
    """What a tool did with the file; None where there is nothing to say."""

    name: str
    rows: int
    loaded: int | None = None
    accounted: int | None = None
    seconds: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class _Outcome:
    """What a tool said: rows that it left out, and a word on how it ended."""

    left_out: int
    remark: str


def run_peers(files: Files, rows: int, tell: Tell) -> list[Peer]:
    """Load the file with us and with every tool that is installed."""
    case = next(case for case in CASES if case.name == "bad-1")
    source = files.source(case.items(rows))
    tell("ADSP")
    peers = [_ours(files.system, case, source)]
    for name, installed, load in (
        ("psql \\copy … (on_error ignore)", True, _on_error_ignore),
        (f"pgloader {_pgloader_version()}", which("pgloader") is not None, _pgloader),
        (f"pandas {_version('pandas')} to_sql", _has("pandas"), _library("pandas")),
        (f"dlt {_version('dlt')}", _has("dlt"), _library("dlt")),
    ):
        tell(name)
        if installed:
            peers.append(_timed(files.system, name, case, source, load))
        else:
            peers.append(Peer(name, source.rows, remark="not installed"))
    return peers


def _ours(system: BenchSystem, case: Case, source: Source) -> Peer:
    """Load it as a job; `run_job` fails unless all rows are accounted for."""
    run = run_job(system, case, source, "bench-peers")
    loaded = run.content.rows
    return Peer("ADSP", source.rows, loaded, loaded + source.bad, run.seconds, "each with reason")


_Load = Callable[[BenchSystem, str, Source], _Outcome]


def _timed(system: BenchSystem, name: str, case: Case, source: Source, load: _Load) -> Peer:
    with system.ledger() as ledger, fresh_target(ledger, case, is_filled=False) as table:
        start = time.perf_counter()
        outcome = load(system, table, source)
        seconds = time.perf_counter() - start
        loaded = ledger.count(table)
    return Peer(name, source.rows, loaded, loaded + outcome.left_out, seconds, outcome.remark)


def _on_error_ignore(system: BenchSystem, table: str, source: Source) -> _Outcome:
    done = psql(
        system,
        f"\\copy {table} from '{source.path}' with (format csv, header true, on_error ignore)\n",
    )
    skipped = _SKIPPED.search(done.stderr)
    return _Outcome(int(skipped[1]) if skipped else 0, _ending(done.returncode, done.stderr))


def _pgloader(system: BenchSystem, table: str, source: Source) -> _Outcome:
    work = system.folder / "pgloader"
    work.mkdir(exist_ok=True)
    command = work / "items.load"
    text = _PGLOADER_COMMAND.read_text()
    for name, value in (("FILE", str(source.path)), ("DSN", system.dsn), ("TABLE", table)):
        text = text.replace(f"@{name}@", value)
    command.write_text(text)
    done = _run(["pgloader", "--root-dir", str(work), str(command)])
    # It may write a row that it tried twice into its file of rejects twice.
    rejected = {line for path in work.rglob("*.dat") for line in path.read_bytes().splitlines()}
    return _Outcome(len(rejected), _ending(done.returncode, done.stderr))


def _library(name: str) -> _Load:
    """Return how a Python library is run."""

    def load(system: BenchSystem, table: str, source: Source) -> _Outcome:
        url = system.addresses.database_url("owner")
        schema, _, bare = table.partition(".")
        module = [sys.executable, "-m", peer_libraries.__name__]
        done = _run([*module, name, str(source.path), url, schema, bare])
        return _Outcome(0, _ending(done.returncode, done.stderr))

    return load


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _version(module: str) -> str:
    return importlib.metadata.version(module) if _has(module) else ""


def _pgloader_version() -> str:
    if which("pgloader") is None:
        return ""
    found = re.search(r'"([\d.]+)', _run(["pgloader", "--version"]).stdout)
    return found[1] if found else ""


def _ending(status: int, errors: str) -> str:
    """Return how a tool ended: nothing, or the last error that it wrote."""
    if status == 0:
        return ""
    lines = [line for line in errors.splitlines() if "error" in line.lower()]
    return (lines[-1] if lines else f"exit {status}").replace("|", "/")[:120]
