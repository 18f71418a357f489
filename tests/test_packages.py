"""Claims about the wheel: what it holds and requires. `python -m tests.packages` installs it, with each extra too."""

from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

import fnmlp
from tests.packages import PROMISES, built, project

MOST = 500_000
"""The most bytes of the wheel: nine tenths of it is source, a third of that the documentation that `help` shows."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    pytest.importorskip("hatchling", reason="it builds the wheel")
    [path] = built(tmp_path_factory.mktemp("dist"), "wheel")
    return path


def test_the_wheel_is_small_and_pure_and_holds_the_package_alone(wheel: Path) -> None:
    assert wheel.name == f"fnmlp-{fnmlp.__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < MOST
    root = Path(fnmlp.__file__).parent
    sources = {
        str(path.relative_to(root.parent)) for path in root.rglob("*") if path.suffix in (".py", ".pyi", ".typed")
    }
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if ".dist-info/" not in name} == {*sources, "fnmlp/py.typed"}


def test_the_wheel_requires_what_the_readme_says_and_offers_the_extras(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        told = message_from_bytes(archive.read(f"fnmlp-{fnmlp.__version__}.dist-info/METADATA"))
    assert told["Version"] == fnmlp.__version__
    needs = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split(">")[0] for line in needs) == ["attrs", "numpy", "safetensors"]
    assert {*told.get_all("Provides-Extra", [])} == {*project()["optional-dependencies"]}


def test_every_extra_is_tried() -> None:
    assert {*project()["optional-dependencies"]} <= {*PROMISES}
