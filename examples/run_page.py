"""The HTML page about a run: its settings and curves, what it is wrong about, its model and its environment."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict

from engines import Engine
import fnmlp as fn
from fnmlp import reports
from fnmlp.data import Dataset
from fnmlp.labels import largest
from fnmlp.storage.environment import environment
from recipes import Recipe
from run_members import Member
from run_settings import Settings
from training_run import Entry, Progress, model_of

MISTAKES = 24
"""The most mistakes that a page shows."""


def write_page(
    path: Path, engine: Engine, members: Sequence[Member], data: Dataset, settings: Settings, progress: Progress
) -> None:
    """Write the page about a run that has ended."""
    recipe, [*_, last] = members[0].recipe, progress.history
    model, params = model_of(members, progress)
    outputs = None if settings.no_eval else engine.predict(model, params, data.test.inputs)
    html = reports.page(
        f"{data.name}, recipe {settings.recipe}",
        result_of(last, settings, data),
        reports.section("Curves", reports.curves(progress.history)),
        *([] if outputs is None else judged(outputs, data)),
        reports.section("Model", reports.verbatim(fn.summary(model, data.train.inputs.shape[1:]))),
        reports.section("Settings", reports.facts(settings_shown(recipe, data, settings))),
        reports.section("Environment", reports.facts(environment_of(engine, last))),
    )
    reports.save_page(path, html)


def result_of(last: Entry, settings: Settings, data: Dataset) -> str:
    """Say in a sentence how good the model is."""
    if settings.no_eval:
        return f"Not evaluated. The training loss of the last epoch is {last['train_loss']:.5f}."
    share, loss = last[f"{settings.judge}_accuracy"], last[f"{settings.judge}_loss"]
    return (
        f"{share:.2%} of {len(data.test):,} {settings.judge} images are classified correctly; the loss is {loss:.5f}."
    )


def judged(outputs: fn.Array, data: Dataset) -> Iterator[str]:
    """Yield the sections on what the model is wrong about."""
    labels, classes = data.test.targets, data.classes
    yield reports.section("Confusion matrix", reports.confusion(fn.confusion_matrix(outputs, labels), classes))
    rows = reports.worst_mistakes(outputs, labels, most=MISTAKES)
    if not len(rows):
        yield reports.section("Worst mistakes", "There are none.")
        return
    taken = largest(outputs[rows])
    titles = [
        f"{classes[label]}, taken for {classes[guess]}\nat {outputs[row, guess]:.1%}\nno. {row}"
        for row, label, guess in zip(rows, labels[rows], taken, strict=True)
    ]
    told = "The images that the model is wrong about and most certain of, with the probability that it gives."
    yield reports.section("Worst mistakes", told, reports.samples(data.test.inputs[rows], titles))


def settings_shown(recipe: Recipe, data: Dataset, settings: Settings) -> dict[str, Any]:
    """Return what decides the results of a run, by the names of the options."""
    return {
        "data set": data.name,
        "training images": f"{len(data.train):,}",
        f"{settings.judge} images": f"{len(data.test):,}",
        "seed": settings.seed,
        **{name.replace("_", " "): text_of(value) for name, value in asdict(recipe).items()},
    }


def text_of(value: object) -> str:
    """Write the value of an option.

    >>> text_of((512, 256)), text_of(()), text_of(0.5)
    ('512, 256', 'none', '0.5')
    """
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def environment_of(engine: Engine, last: Entry) -> dict[str, str]:
    """Return what the last bits of the results depend on, and the digest that tells whether they are the same."""
    return {
        "fnmlp": fn.__version__,
        "engine": f"{engine.name} ({engine.version})",
        **environment(),
        "SHA-256 of the parameters": last["parameters_sha256"],
    }
