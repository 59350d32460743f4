"""Do harm to hosts and compare what is loaded, or measure how throughput grows with loaders: `./dev hosts`."""

import argparse
import sys

from tests.hosts import faults, scaling
from tests.hosts.network import missing_for_hosts
from tests.hosts.site import running_site

_ROWS = 150_000
"""Of the file that is loaded for the figures, 12 MB."""


def main() -> None:
    """Run as the command line asks; the exit status says whether all is well."""
    parser = argparse.ArgumentParser(description="Run ADSP on hosts of network namespaces.")
    parser.add_argument("--scale", action="store_true", help="measure one, two and four loaders")
    parser.add_argument("--only", default="", help="faults whose name has this in it")
    parser.add_argument("--seeds", type=int, default=0, help="so many faults by seed instead")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    arguments = parser.parse_args()
    if reason := missing_for_hosts():
        sys.exit(reason)
    is_well = _scale() if arguments.scale else _harm(arguments)
    sys.exit(0 if is_well else 1)


def _scale() -> bool:
    with running_site(**scaling.VARIABLES) as site, site.inside():
        measured = scaling.measure(site, _ROWS)
    print(scaling.table_of(measured))
    return scaling.grows(measured)


def _harm(arguments: argparse.Namespace) -> bool:
    is_well = True
    with running_site(**faults.VARIABLES) as site, site.inside():
        for fault in faults.choose(arguments.only, arguments.seeds, arguments.seed):
            outcome = faults.run_fault(site, fault)
            print(outcome, flush=True)
            is_well = is_well and outcome.verdict.is_clean
        if not is_well:
            print(f"the logs are in {site.keep_logs()}")
    return is_well


if __name__ == "__main__":
    main()
