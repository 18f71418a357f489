"""`python -m tests.faults` damages saves, files and processes, and prints the outcomes.

Each command is one experiment. It runs at full length unless you choose otherwise.
"""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from importlib.util import find_spec
from itertools import product
from pathlib import Path
import signal
import sys
from typing import Any

from attrs import asdict
import click

from tests.anywhere import offered_kernels
from tests.faults.damage import BROKEN, harm_file
from tests.faults.processes import compiled_once, load_program
from tests.faults.races import race_downloads, race_saves
from tests.faults.sharing import share_model, train_afresh
from tests.faults.sound import large_files, small_files
from tests.faults.stops import Report, stop_often
from tests.faults.strictness import compare


@click.group()
def faults() -> None:
    """Check that faults lose no data. Each experiment prints a line; the exit status is 1 if a promise was broken."""


@faults.command()
@click.option("--trials", type=click.IntRange(1), default=10_000, show_default=True, help="Of kill -9; others a 20th.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another one, other instants.")
@click.option(
    "--engine", type=click.Choice(("numpy", "jax")), default="numpy", show_default=True, help="Of the trainer."
)
def stops(trials: int, seed: int, engine: str) -> None:
    """Stop the trainer at random instants, with kill -9, Ctrl-C and SIGTERM, and resume it."""
    program, broken = load_program(), False
    with compiled_once() if engine == "jax" else nullcontext():
        for number, share in ((signal.SIGKILL, 1.0), (signal.SIGINT, 0.05), (signal.SIGTERM, 0.05)):
            reports = stop_often(program, number, max(round(trials * share), 1), seed, engine)
            broken |= _harmed(number.name, reports, trials)
    sys.exit(broken)


@faults.command()
@click.option("--rounds", type=click.IntRange(1), default=500, show_default=True, help="Of each kind.")
def races(rounds: int) -> None:
    """Let processes save or download at once under one name, threads share a model, and fresh processes train."""
    broken = [
        _broken("saves", race_saves(rounds, keep=1)),
        _broken("saves, keep 3", race_saves(rounds, keep=3)),
        _broken("downloads", race_downloads(rounds)),
        _broken("threads", share_model(rounds)),
        _broken("fresh processes", train_afresh(20)),
    ]
    sys.exit(any(broken))


@faults.command()
@click.option("--trials", type=click.IntRange(1), default=200, show_default=True, help="Kills, at least.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another one, other instants.")
def fits(trials: int, seed: int) -> None:
    """Kill fits of the scikit-learn estimators at random instants, and fit again with the same checkpoint."""
    from tests.faults.fits import kill_fits

    sys.exit(max([_harmed(title, reports, trials) for title, reports in kill_fits(trials, seed)]))


@faults.command()
@click.option("--kills", type=click.IntRange(0), default=200, show_default=True, help="With SIGKILL.")
@click.option("--freezes", type=click.IntRange(0), default=50, show_default=True, help="With SIGSTOP.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another one, other instants.")
def ranks(kills: int, freezes: int, seed: int) -> None:
    """Kill or freeze a rank of the trainer under mpiexec; all must end within ten seconds, and the run resume."""
    from tests.faults.ranks import fault_ranks

    wanted = ((signal.SIGKILL, kills), (signal.SIGSTOP, freezes))
    told = [
        _ranks_harmed(number.name, fault_ranks(number, trials, seed), trials) for number, trials in wanted if trials
    ]
    sys.exit(any(told))


def _ranks_harmed(title: str, reports: Iterable[Any], trials: int) -> bool:
    """Print the last of many reports, and each on the way to stderr; return whether harm was done."""
    counts: dict[str, Any] = {}
    for report in reports:
        counts = asdict(report)
        click.echo(f"{title}, so far: {counts}", err=True)
    _tell(title, counts)
    return any(count for name, count in counts.items() if name not in ("faults", "runs", "in_save", "longest"))


def _harmed(title: str, reports: Iterable[Report], trials: int) -> bool:
    """Print the last of many reports, and now and then, to stderr, one on the way; return whether harm was done."""
    told, counts = 0, {}
    for report in reports:
        counts = asdict(report)
        if report.stops >= told + max(trials // 20, 1):
            told = report.stops
            click.echo(f"{title}, so far: {told} stops", err=True)
    _tell(title, counts)
    return any(count for name, count in counts.items() if name not in ("stops", "runs", "in_save"))


def _tell(title: str, counts: Mapping[str, object]) -> None:
    """Print the counts of one experiment."""
    click.echo(f"{title}: {', '.join(f'{name} {count}' for name, count in counts.items())}")


def _broken(title: str, report: Any) -> bool:
    """Print a report of races; return whether it counts anything that must not happen."""
    counts = asdict(report)
    _tell(title, counts)
    harmless = ("rounds", "saves", "loads", "downloads", "reads", "calls", "processes")
    return any(count for name, count in counts.items() if name not in harmless)


@faults.command()
@click.option("--permutations", type=click.IntRange(1), default=1000, show_default=True, help="Of the rows.")
@click.option("--rows", type=click.IntRange(2), default=512, show_default=True, help="Whose number sizes go up to.")
def strict(rows: int, permutations: int) -> None:
    """Count the rows whose bits depend on batches, order, threads or kernels, with `strict` and without."""
    report = compare(product(offered_kernels(Path(sys.executable)), (1, 2)), rows, permutations)
    used = (f"{kernel} {threads}" for kernel, threads in sorted(report.settings))
    click.echo(f"kernels and threads: {', '.join(used)}")
    counts = {name: count for name, count in asdict(report, recurse=False).items() if name != "settings"}
    for name, count in counts.items():
        _tell(name, asdict(count))
    sys.exit(any(count.strict for count in counts.values()))


@faults.command()
@click.option("--every", type=click.IntRange(1), default=997, show_default=True, help="For the files of a megabyte.")
def damage(every: int) -> None:
    """Cut files at every length, flip every bit, and read the results; in large files, take every n-th."""
    broken = 0
    for files, step in ((small_files(), 1), (large_files(), every)):
        for file in files:
            report = asdict(harm_file(file, step))
            _tell(f"{file.name}, {len(file.content)} bytes", report)
            broken += sum(report[name] for name in BROKEN)
    sys.exit(broken > 0)


@faults.command()
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Take every n-th fault.")
def calls(every: int) -> None:
    """Kill a save, and a run, at every system call; let each call fail with each error; cut writes short."""
    from tests.faults.calls import fail_at_calls, kill_at_calls, points_of
    from tests.faults.forks import why_no_strace
    from tests.faults.patches import fail_in_python, fill_disk, why_no_disk, write_by_and_by, write_in_part
    from tests.faults.scenes import runs, saves

    no_strace, no_disk, broken = why_no_strace(), why_no_disk(), 0
    for reason in filter(None, (no_strace, no_disk)):
        click.echo(f"left out: {reason}")
    for title, scene in (("save", saves(1)), ("save, keep 3", saves(3)), ("run", runs(load_program()))):
        reports = {} if no_strace else {"killed": kill_at_calls(scene, every), "errors": fail_at_calls(scene, every)}
        reports["errors in Python"] = fail_in_python(scene, every)
        reports["short writes, then an error"], reports["short writes"] = write_in_part(scene), write_by_and_by(scene)
        if not no_disk:
            reports["full disk"] = fill_disk(scene)
        click.echo(f"{title}: {'unknown' if no_strace else len(points_of(scene))} system calls")
        for what, report in reports.items():
            _tell(f"{title}, {what}", asdict(report))
            broken += report.broken()
    sys.exit(broken > 0)


@faults.command()
@click.argument("names", nargs=-1)
@click.option("--runs", type=click.IntRange(1), default=1_000_000, show_default=True, help="For each reader.")
def fuzz(names: tuple[str, ...], runs: int) -> None:
    """Feed readers inputs from atheris, and look for hangs and for errors that aren't the library's.

    NAMES are doors of tests/faults/doors.py; the default is all of them.
    """
    from tests.faults.doors import doors
    from tests.faults.fuzz import feed_reader

    if find_spec("atheris") is None:
        raise click.ClickException("atheris is not installed; pip install 'fnmlp[fuzz]'")
    known, broken = doors(), 0
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{', '.join(unknown)}; choose from {', '.join(known)}", param_hint="NAMES")
    for name in names or known:
        report = asdict(feed_reader(name, known[name], runs))
        _tell(name, report)
        broken += report["fault"] != ""
    sys.exit(broken > 0)


if __name__ == "__main__":
    faults(prog_name="python -m tests.faults")
