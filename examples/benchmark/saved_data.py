"""A data set in a file, which each process reads without importing anything else."""

from pathlib import Path

import numpy as np

import fnmlp as fn
from fnmlp.arrays import read_only
from fnmlp.data import Dataset


def save_data(path: Path, data: Dataset) -> None:
    """Write a data set for the processes."""
    np.savez(
        path,
        train_images=data.train.inputs,
        train_labels=data.train.targets,
        test_images=data.test.inputs,
        test_labels=data.test.targets,
        white=data.white,
        classes=data.classes,
    )


def load_data(path: Path) -> Dataset:
    """Read a data set that `save_data` wrote."""
    with np.load(path) as file:
        arrays = {name: read_only(file[name]) for name in file.files}
    train, test = (fn.Batch(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test"))
    return Dataset(path.stem, train, test, tuple(arrays["classes"].tolist()), int(arrays["white"]))
