"""Learn to tell two spirals apart, and plot how: `python examples/spirals.py --plot spirals.png`."""

from collections.abc import Iterable, Iterator
from functools import partial, reduce
from itertools import accumulate
from math import ceil, isfinite, pi
from pathlib import Path
import sys
from typing import Any

from imports import import_failure

try:
    import click
    import numpy as np

    from command_line import option, plot_option, run
    import fnmlp as fn
    from fnmlp import plots
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

TURNS, INNERMOST, OUTERMOST = 3, 0.5, 6.5
BATCH = 32
FRESH = 2000
PARTS = 0, 1, 3, 20
"""When the plot looks at the network, in twentieths of the training."""


def spirals(key: fn.Key, points: int, *, noise: float) -> fn.Batch:
    """Draw labelled points on two spirals that wind three times round the origin, half a turn apart.

    `noise` is the standard deviation of each coordinate; the arms are 1 apart.
    Source:   Lang & Witbrock 1988, "Learning to tell two spirals apart"; theirs are regular, these are drawn at random.
    """
    random = fn.generator(key)
    labels = np.arange(points) % 2
    along = np.sqrt(random.uniform(size=points))  # the square root makes the density of points uniform
    angle = 2 * pi * TURNS * along + pi * labels
    radius = INNERMOST + (OUTERMOST - INNERMOST) * along
    on_arm = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return fn.Batch((on_arm + noise * random.normal(size=(points, 2))).astype(np.float32), labels)


def train(
    data: fn.Batch, key: fn.Key, *, hidden: int, epochs: int, rate: float
) -> tuple[fn.Layer[Any], Iterator[fn.TrainState]]:
    """Train the network 2-hidden-hidden-2 with Adam and a rate that falls to 0.

    Returns a model of probabilities, and the states before the first epoch and after each.
    """
    model = fn.chain(fn.linear(hidden), fn.gelu(), fn.linear(hidden), fn.gelu(), fn.linear(2))
    schedule = fn.cosine_decay(rate, steps=epochs * ceil(len(data) / BATCH))
    optimizer = fn.scheduled(fn.adam, schedule)
    start_key, order_key = fn.split(key, 2)
    start = fn.train_state(model, optimizer, key=start_key, example=(2,))
    step = partial(fn.train_step, model, fn.cross_entropy, optimizer)

    def trained(state: fn.TrainState, epoch: int) -> fn.TrainState:
        return reduce(step, fn.batches(data, size=BATCH, key=order_key, epoch=epoch), state)

    return fn.chain(model, fn.softmax()), accumulate(range(epochs), trained, initial=start)


def finite(states: Iterable[fn.TrainState]) -> Iterator[fn.TrainState]:
    """Pass states on, and raise when the loss has diverged."""
    for state in states:
        if state.step and not isfinite(state.loss):
            raise fn.DivergenceError("train", "a finite loss", state.loss, "choose a smaller --rate")
        yield state


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@option("--points", type=click.IntRange(2), default=500, help="Number of training points, half of them on each spiral.")
@option(
    "--noise",
    type=click.FloatRange(0, 10),
    default=0.1,
    help="Standard deviation of points from the arms, which are 1 apart.",
)
@option("--hidden", type=click.IntRange(1), default=64, help="Units of each of the two hidden layers.")
@option("--epochs", type=click.IntRange(1), default=200, help="Passes over the points.")
@option("--rate", type=click.FloatRange(0, min_open=True), default=0.01, help="Highest learning rate of Adam.")
@option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Seed of points, initial weights and order.")
@plot_option
def main(points: int, noise: float, hidden: int, epochs: int, rate: float, seed: int, plot: Path | None) -> None:
    """Train a small network to tell two spirals apart, and test it on new points.

    --plot shows its probabilities over the plane at four epochs.
    """
    data_key, fresh_key, train_key = fn.split(fn.Key(seed), 3)
    data, fresh = spirals(data_key, points, noise=noise), spirals(fresh_key, FRESH, noise=noise)
    model, states = train(data, train_key, hidden=hidden, epochs=epochs, rate=rate)
    shares = [partial(fn.predict, model, (state.params, ())) for state in finite(states)]
    click.echo(f"{points} points learned: accuracy {fn.accuracy(shares[-1](data.inputs), data.targets):.4f}")
    click.echo(f"{FRESH} fresh points:  accuracy {fn.accuracy(shares[-1](fresh.inputs), fresh.targets):.4f}")
    if plot:
        shown = sorted({epochs * part // PARTS[-1] for part in PARTS})
        frames = {f"epoch {epoch}": shares[epoch] for epoch in shown}
        plots.save_figure(plot, plots.decision_boundaries(frames, data.inputs, data.targets))
        click.echo(f"probabilities drawn to {plot}")


if __name__ == "__main__":
    run(main)
