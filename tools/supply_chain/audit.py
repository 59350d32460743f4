"""Ask the vulnerability service about every package of the lock, with pip-audit in an environment of its own.

"Nothing was found" and "nothing was asked" must not look alike: a service that cannot be reached, or does not know a
package, is a failure with a status of its own.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.bootstrap.commands import plain_environment
from tools.bootstrap.environments import audit_environment
from tools.supply_chain.lockfile import Locked

SERVICE = "pypi"
_SECONDS = 300


@dataclass
class Audit:
    """What the service said: vulnerabilities by package, packages that it did not judge, or why it was not asked."""

    vulnerable: dict[str, list[str]] = field(default_factory=dict)
    unjudged: dict[str, str] = field(default_factory=dict)
    fault: str | None = None


def audit(packages: list[Locked], service: str = SERVICE) -> Audit:
    """Ask about the packages; `service` is `pypi` or `osv`."""
    program = audit_environment() / "bin" / "pip-audit"
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text("\n".join(one.requirement for one in packages) + "\n", encoding="utf-8")
        command: list[str | Path] = [program, "--requirement", wanted, "--format", "json"]
        command += ["--require-hashes", "--disable-pip", "--vulnerability-service", service]
        command += ["--progress-spinner", "off"]
        try:
            done = subprocess.run(
                command,
                env=plain_environment(),
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Audit(fault=f"the service {service} did not answer within {_SECONDS} s")
    return read_answer(done.stdout, done.stderr)


def read_answer(output: str, complaint: str) -> Audit:
    """Read pip-audit's JSON; without any, its last words are the reason."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        last_words = (complaint.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return Audit(fault=last_words[-400:])
    found = Audit()
    for one in dependencies:
        if "skip_reason" in one:
            found.unjudged[one["name"]] = one["skip_reason"]
        elif one["vulns"]:
            found.vulnerable[f"{one['name']} {one['version']}"] = [_word(v) for v in one["vulns"]]
    return found


def _word(vulnerability: dict[str, Any]) -> str:
    fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"{vulnerability['id']} (fixed in {fixed})"
