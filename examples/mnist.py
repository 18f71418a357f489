"""Train, evaluate and use an MLP on images of handwritten digits: `python examples/mnist.py train --help`."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import TextIOWrapper
from itertools import accumulate
import json
import math
import os
from pathlib import Path
import sys
from time import perf_counter
from typing import Any, NoReturn

try:
    from attrs import evolve, fields, frozen
    import click
    from click.core import ParameterSource
    import numpy as np
    from tqdm import tqdm

    import fnmlp as fn
    from fnmlp import plots
    from fnmlp.data import Dataset, digits, fashion_mnist, mnist, read_image
    from fnmlp.files import write_whole
    from fnmlp.recipes import LOSSES, OPTIMIZERS, RECIPES, SCHEDULES, Recipe, build_loss, build_model, build_optimizer
except ImportError as missing:
    sys.exit(f"error: {missing.name} is not installed; run: pip install -e '.[examples]'")

DATASETS: Mapping[str, Callable[[Path | None], Dataset]] = {
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "digits": lambda _: digits(),
}
LAB = RECIPES["lab"]


@frozen
class Settings:
    """Where a run takes its data from, and where its results go."""

    seed: int
    dataset: str
    data_dir: Path | None
    no_eval: bool
    output: Path | None
    history: Path | None
    plot: Path | None
    quiet: bool


def new_file(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:  # noqa: ARG001
    """Refuse a file that can't be written before the time is spent on what should go into it."""
    if path is None:
        return None
    folder = path.absolute().parent
    try:
        if not folder.is_dir():
            raise click.BadParameter(f"the folder {folder} does not exist; create it first")
        if not os.access(folder, os.W_OK):
            raise click.BadParameter(f"the folder {folder} can't be written to; choose another")
        if path.exists() and not path.is_file():
            raise click.BadParameter(f"{path} is not a regular file; choose another name")
    except OSError as error:  # such as a name that is too long
        raise click.BadParameter(f"{path}: {error.strerror}; choose another name") from error
    return path


def new_picture(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a picture whose ending names no format, as well."""
    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise click.BadParameter(f"{path} must end in .png, .pdf or .svg")
    return new_file(context, option, path)


FILE = click.Path(path_type=Path)
option = partial(click.option, show_default=True)
plot_option = click.option(
    "--plot", type=FILE, callback=new_picture, help="Draw the result to this .png, .pdf or .svg."
)
data_dir_option = click.option("--data-dir", type=FILE, help="A folder with mnist/ or fashion-mnist/, looked in first.")


@click.group(no_args_is_help=False, context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@click.version_option(fn.__version__, prog_name="fnmlp")
def cli() -> None:
    """Train, evaluate and use a multilayer perceptron on images, with pure functions on NumPy."""


@cli.command()
@option(
    "--recipe", type=click.Choice([*RECIPES]), default="lab", help="A set of choices for the options down to --dtype."
)
@option(
    "--hidden", type=click.IntRange(1, 2**31 - 1), multiple=True, default=LAB.hidden, help="Units of a hidden layer."
)
@option("--epochs", type=click.IntRange(1), default=LAB.epochs, help="Passes over the training images.")
@option("--batch-size", type=click.IntRange(1), default=LAB.batch_size, help="Images a step.")
@option("--rate", type=float, default=LAB.rate, help="Learning rate at its highest, above 0.")
@option("--loss", type=click.Choice(LOSSES), default=LAB.loss, help="Loss between outputs and labels.")
@option("--label-smoothing", type=float, default=LAB.label_smoothing, help="For cross-entropy.")
@option("--optimizer", type=click.Choice(OPTIMIZERS), default=LAB.optimizer, help="What takes the steps.")
@option("--momentum", type=float, default=LAB.momentum, help="Of sgd and nesterov.")
@option("--weight-decay", type=float, default=LAB.weight_decay, help="Of adamw, as a share of the rate.")
@option("--schedule", type=click.Choice(SCHEDULES), default=LAB.schedule, help="How the rate falls to 0.")
@option("--warm-up", type=float, default=LAB.warm_up, help="Share of the steps in which the rate climbs.")
@option("--dropout", type=float, nargs=2, default=LAB.dropout, help="Shares dropped of input and hidden layers.")
@option("--mean", type=float, default=LAB.mean, help="Subtracted from the pixels in [0, 1].")
@option(
    "--pixels", type=click.Choice(["unit", "raw"]), default=LAB.pixels, help="In [0, 1], or raw (for --rate 0.001)."
)
@option("--dtype", type=click.Choice(["float32", "float64"]), default=LAB.dtype, help="Of all arithmetic.")
@option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Decides initial weights and order.")
@option("--dataset", type=click.Choice(["auto", *DATASETS]), default="auto", help="auto: MNIST, or else digits.")
@data_dir_option
@click.option("--no-eval", is_flag=True, help="Leave out the test set.")
@click.option("--output", type=FILE, callback=new_file, help="Save the trained model to this file.")
@click.option("--history", type=FILE, callback=new_file, help="Write one JSON object for each epoch to this file.")
@plot_option
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.pass_context
def train(context: click.Context, /, **options: Any) -> None:
    """Train a model.

    The defaults are the university lab's network and loop: 784-512-10, ReLU, softmax, mean squared error, SGD
    with batches of 64, 15 epochs. Its own pixels and rate are --pixels raw --rate 0.001. The other recipes look at
    the test set once, after the last epoch.
    """
    recipe = chosen(context, options)
    settings = Settings(**{field.name: options[field.name] for field in fields(Settings)})
    say: Callable[[str], None] = (lambda _: None) if settings.quiet else click.echo
    data = pick_dataset(settings.dataset, settings.data_dir, say)
    model, loss = build_model(recipe, white=data.white, classes=len(data.classes)), build_loss(recipe)
    steps = math.ceil(len(data.train) / recipe.batch_size)
    optimizer = build_optimizer(recipe, steps=steps * recipe.epochs)
    say(f"{data.name}: {len(data.train)} images to train on, {len(data.test)} to test on")
    say(f"model: {model}")
    start_key, order_key = fn.split(fn.Key(settings.seed), 2)
    example = data.train.inputs.shape[1:]
    state = fn.train_state(model, optimizer, key=start_key, example=example, dtype=recipe.dtype)
    step = partial(fn.train_step, model, loss, optimizer)
    history: list[dict[str, Any]] = []
    for epoch in range(1, recipe.epochs + 1):
        began = perf_counter()
        batches = fn.batches(data.train, size=recipe.batch_size, key=order_key, epoch=epoch - 1)
        state, train_loss = consume(accumulate(batches, step, initial=state), steps, epoch, settings.quiet)
        seconds = perf_counter() - began
        tested = not settings.no_eval and (options["recipe"] == "lab" or epoch == recipe.epochs)
        scores = fn.evaluate(model, loss, state.params, data.test) if tested else (None, None)
        if scores[0] is not None and not math.isfinite(scores[0]):
            raise diverged(state.step, "a finite test loss", scores[0])
        history.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "test_loss": scores[0],
                "test_accuracy": scores[1],
                "seconds": round(seconds, 3),
                "steps": state.step,
                "parameters_sha256": fn.tree_sha256(state.params),
            }
        )
        say(epoch_line(history[-1]))
        if settings.history:
            write_history(settings.history, history)
    if settings.output:
        save(settings.output, model, state.params, data, recipe)
        say(f"model saved to {settings.output}")
    if settings.plot:
        plots.save_figure(settings.plot, plots.curves(history))
        say(f"curves drawn to {settings.plot}")


def chosen(context: click.Context, options: Mapping[str, Any]) -> Recipe:
    """Return the recipe that was named, with the options that were typed beside it."""
    typed = {
        field.name: options[field.name]
        for field in fields(Recipe)
        if field.name in options and context.get_parameter_source(field.name) is not ParameterSource.DEFAULT
    }
    return evolve(RECIPES[options["recipe"]], **typed)


def pick_dataset(name: str, data_dir: Path | None, say: Callable[[str], None]) -> Dataset:
    """Load the data set of a name; `auto` goes on with the embedded digits where MNIST can't be had."""
    if name != "auto":
        return DATASETS[name](data_dir)
    try:
        return mnist(data_dir)
    except fn.DataNotFoundError:
        say("MNIST can't be had here (--dataset mnist says why); training on scikit-learn's 8x8 digits instead")
        return digits()


def consume(states: Iterator[fn.TrainState], steps: int, epoch: int, quiet: bool) -> tuple[fn.TrainState, float]:
    """Watch the states of an epoch go by, showing the running loss; return the last state and the mean loss."""
    state, total = next(states), 0.0
    with tqdm(total=steps, desc=f"epoch {epoch}", unit="step", leave=False, disable=quiet or None) as bar:
        for done, state in enumerate(states, start=1):
            if not math.isfinite(state.loss):
                raise diverged(state.step, "a finite loss", state.loss)
            total += state.loss
            if done % 50 == 0 or done == steps:
                bar.set_postfix_str(f"loss {total / done:.5f}", refresh=False)
                bar.update(done - bar.n)
    # The loss of a step is that before it: what the last one did shows in the parameters.
    for name, leaf in fn.tree_paths(state.params):
        if not np.isfinite(leaf).all():
            raise diverged(state.step, f"finite parameters {name}", "infinities or NaN")
    return state, total / steps


def diverged(step: int, expected: str, got: object) -> fn.DivergenceError:
    """Name the step at which numbers stopped being finite."""
    return fn.DivergenceError(f"step {step}", expected, got, "train with a smaller --rate")


def epoch_line(entry: Mapping[str, Any]) -> str:
    """Say what an epoch came to."""
    tested = "not tested"
    if entry["test_accuracy"] is not None:
        tested = f"test loss {entry['test_loss']:.5f}  test accuracy {entry['test_accuracy']:.4f}"
    return f"epoch {entry['epoch']:2d}  train loss {entry['train_loss']:.5f}  {tested}  {entry['seconds']:.2f} s"


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Write the history so far, whole at every moment."""
    try:
        write_whole(path, "".join(json.dumps(entry) + "\n" for entry in history).encode())
    except OSError as error:
        remedy = "choose another --history"
        raise fn.DataError(str(path), "a place for the history", error.strerror or error, remedy) from error


def save(path: Path, model: fn.Layer[Any], params: Any, data: Dataset, recipe: Recipe) -> None:
    """Save a model that gives probabilities, with notes on what its images and classes are."""
    if recipe.loss == "cross-entropy":
        model, params = fn.chain(model, fn.softmax()), (params, ())
    notes = {"dataset": data.name, "loss": recipe.loss, "classes": json.dumps(data.classes), "white": str(data.white)}
    fn.save_model(path, model, params, example=data.train.inputs.shape[1:], notes=notes)


def loss_of_probabilities(name: str) -> fn.Loss:
    """Return the loss that a model was trained with, as it is of its probabilities."""
    if name == "cross-entropy":
        return lambda shares, labels: fn.nll(np.log(np.maximum(shares, np.finfo(shares.dtype).tiny)), labels)
    return build_loss(Recipe(loss=name))


@frozen
class ImageModel:
    """A model that reads images, as `train --output` saved it."""

    path: Path
    saved: fn.SavedModel
    classes: tuple[str, ...]
    white: int

    def test_set(self, dataset: str | None, data_dir: Path | None) -> fn.Batch:
        """Load the test images of a data set, by default the one that the model was trained on."""
        name = dataset or self.saved.notes["dataset"]
        data = DATASETS[name](data_dir)
        if data.test.inputs.shape[1:] != self.saved.example or data.white != self.white:
            got = f"{name}'s {data.test.inputs.shape[1:]} with pixels up to {data.white}"
            remedy = f"choose the --dataset that it was trained on ({self.saved.notes['dataset']})"
            expected = f"images of shape {self.saved.example} with pixels up to {self.white}"
            raise fn.DataError(str(self.path), expected, got, remedy)
        return data.test


def load(path: Path) -> ImageModel:
    """Load a model file, and refuse one that says nothing of images."""
    saved = fn.load_model(path)
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


@cli.command()
@click.argument("model", type=FILE)
@click.option("--dataset", type=click.Choice([*DATASETS]), help="[default: the one that it was trained on]")
@data_dir_option
@plot_option
def evaluate(model: Path, dataset: str | None, data_dir: Path | None, plot: Path | None) -> None:
    """Say how well MODEL, a file that `train --output` wrote, does on the test images.

    Prints loss, accuracy and the confusion matrix: true classes down, predicted ones across.
    """
    known = load(model)
    test = known.test_set(dataset, data_dir)
    outputs = fn.predict(known.saved.model, known.saved.params, test.inputs)
    value, _ = loss_of_probabilities(known.saved.notes["loss"])(outputs, test.targets)
    matrix = fn.confusion_matrix(outputs, test.targets)
    click.echo(f"{len(test)} test images  loss {value:.5f}  accuracy {fn.accuracy(outputs, test.targets):.4f}")
    click.echo(matrix_text(matrix, known.classes))
    if plot:
        plots.save_figure(plot, plots.confusion(matrix, known.classes))
        click.echo(f"confusion matrix drawn to {plot}")


def matrix_text(matrix: fn.Array, classes: tuple[str, ...]) -> str:
    """Lay out a confusion matrix, a dot for 0."""
    width = max(map(len, (*classes, str(matrix.max())))) + 1
    cells = [[name, *(str(count or ".") for count in row)] for name, row in zip(classes, matrix.tolist(), strict=True)]
    return "\n".join("".join(cell.rjust(width) for cell in row) for row in [["", *classes], *cells])


@cli.command()
@click.argument("model", type=FILE)
@click.argument("images", type=FILE, nargs=-1)
@click.option("--index", type=click.IntRange(0), multiple=True, help="Number of an image in the test set; repeatable.")
@click.option("--invert", is_flag=True, help="The files show dark strokes on a light ground.")
@data_dir_option
@plot_option
def predict(
    model: Path,
    images: tuple[Path, ...],
    index: tuple[int, ...],
    invert: bool,
    data_dir: Path | None,
    plot: Path | None,
) -> None:
    """Say what IMAGES show, and with what probabilities.

    IMAGES are PNG files of the size that MODEL was trained on, light strokes on a dark ground as in MNIST. MODEL is a
    file that `train --output` wrote.
    """
    if not images and not index:
        raise click.UsageError("give at least one IMAGE, or --index N")
    known = load(model)
    pixels = [read_image(path, known.saved.example, white=known.white, invert=invert) for path in images]
    names = [str(path) for path in images]
    if index:
        test = known.test_set(None, data_dir)
        if max(index) >= len(test):
            raise click.UsageError(f"--index {max(index)}: the test images are 0 to {len(test) - 1}")
        pixels += [test.inputs[place] for place in index]
        names += [f"test image {place}, label {known.classes[test.targets[place]]}" for place in index]
    outputs = fn.predict(known.saved.model, known.saved.params, np.stack(pixels))
    guesses = [known.classes[best] for best in outputs.argmax(axis=1)]
    for name, guess, row in zip(names, guesses, outputs, strict=True):
        shares = "  ".join(f"{label} {share:.3f}" for label, share in zip(known.classes, row, strict=True))
        click.echo(f"{name}: {guess}  ({shares})")
    if plot:
        short = [path.stem[:12].encode(errors="backslashreplace").decode() for path in images] + [
            f"no. {place}" for place in index
        ]
        titles = [f"{name}: {guess}" for name, guess in zip(short, guesses, strict=True)]
        plots.save_figure(plot, plots.samples(np.stack(pixels), titles))
        click.echo(f"images drawn to {plot}")


def main() -> None:
    """Run a command; every failure is one line on stderr and an exit status."""
    if isinstance(sys.stdout, TextIOWrapper):  # file names need not be text that the terminal can show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # divergence is found where the loss is read
            cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        fail(" ".join(error.format_message().split()), error.exit_code)
    except fn.FnmlpError as error:
        fail(fn.one_line(error), 1)
    except MemoryError as error:
        fail(f"not enough memory ({error}); use smaller --hidden or --batch-size", 1)
    except (KeyboardInterrupt, click.Abort):
        fail("interrupted", 130)
    except OSError as error:  # of the output alone; click itself ends where its reader has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"the output can't be written: {error.strerror or error}", 1)


def fail(message: str, status: int) -> NoReturn:
    """Say what went wrong and leave."""
    click.echo(f"error: {message}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
