"""Image data sets by their names on the command line, and the split for validation."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from attrs import evolve
import click

import fnmlp as fn
from fnmlp.data import SOURCES, Dataset, Fit, data_sets_in, digits, load_dataset, mnist


def _digits(data_dir: Path | None) -> Dataset:
    if data_dir is not None:
        remedy = "leave out --data-dir, or choose another --dataset"
        raise fn.DataError("digits", "no folder: they come with scikit-learn", data_dir, remedy)
    return digits()


DATASETS: Mapping[str, Callable[[Path | None], Dataset]] = {
    **{name: partial(load_dataset, name) for name in SOURCES},
    "digits": _digits,
}

FITS: Mapping[str, Fit] = {
    **{name: source.fit for name, source in SOURCES.items() if source.fit is not None},
    "digits": Fit(box=8, beyond=0.0),
}
"""How each data set of handwriting places its drawings."""


def pick_dataset(name: str, data_dir: Path | None) -> Dataset:
    """Load a data set by name; `auto` is the one in the user's folder, else MNIST, else scikit-learn's digits.

    If digits replace MNIST, a message on stderr says so, even with --quiet.
    """
    if name != "auto":
        return DATASETS[name](data_dir)
    held = data_sets_in(data_dir)
    if len(held) > 1 and "mnist" not in held:
        raise click.UsageError(f"--dataset: choose one of the data sets in the folder: {', '.join(held)}")
    if held and "mnist" not in held:
        return DATASETS[held[0]](data_dir)
    try:
        return mnist(data_dir)
    except fn.DataNotFoundError:
        text = "MNIST isn't here (--dataset mnist says why); training on scikit-learn's 8x8 digits instead"
        click.echo(text, err=True)
        return digits()


def with_validation(data: Dataset, share: float) -> Dataset:
    """Replace the test images by a share of the training images, the same for every seed; for 0, change nothing."""
    if not share:
        return data
    train, validation = fn.split_data(data.train, key=fn.Key(0), share=share)
    return evolve(data, train=train, test=validation)
