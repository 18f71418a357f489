"""What all tests share: Hypothesis profiles, one thread of torch, and batches of MNIST."""

from collections.abc import Iterator
from contextlib import suppress
import gc
import gzip
from importlib.metadata import PackageNotFoundError, version
import os
from pathlib import Path
import re
import sys

from attrs import evolve
from hypothesis import settings
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.batching import Batch
from fnmlp.data import datasets
from fnmlp.data.folders import FOLDER_VARIABLE
from fnmlp.data.sources import SOURCES
from tests import names
from tests.anywhere import offered_kernels
from tests.optional import Missing, optional

# Before JAX starts: what the tests compile runs for moments, and compiling it well would take far longer.
QUICK = "--xla_backend_optimization_level=0"
with suppress(PackageNotFoundError):
    if tuple(map(int, version("jaxlib").split(".")[:2])) <= (0, 10):  # XLA ends the process at a flag that it lost
        QUICK += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", QUICK)

torch = optional("torch")
if not isinstance(torch, Missing):
    torch.set_num_threads(1)

settings.register_profile("fast", max_examples=20, deadline=None)
settings.register_profile("ci", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

BATCHES = 50
ROWS = 64
FOLDER = Path(os.environ.get("FNMLP_DATA_DIR", "data"), "mnist")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[object]) -> None:
    """Share the cores among the workers, because threads of BLAS that wait for a core cost 40 times what they save."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // len(specs))))


def pytest_configure(config: pytest.Config) -> None:
    """Turn warnings of the examples into errors too; they are imported by their bare names."""
    folder = Path(__file__).resolve().parents[1] / "examples"
    for example in sorted(folder.rglob("*.py")):
        name = ".".join(example.relative_to(folder).with_suffix("").parts)
        for kind in ("UserWarning", "RuntimeWarning"):
            config.addinivalue_line("filterwarnings", f"error::{kind}:{re.escape(name)}$")


UNMEASURED = frozenset(
    {
        *("benchmark", "benchmark_peers", "examples", "exact", "exchange_example", "options", "oracles", "parity"),
        *("faults", "faults_calls", "faults_damage", "faults_races", "recipes", "sklearn_examples", "table_program"),
        *("torch_layers", "torch_losses", "torch_magnitudes", "torch_optimizers", "ulp"),
        *("trainer", "trainer_jax", "trainer_process", "trainer_resume", "trainer_signals"),
        "jax_losses",
        "test_layers_keep_every_law_on_jax",
        "test_one_compiled_step_serves_all_steps_and_rounds_as_numpy_does",
        "test_rates_momenta_and_decays_may_be_traced_and_each_setting_equals_its_run_alone",
        "test_torch_by_both_of_its_exporters",
    }
)
"""Files of tests, without the `test_`, and tests that run lines which others run too.

Measuring coverage doubles their time. `pytest --cov=fnmlp --cov-context=test` tells who runs what.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that take batches of MNIST: `pytest -m mnist` runs them alone; and those without coverage."""
    for item in items:
        if "mnist_batches" in getattr(item, "fixturenames", ()):
            item.add_marker("mnist")
        if not UNMEASURED.isdisjoint({item.path.stem.removeprefix("test_"), getattr(item, "originalname", None)}):
            item.add_marker("no_cover")


@pytest.fixture
def torch_in_float64() -> Iterator[None]:
    """Make float64 torch's default dtype, in which its NAdam keeps the product of its momenta."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def pytest_collection_finish() -> None:
    """Exempt the thousands of tests, which stay until the end, from garbage collection."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """After a failure, say why a new name can't be imported, because then its tests can't be collected."""
    for line in [*names.unlisted(), *names.stale()] if exitstatus else ():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def kernels() -> tuple[str, ...]:
    """Return the kernels of BLAS that this processor can run; a nameless one if NumPy's BLAS has only one."""
    return offered_kernels(Path(sys.executable))


@pytest.fixture(scope="session")
def mnist_batches() -> tuple[Batch, ...]:
    """Return 50 batches of 64 images (uint8, 784 pixels) and labels, from MNIST or a substitute."""
    there = (FOLDER / "train-images-idx3-ubyte.gz").is_file()
    images, labels = _mnist(FOLDER, BATCHES * ROWS) if there else _stand_in(BATCHES * ROWS)
    return tuple(Batch(images[row : row + ROWS], labels[row : row + ROWS]) for row in range(0, len(labels), ROWS))


def _mnist(folder: Path, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return images.reshape(-1, 784)[:rows], labels[:rows]


def _stand_in(rows: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Enlarge scikit-learn's 8x8 digits to 24x24 in a frame of 28x28; shift each round of them."""
    from sklearn.datasets import load_digits

    digits, labels = load_digits(return_X_y=True)
    round_of, digit = np.divmod(np.arange(rows), len(labels))
    enlarged = np.kron(digits.reshape(-1, 8, 8), np.ones((3, 3)))
    framed = np.pad(enlarged, ((0, 0), (2, 2), (2, 2)))
    # Squaring makes greys as dark, and the mean as low, as in MNIST.
    pixels = np.rint((framed / 16) ** 2 * 255).astype(np.uint8).reshape(-1, 784)
    images = np.stack([np.roll(pixels[of], shift) for of, shift in zip(digit, round_of, strict=True)])
    return images, labels[digit].astype(np.uint8)


@pytest.fixture
def no_data_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test a cache and a Debian folder of its own, no data folder, and no mirrors to download from."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(datasets, "DEBIAN", tmp_path / "debian")
    for name, source in SOURCES.items():
        monkeypatch.setitem(SOURCES, name, evolve(source, mirrors=()))
