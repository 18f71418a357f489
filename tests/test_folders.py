"""The names of folders and files of authors, Kaggle and torchvision: each data set is found under all of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fnmlp.data import (
    data_sets_in,
    emnist,
    fashion_mnist,
    load_dataset,
    mnist,
    qmnist,
)
from fnmlp.data.folders import FOLDER_VARIABLE
from fnmlp.data.sources import SOURCES
from fnmlp.errors import DataError, one_line
from tests.data_sets import (
    EACH_SET,
    TEST_IMAGES,
    made_up,
    mark_of,
    why_not_read,
    write_files,
    write_quickly,
    write_set,
)
from tests.sweep import each

KINDS = tuple(SOURCES.values())

pytestmark = pytest.mark.usefixtures("no_data_folders")


@each(("name", "folder"), [(one.name, folder) for one in KINDS for folder in (*one.folders, "", "raw")])
def test_every_usual_folder_is_known_wherever_it_is_named(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / f"{name} in {folder.replace('/', ' in ')}"
    write_files(data / folder, name, mark=6)
    for variable, data_dir in (("", data), (str(data), None)):
        monkeypatch.setenv(FOLDER_VARIABLE, variable)
        dataset = load_dataset(name, data_dir)
        assert (dataset.name, dataset.classes, mark_of(dataset)) == (name, SOURCES[name].classes, 6)
        assert dataset.train.targets.tolist() == dataset.test.targets.tolist() == [0, 1, 2]
        assert name in data_sets_in(data_dir)


@each(("name", "folder"), [(one.name, folder) for one in KINDS for folder in one.folders])
def test_the_folder_of_the_files_themselves_may_be_named(name: str, folder: str, tmp_path: Path) -> None:
    files = tmp_path / name / folder
    write_files(files, name, mark=7)
    assert mark_of(load_dataset(name, files)) == 7
    assert name in data_sets_in(files)


def kaggles(part: str) -> str:
    return part.replace("-idx", ".idx")


SPELLINGS: dict[str, Callable[[str], str]] = {
    "Kaggle's": kaggles,
    "Kaggle's folders": lambda part: f"{part}/{part}",
    "test for t10k": lambda part: part.replace("t10k", "test"),
    "both": lambda part: kaggles(part).replace("t10k", "test"),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("ending", ["", ".gz"])
@EACH_SET
def test_every_usual_spelling_is_known(name: str, spelling: Callable[[str], str], ending: str, tmp_path: Path) -> None:
    for part, array in made_up(8, name).items():
        path = tmp_path / "data" / f"{spelling(part)}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_quickly(path, array)
    assert mark_of(load_dataset(name, tmp_path / "data")) == 8


def test_a_folder_that_is_called_after_another_data_set_is_not_read_as_mnist(tmp_path: Path) -> None:
    """`--data-dir fashion-mnist` trained on clothes, and called them digits."""
    for folder in ("fashion-mnist", "FashionMNIST/raw", "KMNIST/raw"):
        name = "kmnist" if folder.startswith("K") else "fashion-mnist"
        write_set(tmp_path / folder, made_up(2))
        assert data_sets_in(tmp_path / folder) == (name,)
        text = why_not_read(tmp_path / folder)
        assert f"got those of {name}; choose --dataset {name}, or correct the path" in text


def test_mnist_is_found_beside_its_kin_and_an_incomplete_place_is_no_obstacle(tmp_path: Path) -> None:
    for mark, folder in enumerate(("FashionMNIST/raw", "mnist", "MNIST/raw")):
        write_set(tmp_path / folder, made_up(mark))
    (tmp_path / "mnist" / f"{TEST_IMAGES}.gz").unlink()
    assert mark_of(mnist(tmp_path)) == 2
    assert mark_of(fashion_mnist(tmp_path)) == 0
    assert data_sets_in(tmp_path) == ("mnist", "fashion-mnist")


def test_images_of_emnist_are_turned_upright(tmp_path: Path) -> None:
    rows = np.broadcast_to(np.arange(28, dtype=np.uint8)[:, None], (3, 28, 28))  # as it is seen: darker row by row
    for name in ("emnist-digits", "qmnist"):
        write_files(tmp_path / name, name, images=rows.transpose(0, 2, 1) if name.startswith("emnist") else rows)
        for part in (load_dataset(name, tmp_path / name).train, load_dataset(name, tmp_path / name).test):
            assert np.array_equal(part.inputs, rows)
            assert part.inputs.flags.c_contiguous
            assert not part.inputs.flags.writeable


@pytest.mark.parametrize(("label", "words"), [(0, "expected 1 to 26, got 0;"), (27, "expected 1 to 26, got 27;")])
def test_a_letter_out_of_range_is_refused_in_the_numbers_of_the_file(label: int, words: str, tmp_path: Path) -> None:
    write_files(tmp_path / "data", "emnist-letters", labels=np.array([1, label, 26], np.uint8))
    with pytest.raises(DataError) as caught:
        emnist("letters", tmp_path / "data")
    assert f"labels[1]: {words}" in one_line(caught.value)


def test_labels_of_qmnist_have_eight_columns(tmp_path: Path) -> None:
    write_files(tmp_path / "data", "qmnist", labels=np.arange(3, dtype=np.uint8))
    with pytest.raises(DataError, match=r"expected int32 labels \(n, 8\), got uint8 \(3,\)"):
        qmnist(tmp_path / "data")
