"""Model files for images, with notes that describe the pixels and classes."""

import json
from pathlib import Path
from typing import Any

from attrs import frozen
import click
import numpy as np

from data_sets import DATASETS, FITS
import fnmlp as fn
from fnmlp.data import Dataset, read_image
from fnmlp.storage import models
from recipe_building import build_loss
from recipes import LOSSES, Recipe


def model_parts(model: fn.Layer[Any], params: Any, data: Dataset, recipe: Recipe) -> tuple[Any, dict[str, str]]:
    """Return the parts to save of a model that returns probabilities, with notes on its images and classes."""
    notes = {"dataset": data.name, "loss": recipe.loss, "classes": json.dumps(data.classes), "white": str(data.white)}
    return models.model_parts(model, params, example=data.train.inputs.shape[1:], notes=notes)


def loss_of_probabilities(name: str) -> fn.Loss:
    """Return the loss that a model was trained with, as a function of probabilities."""
    if name == "cross-entropy":
        return lambda shares, labels: fn.nll(np.log(np.maximum(shares, np.finfo(shares.dtype).tiny)), labels)
    return build_loss(Recipe(loss=name))


def scores_of(outputs: fn.Array, labels: fn.Array, loss: str) -> tuple[float, float]:
    """Return the loss and the accuracy of probabilities."""
    value, _ = loss_of_probabilities(loss)(outputs, labels)
    return float(value), fn.accuracy(outputs, labels)


@frozen
class ImageModel:
    """A model that reads images, as `train --output` saved it."""

    path: Path
    saved: fn.SavedModel
    classes: tuple[str, ...]
    white: int

    def read(self, path: Path, *, invert: bool, fit: bool) -> fn.Array:
        """Read an image file, and warn on stderr if it looks wrong."""
        dataset = self.saved.notes["dataset"]
        if fit and dataset not in FITS:
            raise click.UsageError(f"--fit is for handwriting, and {self.path} was trained on {dataset}")
        form = FITS[dataset] if fit else None
        image = read_image(path, self.saved.example, white=self.white, invert=invert, fit=form)
        if text := doubt(image, self.white, invert=invert):
            click.echo(f"warning: {path}: {text}", err=True)
        return image

    def test_set(self, dataset: str | None, data_dir: Path | None) -> fn.Batch:
        """Load the test images of a data set, by default of the one that the model was trained on."""
        name = dataset or self.saved.notes["dataset"]
        data = DATASETS[name](data_dir)
        if data.test.inputs.shape[1:] != self.saved.example or data.white != self.white:
            got = f"{name}'s {data.test.inputs.shape[1:]} with pixels up to {data.white}"
            remedy = f"choose the --dataset that it was trained on ({self.saved.notes['dataset']})"
            expected = f"images of shape {self.saved.example} with pixels up to {self.white}"
            raise fn.DataError(str(self.path), expected, got, remedy)
        return data.test


def is_run(saved: fn.Checkpoint) -> bool:
    """Tell whether a file is one that `train --checkpoint` wrote."""
    return "history" in saved.description and "model" not in saved.description


def model_in(path: Path, advice: str) -> fn.SavedModel:
    """Load a model file; raise for the checkpoint of a run, with advice on what to do with one."""
    found = fn.load(path)
    if is_run(found):
        remedy = f"{advice}; save models with `train --output`"
        raise fn.CheckpointError(str(path), "a model", "the checkpoint of a run", remedy)
    return models.read_model(found)


def doubt(image: fn.Array, white: int, *, invert: bool) -> str:
    """Return a warning for an image that looks wrong, or ""."""
    low, high = int(image.min()), int(image.max())
    if 10 * (high - low) < white:
        drawn = "nothing" if low == high else "next to nothing"
        advice = "" if invert else "; do dark strokes need --invert?"
        return f"{drawn} is drawn: levels {low} to {high} of 0 to {white}{advice}"
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    if 2 * float(np.median(border)) > white:
        advice = "is --invert right?" if invert else "does it need --invert?"
        return f"the ground is light, but the model expects light strokes on a dark one; {advice}"
    return ""


def load(path: Path) -> ImageModel:
    """Load a model file; raise unless it is a model for images."""
    saved = model_in(path, "continue it with `train --resume`, or see its steps with `replay`")
    try:
        classes, white = tuple(json.loads(saved.notes["classes"])), int(saved.notes["white"])
        known = saved.notes["loss"] in LOSSES and saved.notes["dataset"] in DATASETS
        named = all(isinstance(name, str) for name in classes)
        outputs = fn.predict(saved.model, saved.params, np.zeros((1, *saved.example), np.uint8))
        if known and named and 1 <= white <= 255 and outputs.shape == (1, len(classes)):
            return ImageModel(path, saved, classes, white)
    except (KeyError, TypeError, ValueError):
        pass
    remedy = "give a file that this program's `train --output` wrote"
    raise fn.CheckpointError(str(path), "notes on classes, pixels, loss and data set", "none that fit", remedy)
