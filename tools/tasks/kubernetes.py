"""Make the Kubernetes objects that are made of other files."""

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task


@task(help={"check": "Write nothing; exit 1 when a file is not as the rules are."})
def kubernetes(_context: Context, check: bool = False) -> None:  # noqa: FBT001, FBT002
    """Write the alert rules of infra/prometheus as Kubernetes objects into infra/kubernetes."""
    from tools.bootstrap.locations import ROOT
    from tools.generated_files import differing, write
    from tools.kubernetes.rules import rendered

    files = (differing if check else write)(rendered())
    names = ", ".join(str(file.relative_to(ROOT)) for file in files)
    if check and files:
        raise Exit(f"not as infra/prometheus/rules: {names}; run ./dev kubernetes", code=1)
    if not check:
        print(f"{names or 'nothing'} changed")
