"""Train, evaluate and use an MLP on images of handwritten digits: `python examples/mnist.py train --help`."""

from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
import sys
from typing import Any

from imports import import_failure, one_thread_each

one_thread_each(sys.argv[1:])

try:
    from attrs import evolve
    import click
    import numpy as np

    from command_line import (
        FILE,
        check_distinct,
        data_dir_option,
        fail,
        option,
        plot_option,
        run,
    )
    from data_sets import DATASETS, pick_dataset, with_validation
    from engines import Engine, alone, engine_of, engine_options, parallel_engine_of, parallel_options
    import fnmlp as fn
    from fnmlp import plots
    from fnmlp.data import Dataset
    from fnmlp.files import is_there
    from fnmlp.labels import largest
    from image_models import load, model_parts, scores_of
    from parallel_ranks import PATIENCE, check_same, is_first, ranks
    from pictures import Asked, check_asked, pictures_of, test_images_of
    from recipe_options import RecipeCommand, recipe_for, recipe_options, typed_fields, with_fields
    from run_checkpoints import (
        best_kept,
        best_so_far,
        changes_since,
        check_run,
        digest_of,
        engines_of,
        identity_of,
        origin_of,
        saved_parts,
        taken_up,
    )
    from run_events import check_folder, events_logged
    from run_members import Member, members_of, steps_in_all, steps_of
    from run_page import write_page
    from run_replay import replayed, report
    from run_reports import Say, completed, epoch_line, follow, matrix_text
    from run_settings import (
        Settings,
        check_settings,
        checkpoint_options,
        data_options,
        nothing_yet,
        of_rank,
        output_options,
        settings_of,
    )
    from training_run import Progress, beginning, model_of, steps_between_saves, steps_taken, training
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")


@click.group(no_args_is_help=False, context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@click.version_option(fn.__version__, prog_name="fnmlp")
def cli() -> None:
    """Train, evaluate and use a multilayer perceptron on images, with pure functions on NumPy."""


@cli.command(cls=RecipeCommand)
@recipe_options
@option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Seed of initial weights and order.")
@engine_options
@parallel_options
@data_options
@checkpoint_options
@output_options
@click.pass_context
def train(context: click.Context, /, **typed: Any) -> None:
    """Train a model.

    Without --recipe, the data set chooses one. For MNIST that is `lab`, a university lab's network and loop:
    784-512-10, ReLU, softmax, mean squared error, SGD with batches of 64, 15 epochs. For the lab's own pixels and rate,
    pass --pixels raw --rate 0.001. The other recipes evaluate on the test set once, after the last epoch.
    """
    comm = ranks()
    settings = of_rank(settings_of(typed), first=is_first(comm))
    if is_first(comm):
        check_settings(context, settings)
        check_folder(settings)
    say: Say = (lambda _: None) if settings.quiet else click.echo
    engine = engine_for(settings, comm=comm, say=say)
    data = with_validation(pick_dataset(settings.dataset, settings.data_dir), settings.validation)
    named = recipe_for(data.name, settings.recipe)
    settings, recipe = evolve(settings, recipe=named), with_fields(named, typed_fields(context))
    members = members_of(recipe, data, settings.seed)
    say(f"{data.name}: {len(data.train)} images to train on, {len(data.test)} {settings.purpose}")
    say(f"recipe: {named}" + (f", {len(members)} networks" if len(members) > 1 else ""))
    say(fn.summary(members[0].model, data.train.inputs.shape[1:]))
    progress = trained(engine, members, data, settings, say, comm)
    write_results(alone(engine), members, data, settings, progress, say)


def engine_for(settings: Settings, *, comm: Any, say: Say) -> Engine:
    """Return the engine that a run asks for."""
    if settings.parallel:
        return parallel_engine_of(settings.engine, settings.device, shards=settings.shards, comm=comm)
    return engine_of(settings.engine, settings.device, say=say)


def write_results(
    engine: Engine, members: Sequence[Member], data: Dataset, settings: Settings, progress: Progress, say: Say
) -> None:
    """Write what the user asked for at the end of a run."""
    if settings.history:
        say(f"history saved to {settings.history}")
    if settings.output:
        fn.save(settings.output, *model_parts(*model_of(members, progress), data, members[0].recipe))
        say(f"model saved to {settings.output}")
    if settings.plot:
        plots.save_figure(settings.plot, plots.curves(progress.history))
        say(f"curves drawn to {settings.plot}")
    if settings.tensorboard:
        say(f"events logged to {settings.tensorboard}")
    if settings.report:
        write_page(settings.report, engine, members, data, settings, progress)
        say(f"report written to {settings.report}")


def trained(
    engine: Engine, members: Sequence[Member], data: Dataset, settings: Settings, say: Say, comm: Any
) -> Progress:
    """Train to the end of a run, or exit after a signal."""
    progress, progresses = started(engine, members, data, settings, say, saves=is_first(comm))
    check_same(comm, fn.tree_sha256((progress.state.params, progress.state.optimizer_state, data.train.inputs)))
    steps, epochs = steps_of(members[0].recipe, members[0].train), len(members) * members[0].recipe.epochs
    followed = partial(follow, steps=steps, epochs=epochs, line=epoch_line, settings=settings, say=say)
    waits = {"patience": PATIENCE} if settings.parallel else {}
    return completed(progress, progresses, followed, checkpoint=settings.checkpoint, **waits)


def started(
    engine: Engine, members: Sequence[Member], data: Dataset, settings: Settings, say: Say, *, saves: bool
) -> tuple[Progress, Generator[Progress, None, None]]:
    """Start or resume a run; return its first progress, and an iterator that continues and saves it."""
    recipe, progress, path = members[0].recipe, beginning(members), settings.checkpoint
    identity = identity_of(recipe, data, settings) if path else {}
    engines = engines_of(engine)
    if path and settings.resume and is_there(path):
        progress, engines, changes = taken_up(path, engine, recipe, data, settings, identity)
        say(f"resumed from {path}: epoch {len(progress.history) + 1}, step {progress.state.step}")
        for change in changes:
            say(change)
    elif path and settings.resume:
        say(nothing_yet(path))
    progresses = training(engine, members, data.test, settings, progress)
    if settings.best:
        best = best_so_far(settings.best, settings, progress)
        progresses = best_kept(progresses, members, data, settings, settings.best, best)
    if settings.tensorboard:
        progresses = events_logged(settings.tensorboard, alone(engine), members, data, settings, progresses)
    if path and saves:
        every = steps_between_saves(members, settings)
        seconds, keep = settings.checkpoint_seconds, settings.checkpoint_keep
        parts, step_of = partial(saved_parts, identity | engines, members[0].model), partial(steps_taken, members)
        progresses = fn.checkpoints(
            progresses, path, steps=every, seconds=seconds, keep=keep, parts=parts, step_of=step_of
        )
    return progress, progresses


@cli.command()
@click.argument("checkpoint", type=FILE)
@click.option("--step", type=click.IntRange(1), required=True, help="Number of the step, counted from 1.")
@data_dir_option
def replay(checkpoint: Path, step: int, data_dir: Path | None) -> None:
    """Repeat a step of a run, bit for bit, and print its batch and what it did in each layer.

    CHECKPOINT is a file from `train --checkpoint`; it stores the options of its run. To reach a step before the
    checkpoint, the run is repeated from its start. For an ensemble, the step is one of the network that was being
    trained.
    """
    saved = fn.load(checkpoint)
    run_of = origin_of(saved)
    data = with_validation(pick_dataset(run_of.dataset, data_dir), run_of.validation)
    check_run(saved, {"data": digest_of(data)})
    members = members_of(run_of.recipe, data, run_of.seed)
    if step > (steps := steps_in_all(members[0])):
        raise click.UsageError(f"--step {step}: the steps of the run are 1 to {steps}")
    if run_of.shards:
        engine = parallel_engine_of("numpy", None, shards=run_of.shards)
    else:
        engine = engine_of(run_of.engine, None, say=lambda _: None)
    seen = replayed(engine, saved, members, step)
    click.echo(report(engine, seen, data.classes))
    if seen.known == fn.tree_sha256(seen.taken.after.params):
        click.echo("the parameters are bit-identical to those of the run")
    elif seen.known:
        changes = "; ".join(changes_since(saved, engine)) or "the code or the files changed"
        fail(f"the parameters differ from the run; since then: {changes}", 1)


@cli.command()
@click.argument("model", type=FILE)
@click.option("--dataset", type=click.Choice([*DATASETS]), help="[default: the one that it was trained on]")
@data_dir_option
@engine_options
@plot_option
def evaluate(
    model: Path, dataset: str | None, data_dir: Path | None, engine: str, device: str | None, plot: Path | None
) -> None:
    """Evaluate MODEL, a file from `train --output`, on the test images.

    Prints loss, accuracy and the confusion matrix, with true classes down and predicted classes across.
    """
    check_distinct([("--plot", plot)] if plot else [], [("MODEL", model)])
    computing, known = engine_of(engine, device), load(model)
    test = known.test_set(dataset, data_dir)
    outputs = computing.predict(known.saved.model, known.saved.params, test.inputs)
    value, accuracy = scores_of(outputs, test.targets, known.saved.notes["loss"])
    matrix = fn.confusion_matrix(outputs, test.targets)
    click.echo(f"{len(test)} test images  loss {value:.5f}  accuracy {accuracy:.4f}")
    click.echo(matrix_text(matrix, known.classes))
    if plot:
        plots.save_figure(plot, plots.confusion(matrix, known.classes))
        click.echo(f"confusion matrix drawn to {plot}")


@cli.command()
@click.argument("model", type=FILE)
@click.argument("images", type=FILE, nargs=-1)
@click.option("--index", type=click.IntRange(0), multiple=True, help="Index of an image in the test set; repeatable.")
@click.option("--invert", is_flag=True, help="The files show dark strokes on a light ground.")
@click.option("--fit", is_flag=True, help="Crop, resize and centre drawings of any size like those of the data set.")
@data_dir_option
@engine_options
@plot_option
def predict(model: Path, engine: str, device: str | None, plot: Path | None, **wanted: Any) -> None:
    """Classify IMAGES, and print the probability of each class.

    IMAGES are PNG or similar files, with the size that MODEL was trained on, and light strokes on a dark ground as in
    MNIST. With --fit they may have any size. MODEL is a file from `train --output`.
    """
    asked = Asked(**wanted)
    check_asked(asked)
    check_distinct([("--plot", plot)] if plot else [], [("MODEL", model), *(("IMAGES", path) for path in asked.images)])
    computing, known = engine_of(engine, device), load(model)
    pictures = [*pictures_of(known, asked), *test_images_of(known, asked)]
    pixels = np.stack([picture.pixels for picture in pictures])
    outputs = computing.predict(known.saved.model, known.saved.params, pixels)
    guesses = [
        known.classes[best] if best >= 0 else "no class, because its outputs are NaN" for best in largest(outputs)
    ]
    for picture, guess, row in zip(pictures, guesses, outputs, strict=True):
        shares = "  ".join(f"{label} {share:.3f}" for label, share in zip(known.classes, row, strict=True))
        click.echo(f"{picture.name}: {guess}  ({shares})")
    if plot:
        titles = [f"{picture.title}: {guess}" for picture, guess in zip(pictures, guesses, strict=True)]
        plots.save_figure(plot, plots.samples(pixels, titles))
        click.echo(f"images drawn to {plot}")


if __name__ == "__main__":
    run(cli)
