"""`python -m tests.faults` does harm to saves, files and processes, and prints what came of it.

Each command is one experiment, and runs at its full length unless it is told otherwise.
"""

import signal
import sys

from attrs import asdict
import click

from tests.faults.processes import load_program
from tests.faults.stops import stop_often


@click.group()
def faults() -> None:
    """Show that nothing is lost: a line for each experiment, and exit status 1 if any promise was broken."""


@faults.command()
@click.option("--trials", type=click.IntRange(1), default=10_000, show_default=True, help="Of kill -9; others a 20th.")
def stops(trials: int) -> None:
    """Stop the trainer at random instants, with kill -9, Ctrl-C and SIGTERM, and resume it."""
    program, broken = load_program(), 0
    for number, share in ((signal.SIGKILL, 1.0), (signal.SIGINT, 0.05), (signal.SIGTERM, 0.05)):
        report = asdict(stop_often(program, number, max(round(trials * share), 1), seed=0))
        click.echo(f"{number.name}: {', '.join(f'{name} {count}' for name, count in report.items())}")
        broken += sum(count for name, count in report.items() if name not in ("stops", "runs", "in_save"))
    sys.exit(broken > 0)


if __name__ == "__main__":
    faults(prog_name="python -m tests.faults")
