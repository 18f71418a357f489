"""What the benchmark prints: tables, and facts about the machine and its packages."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
import os
from pathlib import Path
import platform
import re
from statistics import geometric_mean, median
from typing import TypeAlias

import fnmlp as fn

Samples: TypeAlias = Mapping[str, Sequence[float]]
"""The measurements of each library, one a round."""


def table(rows: Iterable[Sequence[str]]) -> str:
    """Format rows of cells, the first column left-aligned and the others right-aligned."""
    columns = [[cell.rjust(max(map(len, column))) for cell in column] for column in zip(*rows, strict=True)]
    names = [cell.strip().ljust(len(cell)) for cell in columns[0]]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(names, *columns[1:], strict=True))


def number(value: float) -> str:
    """Format a measured number with at least three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def samples_table(title: str, unit: str, samples: Samples, *, base: str) -> str:
    """Return a table of medians, extremes, and the ratio of each median to the base's."""
    header = [title, unit, "lowest", "highest", f"ratio to {base}"]
    rows = [
        [name, *map(number, (median(times), min(times), max(times))), f"{median(times) / median(samples[base]):.2f}"]
        for name, times in samples.items()
    ]
    return table([header, *rows])


def grid_table(title: str, cells: Sequence[tuple[str, Samples]]) -> str:
    """Return a table of medians, and the geometric mean of each library's ratios to fnmlp."""
    names = [*cells[0][1]]
    rows = [[cell, *(number(median(samples[name])) for name in names)] for cell, samples in cells]
    ratios = [
        geometric_mean(median(samples[name]) / median(samples["fnmlp"]) for _, samples in cells) for name in names
    ]
    return table([[title, *names], *rows, ["geometric mean of ratios to fnmlp", *(f"{ratio:.2f}" for ratio in ratios)]])


def profile_table(title: str, whole: Sequence[float], pieces: Samples) -> str:
    """Return a table of each piece's median, its share of the whole step, and the rest."""
    step = median(whole)
    medians = {name: median(times) for name, times in pieces.items()}
    medians["the rest: train_step, and noise"] = step - sum(medians.values())
    rows = [[name, f"{value:.1f}", f"{value / step:.1%}"] for name, value in medians.items()]
    return table([[title, "µs a step", "share"], *rows, ["the whole step", f"{step:.1f}", "100.0%"]])


def machine() -> dict[str, str]:
    """Describe the machine and the versions that the times depend on."""
    versions = {package: version(package) for package in ("numpy", "fnmlp", "torch", "jax", "scikit-learn")}
    system = {"processor": processor(), "system": platform.platform(), "python": platform.python_version()}
    return system | {package: number for package, number in versions.items() if number}


def processor() -> str:
    """Return the name of the processor."""
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def version(package: str) -> str:
    """Return the version of a package, or "" if it is not installed; fnmlp may run from its folder."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return fn.__version__ if package == "fnmlp" else ""


def installed_megabytes(package: str) -> float:
    """Return the size of a package's files and of all that it requires, in MB."""
    return sum(map(_own_bytes, required(package, frozenset()))) / 1e6


def required(package: str, known: frozenset[str]) -> frozenset[str]:
    """Return the names of a package and of its installed requirements, without those already known."""
    name = re.sub(r"[-_.]+", "-", package).lower()
    if name in known or not version(name):
        return known
    known |= {name}
    for requirement in requirements(name):
        needed = re.match(r"[\w.-]+", requirement)
        if needed and "extra ==" not in requirement:
            known = required(needed[0], known)
    return known


def requirements(package: str) -> list[str]:
    """Return the requirements that a package declares; one that is not installed declares none."""
    try:
        return metadata.requires(package) or []
    except metadata.PackageNotFoundError as error:
        remedy = "run: pip install -e ."
        raise fn.FnmlpError(package, "a package that is installed, to be weighed", "its folder", remedy) from error


def _own_bytes(package: str) -> int:
    if package == "fnmlp":  # its files may be those of a clone
        folder = os.path.dirname(fn.__file__)
        paths = [Path(path, name) for path, _, names in os.walk(folder) for name in names]
    else:
        paths = [Path(str(file.locate())) for file in metadata.files(package) or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())
