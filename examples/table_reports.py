"""Reports on a model of a table: scores beside two baselines, what each column contributes, and plots."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
import warnings

import numpy as np

import fnmlp as fn
from fnmlp.tables import TableSchema
from table_problem import Problem
from training_run import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scores: TypeAlias = dict[str, float]
"""Measures by their names; the first is the one that a higher value is better for."""

REPEATS, ROWS = 3, 2000
"""How often a column is shuffled to see what it contributes, and in how many rows."""
BARS = 20
"""The most columns in a plot."""


def scores_of(outputs: fn.Array, targets: fn.Array, *, classes: bool) -> Scores:
    """Return the measures of probabilities against class numbers, or of numbers against numbers.

    >>> scores_of(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0, 1]), classes=True)
    {'accuracy': 1.0, 'log loss': 0.34657359027997264}
    """
    if classes:
        logs = np.log(np.maximum(outputs, np.finfo(outputs.dtype).tiny))
        return {"accuracy": fn.accuracy(outputs, targets), "log loss": float(fn.nll(logs, targets)[0])}
    return {"R²": float(fn.r2()(outputs, targets)), "mean error": fn.mean_absolute_error()(outputs, targets)}


def baselines(problem: Problem) -> dict[str, Callable[[fn.Array], fn.Array]]:
    """Fit two simple models to the training rows: functions from features to probabilities or numbers."""
    from sklearn.linear_model import LogisticRegression, Ridge

    train = problem.parts["train"]
    if not problem.classes:
        ridge = Ridge().fit(train.data.inputs, train.targets)
        mean = train.targets.mean(axis=0)
        return {
            "mean": lambda x: np.tile(mean, (len(x), 1)),
            "ridge regression": lambda x: ridge.predict(x).reshape(-1, 1),
        }
    shares = np.bincount(train.targets, minlength=len(problem.classes)) / len(train.targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged is no news to the reader of a baseline
        logistic = LogisticRegression(max_iter=200).fit(train.data.inputs, train.targets)

    def probabilities(x: fn.Array) -> fn.Array:
        known = np.zeros((len(x), len(problem.classes)))
        known[:, logistic.classes_] = logistic.predict_proba(x)  # of classes without a training row there are none
        return known

    return {"majority": lambda x: np.tile(shares, (len(x), 1)), "logistic regression": probabilities}


def compared(problem: Problem, params: Any) -> dict[str, dict[str, Scores]]:
    """Score the baselines and the network on the rows that were held out: model -> part -> scores."""
    parts = {name: part for name, part in problem.parts.items() if name != "train"}
    found = {
        model: {name: predict(part.data.inputs) for name, part in parts.items()}
        for model, predict in baselines(problem).items()
    }
    found["network"] = {name: problem.outputs(params, name) for name in parts}
    return {
        model: {
            name: scores_of(outputs[name], part.targets, classes=bool(problem.classes)) for name, part in parts.items()
        }
        for model, outputs in found.items()
    }


def score_table(scores: Mapping[str, Mapping[str, Scores]]) -> list[str]:
    """Lay out the scores of several models as lines.

    >>> score_table({"mean": {"test": {"R²": 0.0, "mean error": 12345.6}}})
    ['        test', '          R²  mean error', 'mean  0.0000    12345.60']
    """
    heads = [(part, measure) for part, found in next(iter(scores.values())).items() for measure in found]
    firsts = ["" if place and heads[place - 1][0] == part else part for place, (part, _) in enumerate(heads)]
    grid = [["", *firsts], ["", *(measure for _, measure in heads)]]
    grid += [[name, *(written(found[part][measure]) for part, measure in heads)] for name, found in scores.items()]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in grid]


def written(number: float) -> str:
    """Write a score with four decimal places, or a large one with fewer.

    >>> written(0.12345), written(12345.6)
    ('0.1235', '12345.60')
    """
    return f"{round(number, 4) + 0.0:.4f}" if abs(number) < 1000 else f"{number:.2f}"


def contributions(problem: Problem, params: Any) -> dict[str, float]:
    """Return how much the score falls if the values of a column are shuffled, for each column, largest first.

    The score is the accuracy or R² on up to 2,000 rows that were held out: permutation importance (Breiman 2001).
    """
    part = problem.parts.get("test", problem.parts["validation"])
    (layer, own), x, targets = problem.model(params), part.encoded[:ROWS], part.targets[:ROWS]

    def score(encoded: fn.Array) -> float:
        found = scores_of(fn.predict(layer, own, encoded), targets, classes=bool(problem.classes))
        return next(iter(found.values()))

    whole, key = score(x), fn.fold_in(fn.Key(problem.settings.seed), 3)
    falls = {}
    for number, (name, places) in enumerate(places_of(problem.schema).items()):
        shuffled = [score(_shuffled(x, places, fn.fold_in(fn.fold_in(key, number), i))) for i in range(REPEATS)]
        falls[name] = round(whole - sum(shuffled) / REPEATS, 6) + 0.0  # without a sign of 0
    return dict(sorted(falls.items(), key=lambda pair: -pair[1]))


def places_of(schema: TableSchema) -> dict[str, list[int]]:
    """Return, for each column of a table, its places in the encoded rows: its own, and that of its indicator."""
    places = {name: [place] for place, name in enumerate(schema.names)}
    for number, name in enumerate(schema.indicators, start=len(schema.names)):
        places[name].append(number)
    return places


def _shuffled(x: fn.Array, places: Sequence[int], key: fn.Key) -> fn.Array:
    shuffled = x.copy()
    shuffled[:, places] = x[fn.generator(key).permutation(len(x))][:, places]
    return shuffled


def falls_line(measure: str) -> str:
    """Return the line above contributions."""
    return f"fall of {measure} if a column is shuffled:"


def contribution_lines(falls: Mapping[str, float], most: int = 10) -> list[str]:
    """Lay out contributions as lines with bars.

    >>> contribution_lines({"age": 0.25, "size": 0.0})
    ['  age   0.2500  ####################', '  size  0.0000']
    """
    largest = max([*falls.values(), 1e-12])
    shown = [(repr(name)[1:-1], fall) for name, fall in list(falls.items())[:most]]  # a name may hold line breaks
    width = max(len(name) for name, _ in shown)
    bars = ["#" * max(round(20 * fall / largest), 0) for _, fall in shown]
    lines = [
        f"  {name.ljust(width)}  {written(fall)}  {bar}".rstrip() for (name, fall), bar in zip(shown, bars, strict=True)
    ]
    return [*lines, f"  and {len(falls) - most} more"] if len(falls) > most else lines


def figure_of(history: Sequence[Entry], falls: Mapping[str, float], best: int, measure: str) -> "Figure":
    """Draw the losses of each epoch, with the best one, beside what the columns contribute."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    losses, bars = figure.subplots(1, 2)
    epochs = [entry["epoch"] for entry in history]
    for name in ("train", "validation"):
        losses.plot(epochs, [entry[f"{name}_loss"] for entry in history], label=f"{name} loss")
    losses.axvline(best, color="grey", linestyle=":", label=f"best epoch, {best}")
    losses.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    losses.legend()
    shown = dict(reversed(list(falls.items())[:BARS]))
    bars.barh(range(len(shown)), [*shown.values()])
    bars.set_yticks(range(len(shown)), [*shown], parse_math=False)
    bars.set(xlabel=f"fall of {measure} if shuffled", title="What the columns contribute")
    return figure


def scatter(outputs: fn.Array, targets: fn.Array, name: str) -> "Figure":
    """Draw predicted numbers against true ones."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 5.4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(targets, outputs, s=14, alpha=0.6)
    ends = [float(np.min([outputs.min(), targets.min()])), float(np.max([outputs.max(), targets.max()]))]
    axes.plot(ends, ends, color="grey", linewidth=1, label="predicted = true")
    axes.set_xlabel(f"true {name}", parse_math=False)
    axes.set_ylabel(f"predicted {name}", parse_math=False)
    axes.legend(loc="upper left")
    return figure
