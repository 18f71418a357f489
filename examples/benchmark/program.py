"""The command line of the benchmark: choose measurements, run them, and print the results."""

from collections.abc import Callable, Iterator, Mapping
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve, frozen
import click

from benchmark.measure import (
    Measured,
    Plan,
    measure_memory,
    measure_startup,
    profile_steps,
    time_grid,
    time_inference,
    time_steps,
)
from benchmark.peers import LIBRARIES
from benchmark.process import KERNEL_VARIABLES, cores
from benchmark.report import machine, version
from benchmark.saved_data import save_data
from benchmark.serving import STATUS
from benchmark.work import WORKS
from command_line import FILE, check_used, data_dir_option, new_file, option, option_group
from data_sets import DATASETS, pick_dataset
import fnmlp as fn
from fnmlp.data import Dataset
from fnmlp.whole_files import write_whole

INSTALL = "pip install -e '.[benchmark]'"
SECTIONS: Mapping[str, Callable[[Plan], Iterator[Measured]]] = {
    "grid": time_grid,
    "inference": time_inference,
    "startup": measure_startup,
    "memory": measure_memory,
    "profile": profile_steps,
}
USERS: Mapping[str, tuple[str, ...]] = {
    "work": ("grid", "inference", "memory", "profile"),
    "hidden": ("inference", "memory", "profile"),
    "batch_size": ("memory", "profile"),
    "threads": ("grid", "inference", "memory", "profile"),
    "rounds": ("grid", "inference", "startup", "profile"),
    "batches": ("grid", "memory", "profile"),
    "steps": ("memory",),
    "libraries": ("grid", "inference", "startup", "memory"),
}
"""Options, and the sections that use them. Without a section, all but --steps are used."""


def installed(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return fnmlp and the named libraries, or all that are installed."""
    for name in names:
        if not version(LIBRARIES[name].package):
            raise click.BadParameter(f"{LIBRARIES[name].package} is not installed; run: {INSTALL}")
    chosen = {"fnmlp", *names} if names else {name for name in LIBRARIES if version(LIBRARIES[name].package)}
    return tuple(name for name in LIBRARIES if name in chosen)


section_options = option_group(
    click.option(
        "--grid",
        is_flag=True,
        help="Time hidden {32, 128, 512, 2048} x batch {16, 64, 256, 1024}; this takes a long time.",
    ),
    click.option("--inference", is_flag=True, help="Time the prediction of one row, of 64, and of 10,000."),
    click.option("--startup", is_flag=True, help="Time imports, and measure installed sizes."),
    click.option("--memory", is_flag=True, help="Measure resident memory in training: peak and growth. Linux only."),
    click.option("--profile", is_flag=True, help="Time each piece of fnmlp's step."),
)
work_options = option_group(
    option(
        "--work",
        type=click.Choice([*WORKS]),
        multiple=True,
        default=("reference",),
        help="The kind of step to time; repeatable.",
    ),
    option("--hidden", type=click.IntRange(1, 2**31 - 1), default=512, help="Units of the hidden layer."),
    option("--batch-size", type=click.IntRange(1), default=64, help="Images per step."),
)
measuring_options = option_group(
    option(
        "--threads",
        type=click.IntRange(1, len(cores())),
        multiple=True,
        default=tuple(sorted({1, min(2, len(cores()))})),
        help="Threads and cores of each process; repeatable.",
    ),
    option("--rounds", type=click.IntRange(1), default=5, help="Measurements of each library, after a warm-up."),
    click.option("--batches", type=click.IntRange(1), help="Batches per measurement.  [default: a whole epoch]"),
    option(
        "--steps",
        type=click.IntRange(1),
        default=5000,
        help="The least number of steps over which --memory measures growth.",
    ),
    click.option(
        "--library",
        "libraries",
        type=click.Choice([*LIBRARIES]),
        multiple=True,
        callback=installed,
        help="A library to compare with; repeatable.  [default: all installed ones]",
    ),
)
data_options = option_group(
    option("--dataset", type=click.Choice(["auto", *DATASETS]), default="auto", help="auto: MNIST, or else digits."),
    data_dir_option,
)


@frozen
class Options:
    """What the user asked for: the `sections` to measure, the `works`, the data, and the `file` for the results."""

    sections: tuple[str, ...]
    work: tuple[str, ...]
    hidden: int
    batch_size: int
    threads: tuple[int, ...]
    rounds: int
    batches: int | None
    steps: int
    libraries: tuple[str, ...]
    dataset: str
    data_dir: Path | None
    file: Path | None


@click.command(context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@section_options
@work_options
@measuring_options
@data_options
@click.option("--json", "file", type=FILE, callback=new_file, help="Write all measurements to this JSON file.")
@click.pass_context
def benchmark(context: click.Context, /, **typed: Any) -> None:
    """Compare the speed of fnmlp with other libraries on the same work: whole epochs of training on real data.

    By default this times a step of the network 784-512-10. Each library runs in its own process. The processes take
    turns, so other load on the machine affects all of them equally; idle processes sleep. Ratios compare medians of one
    run. A ratio above 1 means that the other library takes longer, or more memory, than fnmlp. Close other programs
    first.
    """
    chosen = tuple(name for name in SECTIONS if typed.pop(name))
    options = Options(chosen, **typed)
    check_sections(context, options)
    data = pick_dataset(options.dataset, options.data_dir)
    facts = machine() | {"cores": str(len(cores()))}
    with TemporaryDirectory() as folder:
        plan = plan_of(options, data, Path(folder, f"{data.name}.npz"))
        records = measured(plan, facts, options.sections)
    if options.file:
        write_json(options.file, {"machine": facts, "data": data.name, "rounds": options.rounds, "measured": records})
        click.echo(f"\nresults written to {options.file}")


def check_sections(context: click.Context, options: Options) -> None:
    """Raise for what can't be measured here, and for options that no section uses."""
    if "memory" in options.sections and not STATUS.exists():
        raise click.UsageError("--memory reads /proc, which only Linux has; leave it out")
    chosen = frozenset(options.sections)
    uses = {
        name: (chosen.intersection(users) if chosen else name != "steps", " or ".join(f"--{user}" for user in users))
        for name, users in USERS.items()
    }
    check_used(context, uses)


def plan_of(options: Options, data: Dataset, file: Path) -> Plan:
    """Write the data for the processes, and return the settings of all measurements."""
    save_data(file, data)
    works = {name: evolve(WORKS[name], hidden=options.hidden, batch_size=options.batch_size) for name in options.work}
    return Plan(options.libraries, works, options.threads, options.rounds, options.batches, options.steps, data, file)


def measured(plan: Plan, facts: Mapping[str, str], sections: tuple[str, ...]) -> list[dict[str, Any]]:
    """Print each result as soon as it is measured, and return the records."""
    for line in preface(plan, facts):
        click.echo(line)
    records = []
    for measure in [SECTIONS[name] for name in sections] or [time_steps]:
        for text, record in measure(plan):
            click.echo(f"\n{text}")
            records.append(record)
    return records


def preface(plan: Plan, facts: Mapping[str, str]) -> Iterator[str]:
    """Print the machine, the settings, and the libraries that are left out."""
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
    """Write the results to a JSON file, atomically."""
    try:
        write_whole(path, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        remedy = "choose another --json"
        raise fn.DataError(str(path), "a place for the results", error.strerror or error, remedy) from error
