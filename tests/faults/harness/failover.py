"""Lose the primary of a pair in the middle of episodes, by seed: ``./dev faults --failover``.

python -m tests.faults.harness.failover --seeds 20
"""

import argparse
import random
import sys
from collections.abc import Iterator

from tests.faults.harness.checker import run_seeds
from tests.faults.harness.injection import ChooseFaults, Fault, Undo
from tests.faults.harness.machine import Machine
from tests.faults.harness.replication import Pair, replicated_machine

LONGEST_SILENCE = 6.0
"""Seconds that an old primary may live on beside the new one."""
VARIABLES = {"ADSP_DATABASE_READ_TIMEOUT": "2", "ADSP_DATABASE_CONNECT_TIMEOUT": "2"}
"""What would be waited for longer than a test should take."""


def choose_failovers(pair: Pair) -> ChooseFaults:
    """Return what yields one failover or two, the second one back."""

    def choose(rng: random.Random) -> Iterator[tuple[float, Fault]]:
        for _ in range(rng.randrange(1, 3)):
            pause = rng.uniform(0.1, 1.5)
            yield pause, _isolation(pair, rng) if rng.random() < 0.3 else _death(pair)

    return choose


def _death(pair: Pair) -> Fault:
    def do(_machine: Machine) -> None:
        pair.rejoin()  # when an old primary still lives
        pair.fail_over()
        pair.rejoin()

    return Fault("the primary dies", do)


def _isolation(pair: Pair, rng: random.Random) -> Fault:
    seconds = round(rng.uniform(0.5, LONGEST_SILENCE), 1)

    def do(_machine: Machine) -> Undo:
        pair.rejoin()
        pair.isolate_primary()
        return pair.rejoin

    return Fault(f"the primary is silent for {seconds} s", do, seconds)


def main() -> None:
    """Run as the command line asks; the exit status says whether all is well."""
    parser = argparse.ArgumentParser(description="Prove that a failover of Postgres loses nothing.")
    parser.add_argument("--seeds", type=int, default=20, help="how many episodes")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin none after so long")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; a failing one replays")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    with replicated_machine(VARIABLES) as (machine, pair):
        report = run_seeds(machine, seeds, arguments.minutes, choose_failovers(pair))
        print(f"{pair.failovers} failovers; {report}", flush=True)
        if not report.verdict.is_clean:
            print(f"the logs are in {machine.keep_logs()}")
    sys.exit(0 if report.verdict.is_clean else 1)


if __name__ == "__main__":
    main()
