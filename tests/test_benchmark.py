"""Claims about `examples/benchmark`: its processes, and that it prints what it measured."""

from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from io import StringIO
import json
import os
from pathlib import Path
import re
import subprocess
import sys

import numpy as np
import pytest

from benchmark import measure, program
from benchmark.measure import import_milliseconds
from benchmark.peers import LIBRARIES
from benchmark.process import KERNEL_VARIABLES, cores, environment, on_cores, process
from benchmark.report import (
    grid_table,
    installed_megabytes,
    number,
    profile_table,
    required,
    samples_table,
    table,
    version,
)
from benchmark.saved_data import load_data, save_data
from benchmark.serving import STATUS
from benchmark.work import WORKS, Work, described
from command_line import run
import fnmlp as fn
from fnmlp.data import digits
from tests.steps import same_bits
from tests.warned import WARNINGS_ARE_ERRORS

PROGRAM = Path(program.__file__).parent
DATA = digits()
SMALL = ("--dataset", "digits", "--hidden", "8", "--threads", "1", "--rounds", "1", "--batches", "3")
OURS = ("--library", "fnmlp", "--library", "numpy", "--library", "products")
INSTALLED = pytest.mark.skipif(
    not [*metadata.distributions(name="fnmlp")], reason="what fnmlp requires is known where it is installed"
)


def printed(*arguments: object) -> str:
    """Run the program in this process, and return what it printed; its own processes are real."""
    status, out, err = called(*arguments)
    assert (status, err) == (0, "")
    return out


def called(*arguments: object) -> tuple[int, str, str]:
    out, err, status = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
        try:
            run(program.benchmark)
        except SystemExit as stop:
            status = int(stop.code or 0)
    return status, out.getvalue(), err.getvalue()


# The processes.


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the digits in it."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    save_data(path, DATA)
    return path


def test_data_are_read_as_they_were_saved(file: Path) -> None:
    found = load_data(file)
    assert (found.name, found.classes, found.white) == (DATA.name, DATA.classes, DATA.white)
    assert same_bits((found.train, found.test), (DATA.train, DATA.test))
    assert not found.train.inputs.flags.writeable


def test_a_process_trains_predicts_and_says_what_it_uses(file: Path) -> None:
    with process("fnmlp", Work(hidden=8), 1, file) as ask:
        assert all("threads: 1" in pool for pool in ask({"ask": "pools"})["pools"])
        for batches, steps in ((None, 23), (2, 2), (100, 23)):
            taken = ask({"ask": "epoch", "number": 0, "batches": batches})
            assert taken["of"] == steps
            assert taken["seconds"] > 0
        predicted = ask({"ask": "predict", "rows": 400, "calls": 2})  # more than there are images to test on
        assert predicted["of"] == 2
        assert predicted["seconds"] > 0


def test_a_process_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(
            fn.FnmlpError, match=r"^fnmlp: expected an answer to 'pools', got FileNotFoundError: .*--library$"
        ),
        process("fnmlp", Work(), 1, tmp_path / "nothing.npz") as ask,
    ):
        ask({"ask": "pools"})


def test_a_process_that_dies_is_told_from_one_that_answers(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(fn.FnmlpError, match="got exit status 1"), process("fnmlp", Work(), 1, file) as ask:
        ask({"ask": "pools"})


def test_a_process_has_its_threads_and_no_pinned_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KERNEL_VARIABLES:
        monkeypatch.setenv(name, "512")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = environment(3)
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "3"
    assert not found.keys() & set(KERNEL_VARIABLES)
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not say which cores are whose")
def test_a_process_has_as_many_cores_as_threads_and_this_one_keeps_its_own() -> None:
    every = cores()
    with on_cores(1):
        assert cores() == every[:1]
    assert cores() == every


# What is printed.


def test_a_table_has_its_names_on_the_left_and_its_numbers_on_the_right() -> None:
    assert table([["", "µs"], ["torch", "1,234"], ["numpy", "5"]]) == "          µs\ntorch  1,234\nnumpy      5"


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (100, "100"), (99.94, "99.9"), (9.994, "9.99"), (0.001, "0.00")]
)
def test_a_number_is_written_to_three_figures(value: float, text: str) -> None:
    assert number(value) == text


def test_ratios_are_of_medians() -> None:
    text = samples_table("a", "µs", {"fnmlp": [2.0, 1.0, 9.0], "torch": [3.0, 4.0, 50.0]}, base="fnmlp")
    header, ours, theirs = (line.split() for line in text.splitlines())
    assert header == ["a", "µs", "lowest", "highest", "ratio", "to", "fnmlp"]
    assert ours == ["fnmlp", "2.00", "1.00", "9.00", "1.00"]
    assert theirs == ["torch", "4.00", "3.00", "50.0", "2.00"]


def test_a_grid_ends_with_the_geometric_means_of_the_ratios() -> None:
    text = grid_table("", [("1", {"fnmlp": [1.0], "torch": [2.0]}), ("2", {"fnmlp": [1.0], "torch": [8.0]})])
    assert text.splitlines()[-1].split()[-2:] == ["1.00", "4.00"]


def test_what_no_piece_of_a_profile_took_is_the_rest() -> None:
    lines = profile_table("", [10.0], {"loss": [4.0], "update": [5.0]}).splitlines()
    assert lines[1].split() == ["loss", "4.0", "40.0%"]
    assert lines[3].split()[-2:] == ["1.0", "10.0%"]
    assert lines[4].split()[-2:] == ["10.0", "100.0%"]


def test_a_work_is_described_in_words() -> None:
    assert described(WORKS["momentum"], DATA) == (
        "64-512-10, ReLU, softmax, mean squared error, float32, SGD, rate 0.05, momentum 0.9, batch 64"
    )
    assert "Adam, rate 0.001, batch 64" in described(WORKS["adam"], DATA)
    assert "SGD, rate 0.5, dropout 0.5, batch 64" in described(WORKS["dropout"], DATA)


def without_metadata(patch: pytest.MonkeyPatch) -> None:
    """Let no package say its version, nor what it requires."""

    def nothing(package: str) -> None:
        raise PackageNotFoundError(package)

    patch.setattr(metadata, "version", nothing)
    patch.setattr(metadata, "requires", nothing)


def test_a_clone_that_is_not_installed_is_timed_but_not_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    # `python examples/benchmark.py` said that fnmlp itself is not installed, and ended with KeyError: 'fnmlp'.
    without_metadata(monkeypatch)
    assert version("fnmlp") == fn.__version__
    assert version("torch") == ""
    assert "fnmlp" in [line.split()[0] for line in printed(*SMALL).splitlines()[-2:]]
    with pytest.raises(
        fn.FnmlpError, match=r"^fnmlp: expected a package that is installed, .* run: pip install -e \.$"
    ):
        installed_megabytes("fnmlp")


@INSTALLED
def test_the_size_of_a_package_includes_what_it_requires_once() -> None:
    assert required("fnmlp", frozenset()) >= {"fnmlp", "numpy", "attrs", "safetensors"}
    assert "torch" not in required("fnmlp", frozenset())
    assert required("no-such-package", frozenset({"numpy"})) == {"numpy"}
    assert installed_megabytes("fnmlp") > installed_megabytes("numpy") > 10


# The program.


def test_steps_are_printed_as_they_are_written(tmp_path: Path) -> None:
    out = printed(*SMALL, *OURS, "--work", "reference", "--work", "adam", "--json", tmp_path / "a.json")
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["data"] == "digits"
    assert result["machine"]["numpy"] == np.__version__
    reference, adam = result["measured"]
    assert (reference["work"], reference["hidden"], reference["threads"]) == ("reference", 8, 1)
    assert {*reference["µs a step"]} == {"fnmlp", "numpy", "products"}
    assert {*adam["µs a step"]} == {"fnmlp", "products"}
    for name, times in reference["µs a step"].items():
        assert len(times) == 1
        assert f"{LIBRARIES[name].title} {number(times[0])} {number(times[0])}" in " ".join(out.split())
    assert "64-8-10, ReLU, softmax, mean squared error, float32, SGD, rate 0.5, batch 64), 1 thread" in out
    assert "these times say nothing of it" in out


@INSTALLED
@pytest.mark.skipif(not STATUS.exists(), reason="--memory needs Linux")
def test_every_section_has_its_tables_and_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "GRID", ((4, 16), (8, 32)))
    flags = ("--grid", "--inference", "--startup", "--memory", "--profile")
    out = printed(*SMALL, *OURS, *flags, "--steps", 4, "--json", tmp_path / "a.json")
    found = {record["what"]: record for record in json.loads((tmp_path / "a.json").read_text())["measured"]}
    assert [*found] == ["grid", "inference", "startup", "first steps", "memory", "profile"]
    assert {*found["grid"]["µs a step"]} == {"4 / 16", "8 / 32"}
    assert found["inference"]["rows"] == 10_000
    assert {*found["startup"]["ms"]} == {"NumPy", "fnmlp", "fnmlp, all names"}
    assert {*found["first steps"]["ms"]} == {"fnmlp", "numpy"}
    assert found["memory"]["MB"]["fnmlp"]["steps"] == 6  # whole epochs of three batches
    assert found["memory"]["MB"]["numpy"]["peak"] > 20
    assert "products" not in found["memory"]["MB"]
    for words in ("geometric mean", "prediction of 1 row\n", "10,000 rows", "import, median of 1", "MB at the peak"):
        assert words in out
    assert out.splitlines()[-3].startswith("the whole step")


def test_what_is_not_installed_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmark.program.version", lambda package: "" if package in ("torch", "jax", "scikit-learn") else "1"
    )
    out = printed(*SMALL, "--batches", 1)
    assert "PyTorch eager: left out, because torch is not installed; run: pip install -e '.[benchmark]'" in out
    status, _, err = called(*SMALL, "--library", "torch")
    assert status == 2
    assert "torch is not installed; run: pip install -e '.[benchmark]'" in err


def test_a_library_that_is_not_named_is_not_timed_but_fnmlp_always_is(tmp_path: Path) -> None:
    printed(*SMALL, "--library", "products", "--json", tmp_path / "a.json")
    (record,) = json.loads((tmp_path / "a.json").read_text())["measured"]
    assert {*record["µs a step"]} == {"fnmlp", "products"}


def test_a_pinned_kernel_is_said_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.delenv("OPENBLAS_L2_SIZE", raising=False)
    out = printed(*SMALL, "--library", "fnmlp")
    assert "OPENBLAS_CORETYPE=Haswell is set here, and was taken from the processes that are timed" in out
    assert "OPENBLAS_L2_SIZE" not in out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--work", "transformer"), 2, "'reference', 'momentum', 'adam', 'dropout'"),
        (("--library", "cupy"), 2, "'fnmlp', 'fnmlp-jax', 'fnmlp-jax-scan', 'numpy', 'torch'"),
        (("--hidden", "0"), 2, "not in the range"),
        (("--batch-size", "-1"), 2, "x>=1"),
        (("--threads", "0"), 2, "not in the range"),
        (("--threads", len(cores()) + 1), 2, "not in the range"),
        (("--rounds", "0"), 2, "x>=1"),
        (("--batches", "many"), 2, "not a valid integer"),
        (("--steps", "0"), 2, "x>=1"),
        (("--no-such-option",), 2, "No such option"),
        (("stray",), 2, "unexpected extra argument"),
        (("--steps", 9), 2, "--steps needs --memory"),
        (("--grid", "--hidden", 8), 2, "--hidden needs --inference or --memory or --profile"),
        (("--profile", "--library", "numpy"), 2, "--library needs --grid or --inference or --startup or --memory"),
        (("--startup", "--work", "adam"), 2, "--work needs --grid or --inference or --memory or --profile"),
        (("--memory", "--rounds", 2), 2, "--rounds needs --grid or --inference or --startup or --profile"),
        (("--inference", "--batches", 2), 2, "--batches needs --grid or --memory or --profile"),
        (("--inference", "--startup", "--batch-size", 2), 2, "--batch-size needs --memory or --profile"),
        (("--startup", "--threads", 1), 2, "--threads needs --grid or --inference or --memory or --profile"),
        (("--json", "nowhere/a.json"), 2, "does not exist; create it first"),
        (("--dataset", "mnist", "--data-dir", "nowhere"), 1, "nothing of this name"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    arguments: tuple[object, ...], status: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, err = called(*arguments)
    assert found == status
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert words in err
    assert [*tmp_path.iterdir()] == []


def test_memory_is_refused_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.program.STATUS", Path("/nowhere"))
    status, _, err = called("--memory")
    assert status == 2
    assert "only Linux has" in err


@pytest.mark.parametrize("program", [[str(PROGRAM)], [f"{PROGRAM}/"], ["-m", "examples.benchmark"]])
def test_the_help_names_the_program_and_every_measurement(program: list[str]) -> None:
    command = [sys.executable, *WARNINGS_ARE_ERRORS, *program, "--help"]
    done = subprocess.run(command, cwd=PROGRAM.parents[1], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert re.match(r"Usage: (python3? -m examples\.)?benchmark \[OPTIONS\]\n", done.stdout)
    for option in ("--grid", "--inference", "--startup", "--memory", "--profile", "--json", "--threads", "--work"):
        assert option in done.stdout


def test_an_example_has_the_name_of_no_module_of_python() -> None:
    # A module `profile` beside a script is imported by cProfile, and by whoever imports that.
    names = {path.stem for path in PROGRAM.parent.rglob("*.py")} - {"__init__", "__main__"}
    assert not names & sys.stdlib_module_names


def test_an_import_that_fails_is_one_line() -> None:
    with pytest.raises(fn.FnmlpError, match="got ModuleNotFoundError: No module named 'no_such_module'"):
        import_milliseconds("import no_such_module")
