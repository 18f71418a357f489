"""`python -m tests.faults [TRIALS]` stops the trainer at so many random instants, and prints what came of it."""

import signal
import sys

from attrs import asdict

from tests.faults.processes import load_program
from tests.faults.stops import stop_often


def main(trials: int) -> int:
    """Print a line for each signal; return 1 if any promise was broken."""
    program, broken = load_program(), 0
    for number, share in ((signal.SIGKILL, 1.0), (signal.SIGINT, 0.05), (signal.SIGTERM, 0.05)):
        report = asdict(stop_often(program, number, max(round(trials * share), 1), seed=0))
        sys.stdout.write(f"{number.name}: {', '.join(f'{name} {count}' for name, count in report.items())}\n")
        sys.stdout.flush()
        broken += sum(count for name, count in report.items() if name not in ("stops", "runs", "in_save"))
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
