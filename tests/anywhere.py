"""Run the suite over kernels of BLAS, threads, seeds, Pythons and versions: `python -m tests.anywhere --help`.

It prints a table with a row for each run of all tests, in a process of its own. The exit status is 1 if a run failed.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from functools import partial
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory
from time import monotonic
import tomllib

from attrs import frozen

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ("Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX", "Cooperlake", "Sapphirerapids", "NeoverseN1")
"""Kernels of OpenBLAS to ask for; a processor that can't run one runs another, which is then left out."""

USED_KERNEL = """
import sys
from threadpoolctl import threadpool_info
import numpy
kernels = [pool.get("architecture", pool["internal_api"]) for pool in threadpool_info()]
for dtype in ("float32", "float64"):
    x = numpy.ones((300, 300), dtype)
    x @ x, x @ x[0]
print(sys.version.split()[0], numpy.__version__, *kernels)
"""
COUNTED = re.compile(r"(\d+) (passed|failed|skipped|error)")


@frozen
class Run:
    """One run of the suite: its name in the table, its Python, and its environment variables."""

    python: Path
    label: str
    settings: Mapping[str, str]
    seed: int


def offered_kernels(python: Path) -> tuple[str, ...]:
    """Return the kernels that this processor can run, by asking OpenBLAS for each and multiplying with it."""
    return tuple(filter(partial(_is_offered, python), KERNELS)) or ("",)


def _is_offered(python: Path, kernel: str) -> bool:
    try:
        return used(python, {"OPENBLAS_CORETYPE": kernel})[2] == kernel
    except subprocess.CalledProcessError:  # an instruction that this processor does not know
        return False


def used(python: Path, settings: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the versions of a Python and its NumPy, and the kernel of BLAS that it multiplies with."""
    asked = subprocess.run(
        [python, "-c", USED_KERNEL], env={**os.environ, **settings}, capture_output=True, text=True, check=True
    )
    version, numpy, *kernels = asked.stdout.split()
    return version, numpy, kernels[0] if kernels else "?"


def spare_features(python: Path) -> str:
    """Return the instructions of this processor that NumPy uses and can do without, as it can on older ones."""
    command = "import numpy; print(*numpy.show_config(mode='dicts')['SIMD Extensions'].get('found', []))"
    return subprocess.run([python, "-c", command], capture_output=True, text=True, check=True).stdout.strip()


def lowest(requirements: list[str]) -> list[str]:
    """Pin each requirement to the lowest version that it allows.

    >>> lowest(["numpy>=2.1", "torch==2.13.0"])
    ['numpy==2.1', 'torch==2.13.0']
    """
    return [requirement.replace(">=", "==") for requirement in requirements]


def requirements_of_tests() -> list[str]:
    """Return the requirements of the project and its extra `test`, with nested extras resolved."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]

    def written_out(extra: str) -> Iterator[str]:
        for requirement in extras[extra]:
            inner = re.fullmatch(r"fnmlp\[(.*)\]", requirement)
            if inner is None:
                yield requirement
            else:
                for name in inner[1].split(","):
                    yield from written_out(name)

    return [*project["dependencies"], *written_out("test")]


def environment(folder: Path, python: str, requirements: list[str]) -> tuple[Path, str]:
    """Make a virtual environment, without torch where it has no build; return its Python and what it lacks."""
    made = folder / "bin" / "python"
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    install = [str(made), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    lacks = ""
    if subprocess.run([*install, *requirements], check=False).returncode:
        without = [requirement for requirement in requirements if not requirement.startswith("torch")]
        subprocess.run([*install, *without], check=True)
        lacks = ", without torch"
    subprocess.run([*install, "--no-deps", "--editable", str(ROOT)], check=True)
    return made, lacks


def other_pythons() -> Iterator[str]:
    """Find the other Pythons that are installed, from 3.11 on: on the path, or by pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for minor in range(11, 20):
        name = f"python3.{minor}"
        places = [shutil.which(name), *sorted(map(str, pyenv.glob(f"*/bin/{name}")))]
        works = (place for place in places if place and _runs(place))
        if sys.version_info[1] != minor and (found := next(works, None)):
            yield found


def _runs(python: str) -> bool:
    return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0


def run_suite(run: Run, arguments: list[str]) -> tuple[Mapping[str, int], float, str]:
    """Run the tests, and return how many passed, failed and were skipped, the seconds, and what was printed."""
    command = [str(run.python), "-m", "pytest", "-q", "--tb=short", f"--hypothesis-seed={run.seed}", *arguments]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **run.settings}
    for name in ("HYPOTHESIS_PROFILE", "PYTEST_ADDOPTS"):  # as in a stranger's environment, with another seed
        settings.pop(name, None)
    began = monotonic()
    ended = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    printed = ended.stdout + ended.stderr
    counts = {word: int(number) for number, word in COUNTED.findall(printed.strip().rpartition("\n")[2])}
    return {"failed": ended.returncode, **counts}, monotonic() - began, printed


def runs(options: Namespace, folder: Path) -> Iterator[Run]:
    """Yield the requested runs: kernels and threads, plain loops, the lowest versions, other Pythons."""
    here = Path(sys.executable)
    seeds = iter(range(options.seed, 2**31))
    for kernel in options.kernel or offered_kernels(here):
        for threads in options.threads:
            settings = {"OPENBLAS_NUM_THREADS": str(threads), **({"OPENBLAS_CORETYPE": kernel} if kernel else {})}
            for _ in range(options.seeds):
                yield Run(here, "these versions", settings, next(seeds))
    if not options.no_plain and (features := spare_features(here)):
        yield Run(here, f"NumPy without {features}", {"NPY_DISABLE_CPU_FEATURES": features}, next(seeds))
    wanted = requirements_of_tests()
    if not options.no_lowest:
        made, lacks = environment(folder / "lowest", sys.executable, lowest(wanted))
        yield Run(made, f"lowest versions{lacks}", {}, next(seeds))
    for python in [] if options.no_pythons else other_pythons():
        made, lacks = environment(folder / Path(python).name, python, wanted)
        yield Run(made, f"newest versions{lacks}", {}, next(seeds))


def options_of(arguments: list[str]) -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(prog="python -m tests.anywhere", description="Run the suite in many settings.")
    parser.add_argument("--kernel", action="append", help="a kernel of OpenBLAS (default: all that run here)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads of BLAS (default: 1 2)")
    parser.add_argument("--seed", type=int, default=1, help="Hypothesis seed of the first run (default: 1)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each kernel and thread count (default: 1)")
    parser.add_argument("--no-plain", action="store_true", help="leave out NumPy without the instructions it can spare")
    parser.add_argument("--no-lowest", action="store_true", help="leave out the lowest versions of pyproject.toml")
    parser.add_argument("--no-pythons", action="store_true", help="leave out the other Pythons")
    parser.add_argument("--log", type=Path, help="write what failed runs print to this file")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    return parser.parse_args(arguments)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run all, print a row for each as it ends, and what failed after the table."""
    options = options_of(sys.argv[1:])
    red = []
    say("| Python | versions | NumPy | kernel | threads | seed | passed | skipped | failed | seconds |")
    say("| --- " * 10 + "|")
    with TemporaryDirectory() as folder:
        for run in runs(options, Path(folder)):
            python, version, kernel = used(run.python, run.settings)
            counts, seconds, printed = run_suite(run, options.pytest)
            failed = counts["failed"] + counts.get("error", 0)
            threads = run.settings.get("OPENBLAS_NUM_THREADS", "all")
            numbers = (counts.get("passed", 0), counts.get("skipped", 0), failed, round(seconds))
            cells = (python, run.label, version, kernel, threads, run.seed, *numbers)
            say(f"| {' | '.join(map(str, cells))} |")
            red += [printed] if failed else []
    if options.log:
        options.log.write_text("\n\n".join(red), encoding="utf-8")
    for printed in red:
        failures = re.findall(r"^(?:FAILED|ERROR) .*$", printed, re.MULTILINE) or printed.splitlines()[-20:]
        say("\n".join(["", *failures]))
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
