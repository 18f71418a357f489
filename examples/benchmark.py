"""Time fnmlp and its peers on the same work in one run: `python examples/benchmark.py --help`."""

from collections.abc import Callable, Iterator, Mapping
import json
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from typing import Any

from imports import import_failure

try:
    from attrs import evolve
    import click

    from benchmark_measure import (
        Measured,
        Plan,
        measure_memory,
        measure_startup,
        profile_steps,
        time_grid,
        time_inference,
        time_steps,
    )
    from benchmark_peers import LIBRARIES
    from benchmark_process import KERNEL_VARIABLES, STATUS, cores, save_data
    from benchmark_report import machine, version
    from benchmark_work import WORKS
    from command_line import FILE, data_dir_option, new_file, option, run
    import fnmlp as fn
    from fnmlp.files import write_whole
    from image_models import DATASETS, pick_dataset
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

INSTALL = "pip install -e '.[benchmark]'"
SECTIONS: Mapping[str, Callable[[Plan], Iterator[Measured]]] = {
    "grid": time_grid,
    "inference": time_inference,
    "startup": measure_startup,
    "memory": measure_memory,
    "profile": profile_steps,
}


def installed(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Take the libraries that are named, and fnmlp; or all that are installed."""
    for name in names:
        if not version(LIBRARIES[name].package):
            raise click.BadParameter(f"{LIBRARIES[name].package} is not installed; run: {INSTALL}")
    chosen = {"fnmlp", *names} if names else {name for name in LIBRARIES if version(LIBRARIES[name].package)}
    return tuple(name for name in LIBRARIES if name in chosen)


@click.command(context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@click.option(
    "--grid", is_flag=True, help="Time hidden {32, 128, 512, 2048} x batch {16, 64, 256, 1024}; this takes long."
)
@click.option("--inference", is_flag=True, help="Time the prediction of one row, and of 10,000.")
@click.option("--startup", is_flag=True, help="Time imports, and weigh what is installed.")
@click.option(
    "--memory", is_flag=True, help="Measure resident memory in training: its peak, and its growth. Linux only."
)
@click.option("--profile", is_flag=True, help="Time each piece of fnmlp's step.")
@option(
    "--work", type=click.Choice([*WORKS]), multiple=True, default=("reference",), help="What a step is; repeatable."
)
@option("--hidden", type=click.IntRange(1, 2**31 - 1), default=512, help="Units of the hidden layer.")
@option("--batch-size", type=click.IntRange(1), default=64, help="Images a step.")
@option(
    "--threads",
    type=click.IntRange(1, len(cores())),
    multiple=True,
    default=tuple(sorted({1, min(2, len(cores()))})),
    help="Threads, and cores, that each process has; repeatable.",
)
@option("--rounds", type=click.IntRange(1), default=5, help="Measurements of each, after one that warms up.")
@click.option("--batches", type=click.IntRange(1), help="Batches a measurement.  [default: a whole epoch]")
@option("--steps", type=click.IntRange(1), default=5000, help="Steps in which --memory looks for growth, at least.")
@click.option(
    "--library",
    "libraries",
    type=click.Choice([*LIBRARIES]),
    multiple=True,
    callback=installed,
    help="What fnmlp is compared with; repeatable.  [default: all that are installed]",
)
@option("--dataset", type=click.Choice(["auto", *DATASETS]), default="auto", help="auto: MNIST, or else digits.")
@data_dir_option
@click.option("--json", "file", type=FILE, callback=new_file, help="Write all that was measured to this file.")
def benchmark(
    work: tuple[str, ...],
    hidden: int,
    batch_size: int,
    threads: tuple[int, ...],
    rounds: int,
    batches: int | None,
    steps: int,
    libraries: tuple[str, ...],
    dataset: str,
    data_dir: Path | None,
    file: Path | None,
    **sections: bool,
) -> None:
    """Time fnmlp beside other libraries on the same work: the steps of whole epochs on real data.

    Without --grid, --inference, --startup, --memory or --profile it times a step of the network 784-512-10. Each
    library has a process of its own; they take turns, so that whatever else the machine does falls on all alike, and
    those that wait sleep. Ratios are of medians of one run; where one is above 1, the other takes longer, or more, than
    fnmlp. Let the machine do nothing else.
    """
    if sections["memory"] and not STATUS.exists():
        raise click.UsageError("--memory reads /proc, which only Linux has; leave it out")
    data = pick_dataset(dataset, data_dir)
    works = {name: evolve(WORKS[name], hidden=hidden, batch_size=batch_size) for name in work}
    facts = machine() | {"cores": str(len(cores()))}
    records = []
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{data.name}.npz")
        save_data(path, data)
        plan = Plan(libraries, works, threads, rounds, batches, steps, data, path)
        for line in preface(plan, facts):
            click.echo(line)
        chosen = [measure for name, measure in SECTIONS.items() if sections[name]] or [time_steps]
        for measure in chosen:
            for text, record in measure(plan):
                click.echo(f"\n{text}")
                records.append(record)
    if file:
        write_json(file, {"machine": facts, "data": data.name, "rounds": rounds, "measured": records})
        click.echo(f"\nall of it written to {file}")


def preface(plan: Plan, facts: Mapping[str, str]) -> Iterator[str]:
    """Say where, what and what not is measured."""
    yield f"{facts['processor']}, {facts['cores']} cores for this process; {facts['system']}; Python {facts['python']}"
    for name in KERNEL_VARIABLES:
        if name in os.environ:
            yield f"{name}={os.environ[name]} is set here, and was taken from the processes that are timed"
    for name, library in LIBRARIES.items():
        if name in plan.libraries:
            yield f"{library.title}: {library.package} {version(library.package)}; {library.note}"
        elif not version(library.package):
            yield f"{library.title}: left out, because {library.package} is not installed; run: {INSTALL}"
    pixels = plan.data.train.inputs[0].size
    other = "" if pixels == 784 else " (MNIST has 784: these times say nothing of it)"
    yield f"{plan.data.name}: {len(plan.data.train)} images of {pixels} pixels{other}"


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Write what was measured, whole or not at all."""
    try:
        write_whole(path, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        remedy = "choose another --json"
        raise fn.DataError(str(path), "a place for the results", error.strerror or error, remedy) from error


if __name__ == "__main__":
    run(benchmark)
