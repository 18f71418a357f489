"""The command line of the benchmark: what is to be measured, and where it is told."""

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
from fnmlp.files import write_whole

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
"""Options, and the sections that use them; without any section all are used but --steps."""


def installed(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Take the libraries that are named, and fnmlp; or all that are installed."""
    for name in names:
        if not version(LIBRARIES[name].package):
            raise click.BadParameter(f"{LIBRARIES[name].package} is not installed; run: {INSTALL}")
    chosen = {"fnmlp", *names} if names else {name for name in LIBRARIES if version(LIBRARIES[name].package)}
    return tuple(name for name in LIBRARIES if name in chosen)


section_options = option_group(
    click.option(
        "--grid", is_flag=True, help="Time hidden {32, 128, 512, 2048} x batch {16, 64, 256, 1024}; this takes long."
    ),
    click.option("--inference", is_flag=True, help="Time the prediction of one row, and of 10,000."),
    click.option("--startup", is_flag=True, help="Time imports, and weigh what is installed."),
    click.option(
        "--memory", is_flag=True, help="Measure resident memory in training: its peak, and its growth. Linux only."
    ),
    click.option("--profile", is_flag=True, help="Time each piece of fnmlp's step."),
)
work_options = option_group(
    option(
        "--work", type=click.Choice([*WORKS]), multiple=True, default=("reference",), help="What a step is; repeatable."
    ),
    option("--hidden", type=click.IntRange(1, 2**31 - 1), default=512, help="Units of the hidden layer."),
    option("--batch-size", type=click.IntRange(1), default=64, help="Images a step."),
)
measuring_options = option_group(
    option(
        "--threads",
        type=click.IntRange(1, len(cores())),
        multiple=True,
        default=tuple(sorted({1, min(2, len(cores()))})),
        help="Threads, and cores, that each process has; repeatable.",
    ),
    option("--rounds", type=click.IntRange(1), default=5, help="Measurements of each, after one that warms up."),
    click.option("--batches", type=click.IntRange(1), help="Batches a measurement.  [default: a whole epoch]"),
    option("--steps", type=click.IntRange(1), default=5000, help="Steps in which --memory looks for growth, at least."),
    click.option(
        "--library",
        "libraries",
        type=click.Choice([*LIBRARIES]),
        multiple=True,
        callback=installed,
        help="What fnmlp is compared with; repeatable.  [default: all that are installed]",
    ),
)
data_options = option_group(
    option("--dataset", type=click.Choice(["auto", *DATASETS]), default="auto", help="auto: MNIST, or else digits."),
    data_dir_option,
)


@frozen
class Options:
    """What was asked for: `sections` to measure, of which `works`, on which data, and the `file` for the results."""

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
@click.option("--json", "file", type=FILE, callback=new_file, help="Write all that was measured to this file.")
@click.pass_context
def benchmark(context: click.Context, /, **typed: Any) -> None:
    """Time fnmlp beside other libraries on the same work: the steps of whole epochs on real data.

    Without --grid, --inference, --startup, --memory or --profile it times a step of the network 784-512-10. Each
    library has a process of its own; they take turns, so that whatever else the machine does falls on all alike, and
    those that wait sleep. Ratios are of medians of one run; where one is above 1, the other takes longer, or more, than
    fnmlp. Let the machine do nothing else.
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
        click.echo(f"\nall of it written to {options.file}")


def check_sections(context: click.Context, options: Options) -> None:
    """Refuse what can't be measured here, and options that none of the sections uses."""
    if "memory" in options.sections and not STATUS.exists():
        raise click.UsageError("--memory reads /proc, which only Linux has; leave it out")
    chosen = frozenset(options.sections)
    uses = {
        name: (chosen.intersection(users) if chosen else name != "steps", " or ".join(f"--{user}" for user in users))
        for name, users in USERS.items()
    }
    check_used(context, uses)


def plan_of(options: Options, data: Dataset, file: Path) -> Plan:
    """Write the data for the processes, and return what all measurements have in common."""
    save_data(file, data)
    works = {name: evolve(WORKS[name], hidden=options.hidden, batch_size=options.batch_size) for name in options.work}
    return Plan(options.libraries, works, options.threads, options.rounds, options.batches, options.steps, data, file)


def measured(plan: Plan, facts: Mapping[str, str], sections: tuple[str, ...]) -> list[dict[str, Any]]:
    """Print what is measured as soon as it is, and return the records."""
    for line in preface(plan, facts):
        click.echo(line)
    records = []
    for measure in [SECTIONS[name] for name in sections] or [time_steps]:
        for text, record in measure(plan):
            click.echo(f"\n{text}")
            records.append(record)
    return records


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
