"""Claims about where data sets are searched for, and which files are refused."""

from collections.abc import Callable
from functools import partial
import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.data import (
    Dataset,
    data_sets_in,
    digits,
    emnist,
    fashion_mnist,
    kmnist,
    load_dataset,
    mnist,
    qmnist,
    read_idx,
    write_idx,
)
from fnmlp.data.folders import FOLDER_VARIABLE
from fnmlp.data.sources import MNIST_SHA256, SOURCES
from fnmlp.errors import DataError, DataNotFoundError, OptionError, one_line
from tests.data_sets import (
    EACH_SET,
    PARTS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    digests_of,
    known_as,
    made_up,
    mark_of,
    why_not_read,
    write_files,
    write_set,
)
from tests.optional import optional
from tests.sweep import each

pytestmark = pytest.mark.usefixtures("no_data_folders")
DataLoader = optional("torch.utils.data").DataLoader

KINDS = tuple(SOURCES.values())


# Where it is looked for.


@pytest.mark.parametrize("ending", ["", ".gz"])
@EACH_SET
def test_a_data_set_is_read_whole_raw_or_packed(name: str, ending: str, tmp_path: Path) -> None:
    arrays = made_up(3, name)
    write_set(tmp_path / "data" / name, arrays, ending)
    dataset = load_dataset(name, tmp_path / "data")
    assert (dataset.name, dataset.white, dataset.classes) == (name, 255, SOURCES[name].classes)
    found = (dataset.train.inputs, dataset.train.targets, dataset.test.inputs, dataset.test.targets)
    for part, array in zip(SOURCES[name].files, found, strict=True):
        assert np.array_equal(array, arrays[part])
        assert array.dtype == np.uint8
        assert not array.flags.writeable


def test_raw_and_packed_files_may_be_mixed_and_raw_wins(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "mnist", made_up(1))
    write_idx(folder / TRAIN_IMAGES, made_up(2)[TRAIN_IMAGES])
    assert mark_of(mnist(folder, mirrors=())) == 2


@EACH_SET
def test_the_places_come_one_before_the_other(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / "given" / name, tmp_path / "given", tmp_path / "variable" / name, tmp_path / "variable"]
    places += [tmp_path / "cache" / "fnmlp" / name, *([tmp_path / "debian" / name] if SOURCES[name].in_debian else [])]
    arguments = [tmp_path / "given", tmp_path / "given", None, None, None, None]
    variables = [tmp_path / "variable"] * 4 + [""] * 2
    known_as(monkeypatch, made_up(4, name), name)
    for mark in reversed(range(len(places))):
        write_set(places[mark], made_up(mark, name))
        monkeypatch.setenv(FOLDER_VARIABLE, str(variables[mark]))
        assert mark_of(load_dataset(name, arguments[mark])) == mark


@pytest.mark.parametrize("by_variable", [False, True])
@EACH_SET
def test_a_named_folder_without_the_data_set_is_refused_though_other_places_have_it(
    name: str, by_variable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was passed over: the cache was read, a download was tried, or small digits were trained."""
    known_as(monkeypatch, made_up(4, name), name)
    for place in ("cache/fnmlp", "variable", "debian"):
        write_set(tmp_path / place / name, made_up(4, name))
    (tmp_path / "given").mkdir()
    for entry in ("b.csv", "a.npz", "e.txt", "d.txt", "c.txt"):
        (tmp_path / "given" / entry).touch()
    folder = tmp_path / "given"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder if by_variable else tmp_path / "variable"))
    with pytest.raises(DataError) as caught:
        load_dataset(name, None if by_variable else folder)
    assert not isinstance(caught.value, DataNotFoundError)
    where = f"{FOLDER_VARIABLE}={folder}" if by_variable else str(folder)
    text = one_line(caught.value)
    source = SOURCES[name]
    assert text.startswith(
        f"{where}: expected {name}'s files, such as {source.files[0]}.gz, there or in {source.folders[0]}/"
    )
    assert "got a.npz, b.csv, c.txt, d.txt and 1 more; correct" in text
    assert ("unset" in text) == by_variable


def test_an_empty_named_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    assert "got an empty folder; correct the path" in why_not_read(tmp_path / "given")


def test_a_named_folder_that_can_not_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "given").mkdir()
    monkeypatch.setattr("os.scandir", denied)  # the superuser, who runs some tests, is denied nothing
    assert "got a folder that can't be read (Permission denied)" in why_not_read(tmp_path / "given")


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_empty_counts_as_unset(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv(FOLDER_VARIABLE, value)
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "mnist", made_up(1))  # an empty name must not mean the folder where one stands
    assert data_sets_in() == ()
    with pytest.raises(DataNotFoundError):
        mnist(mirrors=())


@EACH_SET
def test_what_is_nowhere_is_named_with_every_place_and_the_remedy(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError) as caught:
        load_dataset(name)
    text = str(caught.value)
    packaged = SOURCES[name].in_debian
    for place in (f"cache/fnmlp/{name}", *([f"debian/{name}"] if packaged else [])):
        assert str(tmp_path / place) in text
    assert f"--data-dir DIR or set {FOLDER_VARIABLE}=DIR" in text
    assert (f"dataset-{name}" in text) == packaged
    assert not (tmp_path / "cache").exists()


@each("name", [name for name, source in SOURCES.items() if not source.digests])
def test_what_is_in_no_cache_is_asked_for_by_folder(name: str) -> None:
    with pytest.raises(DataNotFoundError, match="a folder that you name, got none; put its four IDX files into"):
        load_dataset(name, None)


def test_a_name_that_no_data_set_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"load_dataset\(name\): expected 'mnist' or .*, got 'minst'"):
        load_dataset("minst")


NAMED: dict[str, Callable[[Path], Dataset]] = {
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "kmnist": kmnist,
    "qmnist": qmnist,
    **{name: partial(emnist, name.removeprefix("emnist-")) for name in SOURCES if name.startswith("emnist-")},
}


@each("name", NAMED)
def test_a_function_named_after_a_data_set_loads_it(name: str, tmp_path: Path) -> None:
    write_files(tmp_path / name, name, mark=3)
    dataset = NAMED[name](tmp_path)
    assert (dataset.name, mark_of(dataset)) == (name, 3)


def test_a_split_that_emnist_does_not_have_is_refused() -> None:
    with pytest.raises(OptionError, match="'letters' or"):
        emnist("capitals")


@pytest.mark.parametrize(
    ("name", "words"),
    [("file", "got a file"), ("nowhere", "nothing of this name"), pytest.param("x" * 300, "nothing", id="long")],
)
def test_a_data_dir_that_is_no_folder_is_refused_before_any_other_is_looked_at(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    write_set(tmp_path / "variable" / "mnist", made_up())
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "variable"))
    assert words in why_not_read(tmp_path / name)


@pytest.mark.parametrize("missing", PARTS)
def test_an_incomplete_folder_is_refused_and_the_missing_file_named(missing: str, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "mnist", made_up())
    (folder / f"{missing}.gz").unlink()
    assert f"got no {missing}; put it there" in why_not_read(folder)


# What is found must be the data set.

LABELS, IMAGES = made_up()[TRAIN_LABELS], made_up()[TRAIN_IMAGES]


@pytest.mark.parametrize(
    ("part", "array", "words"),
    [
        pytest.param(TRAIN_IMAGES, LABELS, "expected uint8 images (n, 28, 28), got uint8 (7,)", id="labels"),
        pytest.param(TEST_LABELS, IMAGES, "expected uint8 labels (n,), got uint8 (7, 28, 28)", id="images"),
        pytest.param(TRAIN_IMAGES, IMAGES[:, :27], "got uint8 (7, 27, 28)", id="27-rows"),
        pytest.param(TRAIN_IMAGES, IMAGES[:, :, :8], "got uint8 (7, 28, 8)", id="8-columns"),
        pytest.param(TEST_IMAGES, IMAGES.reshape(7, 784), "got uint8 (7, 784)", id="flat"),
        pytest.param(TEST_IMAGES, IMAGES[:0], "expected at least one row, got none", id="no-images"),
        pytest.param(TRAIN_LABELS, LABELS[:0], "expected at least one row, got none", id="no-labels"),
        pytest.param(TRAIN_IMAGES, IMAGES.astype(np.float32), "got float32 (7, 28, 28)", id="float32-images"),
        pytest.param(TRAIN_LABELS, LABELS.astype(np.int8), "got int8 (7,)", id="int8-labels"),
        pytest.param(TRAIN_LABELS, LABELS[:6], "got 7 images and 6 labels", id="labels-lost"),
        pytest.param(TEST_IMAGES, IMAGES[:1], "got 1 images and 5 labels", id="images-lost"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_arrays_that_do_not_belong_there_are_refused_with_their_file(
    part: str, array: NDArray[Any], words: str, ending: str, tmp_path: Path
) -> None:
    folder = write_set(tmp_path / "mnist", {**made_up(), part: array}, ending)
    text = why_not_read(folder)
    assert words in text
    assert part.split("-", maxsplit=1)[0] in text


@pytest.mark.parametrize("label", [10, 255])
@pytest.mark.parametrize("part", [TRAIN_LABELS, TEST_LABELS])
def test_a_label_out_of_range_is_refused_with_its_row_and_file(part: str, label: int, tmp_path: Path) -> None:
    labels = made_up()[part].copy()
    labels[3] = label
    folder = write_set(tmp_path / "mnist", {**made_up(), part: labels})
    text = why_not_read(folder)
    assert f"labels[3]: expected 0 to 9, got {label};" in text
    assert f"in {folder / part}.gz" in text


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", gzip.compress(b"\0\0\x08\x01", mtime=0)[:-1]])
def test_a_file_that_is_no_idx_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "mnist", made_up())
    (folder / f"{TEST_LABELS}.gz").write_bytes(content)
    assert f"{TEST_LABELS}.gz" in why_not_read(folder)


def test_a_folder_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "mnist", made_up(5))
    (folder / TRAIN_IMAGES).mkdir()
    assert mark_of(mnist(folder, mirrors=())) == 5
    (folder / f"{TRAIN_IMAGES}.gz").unlink()
    assert f"got no {TRAIN_IMAGES}" in why_not_read(folder)


def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "mnist", made_up())
    os.mkfifo(folder / TRAIN_IMAGES)
    assert "pipe" in why_not_read(folder)


# What lies in the cache is verified each time.


@EACH_SET
@pytest.mark.parametrize("place", range(4))
def test_a_cache_that_was_tampered_with_is_refused_at_use(
    name: str, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = SOURCES[name].files[place]
    arrays = made_up(9, name)
    known_as(monkeypatch, arrays, name)
    folder = write_set(tmp_path / "cache" / "fnmlp" / name, arrays)
    assert mark_of(load_dataset(name)) == 9
    changed = read_idx(folder / f"{part}.gz").copy()
    changed.flat[0] ^= 1
    write_idx(folder / f"{part}.gz", changed)
    with pytest.raises(DataError) as caught:
        load_dataset(name)
    assert str(folder / f"{part}.gz") in str(caught.value)
    assert "other bytes" in str(caught.value)
    assert "delete the file" in caught.value.remedy


@pytest.mark.parametrize("place", ["fnmlp", "fnmlp/mnist"])
def test_a_cache_that_is_a_link_or_that_others_may_write_to_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = made_up(1)
    known_as(monkeypatch, arrays)
    write_set(tmp_path / "cache" / "fnmlp" / "mnist", arrays)
    folder = tmp_path / "cache" / place
    assert mark_of(mnist(mirrors=())) == 1
    folder.chmod(0o777)
    with pytest.raises(DataError, match=f"{folder}: expected .* got permissions 777; run chmod 700 {folder}"):
        mnist(mirrors=())
    folder.chmod(0o700)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"{folder}: expected a folder, got a symbolic link"):
        mnist(mirrors=())


def test_the_cache_is_not_looked_at_where_an_earlier_place_has_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "fnmlp").write_text("no folder")
    write_set(tmp_path / "elsewhere" / "mnist", made_up(1))
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    assert mark_of(mnist(mirrors=())) == 1


def test_files_that_the_user_puts_elsewhere_need_not_be_the_known_ones(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "mnist", made_up(1))
    assert digests_of(made_up(1)) != MNIST_SHA256
    assert mark_of(mnist(folder, mirrors=())) == 1


@pytest.mark.parametrize("missing", PARTS)
def test_an_incomplete_cache_is_one_that_another_program_fills_and_no_error(missing: str, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "cache" / "fnmlp" / "mnist", made_up())
    (folder / f"{missing}.gz").unlink()
    with pytest.raises(DataNotFoundError):
        mnist(mirrors=())
    write_set(tmp_path / "given" / "mnist", made_up(6))
    assert mark_of(mnist(tmp_path / "given", mirrors=())) == 6


# The embedded digits.


def test_digits_are_the_known_ones_in_the_documented_form() -> None:
    dataset = digits()
    assert (dataset.name, dataset.classes, dataset.white) == ("digits", tuple("0123456789"), 16)
    assert dataset.train.inputs.shape == (1438, 8, 8)
    assert dataset.test.inputs.shape == (359, 8, 8)
    for batch in (dataset.train, dataset.test):
        assert batch.inputs.dtype == batch.targets.dtype == np.uint8
        assert (int(batch.inputs.min()), int(batch.inputs.max())) == (0, 16)
        assert sorted(np.unique(batch.targets)) == list(range(10))
        assert not batch.inputs.flags.writeable


def test_every_fifth_digit_is_for_testing_and_none_is_in_both_parts() -> None:
    from sklearn.datasets import load_digits

    known, dataset = load_digits(), digits()
    assert np.array_equal(dataset.test.inputs, known.images[4::5])
    assert np.array_equal(dataset.test.targets, known.target[4::5])
    rest = np.arange(len(known.images)) % 5 != 4
    assert np.array_equal(dataset.train.inputs, known.images[rest])


@each("part", ["train", "test"])
def test_torch_takes_a_part_of_a_data_set_by_len_and_index(part: str) -> None:
    batch = getattr(digits(), part)
    loader: Any = DataLoader(batch, batch_size=100)
    pairs = list(loader)
    assert np.array_equal(np.concatenate([images.numpy() for images, _ in pairs]), batch.inputs)
    assert np.array_equal(np.concatenate([labels.numpy() for _, labels in pairs]), batch.targets)
