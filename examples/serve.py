"""Serve a classifier on the web: `python examples/serve.py model.safetensors`, then POST rows to /predict."""

from contextlib import suppress
from functools import partial
import json
from pathlib import Path
import sys
from typing import Any

from imports import import_failure

try:
    from attrs import frozen
    import click
    import numpy as np

    from command_line import FILE, option, run
    import fnmlp as fn
    from fnmlp.errors import quoted
    from json_service import Service, serve
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")


KINDS = {
    bool: "true or false",
    dict: "an object",
    float: "a fraction",
    list: "lists of several lengths",
    str: "a text",
    type(None): "null",
}
"""What JSON may hold in the place of a number."""

REMEDY = 'send {"inputs": [row, row, ...]}'


@frozen(eq=False)
class Classifier:
    """A model that returns probabilities, the names of its classes, and the dtype of its inputs."""

    saved: fn.SavedModel
    classes: list[Any]
    dtype: str


def load(path: Path) -> Classifier:
    """Load a model file; its note `classes` may name the classes, as a JSON list of texts."""
    saved = fn.load_model(path)
    if "table" in saved.notes:
        remedy = "predict with examples/table.py"
        raise fn.CheckpointError(str(path), "a model of arrays", "one of a table's columns", remedy)
    dtype, outputs = trial(saved)
    if outputs.ndim != 2 or not outputs.size or outputs.min() < 0 or not abs(outputs.sum() - 1) < 1e-3:
        expected = "a model that returns a probability for each class"
        raise fn.CheckpointError(str(path), expected, repr(saved.model), "end it with softmax()")
    return Classifier(saved, names_of(path, saved, outputs.shape[1]), dtype)


def names_of(path: Path, saved: fn.SavedModel, classes: int) -> list[Any]:
    """Return the names of the classes: those of the note, or numbers from 0."""
    text = saved.notes.get("classes", str([*range(classes)]))
    with suppress(ValueError, RecursionError):
        names = json.loads(text)
        if isinstance(names, list) and len(names) == classes and {*map(type, names)} <= {int, str}:
            return names
    expected, remedy = f"a JSON list of {classes} names", "save the model with other notes"
    raise fn.CheckpointError(f"{path}: the note 'classes'", expected, quoted(text), remedy)


def trial(saved: fn.SavedModel) -> tuple[str, fn.Array]:
    """Return the dtype that a model takes, that of its parameters or integers, and the outputs for zeros."""
    floats = next((str(leaf.dtype) for leaf in fn.tree_leaves(saved.params)), "float32")
    try:
        return floats, fn.predict(saved.model, saved.params, np.zeros((1, *saved.example), floats))
    except fn.DtypeError:  # an embedding
        return "int64", fn.predict(saved.model, saved.params, np.zeros((1, *saved.example), np.int64))


def rows_of(classifier: Classifier, request: Any) -> fn.Array:
    """Return the rows of a request as an array; raise unless they are finite numbers of the model's shape."""
    allowed = {int} if classifier.dtype == "int64" else {int, float}
    example = ", ".join(map(str, ("rows", *classifier.saved.example)))
    expected = f"{'numbers' if float in allowed else 'integers'} of shape ({example})"
    if not isinstance(request, dict) or request.keys() != {"inputs"}:
        raise fn.DataError("request", 'an object with "inputs" alone', "something else", REMEDY)
    given = np.array(request["inputs"], object)  # NumPy would turn all numbers into texts if one of them is a text
    if wrong := set(map(type, given.flat)) - allowed:
        raise fn.DataError("inputs", expected, " and ".join(sorted(KINDS[kind] for kind in wrong)), REMEDY)
    if given.shape[1:] != classifier.saved.example or not given.size:
        raise fn.DataError("inputs", expected, f"shape {given.shape}", REMEDY)
    with suppress(OverflowError), np.errstate(over="ignore"):
        rows = given.astype(classifier.dtype)
        if np.isfinite(rows).all():
            return rows
    raise fn.DataError("inputs", f"numbers that fit {classifier.dtype}", "one that does not", "send smaller ones")


def predicted(classifier: Classifier, request: Any) -> Any:
    """Answer a request: the most probable class of each row, and the probabilities of all."""
    rows = rows_of(classifier, request)
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = fn.predict(classifier.saved.model, classifier.saved.params, rows)
    if not np.isfinite(outputs).all():  # JSON has no NaN
        raise fn.DataError("outputs", "finite numbers", "infinity or NaN", "send smaller numbers")
    best = [classifier.classes[place] for place in outputs.argmax(axis=1)]
    return {"classes": best, "probabilities": outputs.tolist()}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=FILE)
@option("--host", default="127.0.0.1", help="The address to listen on; 0.0.0.0 for all of this machine.")
@option("--port", type=click.IntRange(0, 65535), default=8000, help="The port to listen on; 0 for a free one.")
@option("--limit", type=click.IntRange(1), default=4_000_000, help="The most bytes of a request.")
@option("--patience", type=click.IntRange(1, 3600), default=10, help="Seconds to wait for a client.")
def main(model: Path, host: str, port: int, limit: int, patience: float) -> None:
    """Serve MODEL, a file with a network that returns probabilities, until Ctrl-C or SIGTERM.

    POST {"inputs": [row, ...]} to /predict, and get {"classes": [...], "probabilities": [[...], ...]}.
    """
    answers = {"/predict": partial(predicted, load(model))}
    try:
        service = Service((host, port), answers, limit=limit, patience=patience)
    except (OSError, UnicodeError) as error:
        raise click.UsageError(f"can't listen on {host}, port {port} ({error}); choose others") from error
    serve(service, f"serving {model} on http://{host}:{service.server_port}")


if __name__ == "__main__":
    run(main)
