"""Commands about what others wrote: audit asks for known vulnerabilities, sbom lists every package."""

from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from libs.common.version import VERSION
from tools.bootstrap.errors import BootstrapError
from tools.bootstrap.locations import ROOT

DEFAULT_FILE = ".adsp/dist/sbom.cdx.json"
VULNERABLE, NOT_ASKED = 1, 2


@task(help={"service": "Who is asked: pypi or osv."})
def audit(_context: Context, service: str = "pypi") -> None:
    """Ask for known vulnerabilities of all locked packages; exits 1 when there are, 2 when it cannot tell."""
    from tools.supply_chain.audit import audit as ask
    from tools.supply_chain.lockfile import locked_packages

    packages = locked_packages()
    try:
        found = ask(packages, service)
    except BootstrapError as error:
        raise Exit(f"pip-audit cannot be installed: {error}", code=NOT_ASKED) from error
    for package, vulnerabilities in found.vulnerable.items():
        print(f"{package}: {'; '.join(vulnerabilities)}")
    for package, reason in found.unjudged.items():
        print(f"not judged: {package}: {reason}")
    if found.vulnerable:
        raise Exit(f"{len(found.vulnerable)} packages have known vulnerabilities", code=VULNERABLE)
    if found.fault:
        raise Exit(
            f"NOT AUDITED: the vulnerability service {service!r} cannot be asked from this network"
            f" ({found.fault})",
            code=NOT_ASKED,
        )
    if found.unjudged:
        raise Exit(
            f"NOT AUDITED: {service!r} did not judge {len(found.unjudged)} of {len(packages)} packages; a mirror"
            " of PyPI may lack its vulnerability data: run this where pypi.org can be reached",
            code=NOT_ASKED,
        )
    print(f"{len(packages)} packages, no known vulnerability")


@task(help={"file": f"Where to write it; {DEFAULT_FILE} by default."})
def sbom(_context: Context, file: str = DEFAULT_FILE) -> None:
    """Write a software bill of materials (CycloneDX JSON) of all locked packages, with their hashes."""
    from tools.supply_chain.lockfile import locked_packages
    from tools.supply_chain.sbom import bill_of_materials, write_bill

    packages = locked_packages()
    target = Path(file) if Path(file).is_absolute() else ROOT / file
    write_bill(bill_of_materials(packages, VERSION), target)
    print(f"{target}: {len(packages)} packages")
