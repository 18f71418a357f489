"""`python -m tests.sklearn_checks` runs scikit-learn's checks over presets and engines, and prints the counts."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import product
import os
import sys
from typing import Any
from unittest import SkipTest
import warnings

import click

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # SciPy reads it once: a check is skipped without it

from sklearn.utils.estimator_checks import estimator_checks_generator

from fnmlp.interop.sklearn import PRESETS, MLPClassifier, MLPRegressor

OPTIONS: dict[str, Any] = {"hidden_layer_sizes": 8, "learning_rate_init": 0.05, "max_iter": 25}
"""Of small networks that learn what the checks ask for in few epochs."""


def small_estimators(preset: str = "sklearn", engine: str = "numpy") -> Iterator[Any]:
    """Yield both estimators, with small networks."""
    for estimator in (MLPClassifier, MLPRegressor):
        yield estimator(preset=preset, engine=engine, **OPTIONS)


def run_check(estimator: Any, check: Any) -> tuple[str, str]:
    """Run one check; return "passed", "skipped" or "failed", and why it did not pass."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(estimator)
    except SkipTest as error:
        return "skipped", str(error)
    except Exception as error:  # noqa: BLE001 (an estimator may raise anything)
        return "failed", f"{type(error).__name__}: {' '.join(str(error).split())}"
    return "passed", ""


def name_of(check: Any) -> str:
    """Return the name of a check, which may be a function with bound arguments."""
    return check.func.__name__ if isinstance(check, partial) else check.__name__


@click.command()
@click.option("--preset", "presets", multiple=True, type=click.Choice([*PRESETS]), help="All by default.")
@click.option("--engine", "engines", multiple=True, type=click.Choice(("numpy", "jax")), help="All by default.")
@click.option("--defaults", is_flag=True, help="Take the sizes of the presets, not those of small networks.")
def main(presets: tuple[str, ...], engines: tuple[str, ...], defaults: bool) -> None:
    """Run all checks of scikit-learn; the exit status is 1 if one failed."""
    failed = 0
    for preset, engine in product(presets or PRESETS, engines or ("numpy", "jax")):
        for estimator in small_estimators(preset, engine):
            tried = type(estimator)(preset=preset, engine=engine) if defaults else estimator
            counts: Counter[str] = Counter()
            for each, check in estimator_checks_generator(tried):
                outcome, why = run_check(each, check)
                counts[outcome] += 1
                if why:
                    click.echo(f"  {outcome}: {name_of(check)}: {why:.200}")
            told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))
            click.echo(f"{type(tried).__name__}, preset {preset}, engine {engine}: {told}")
            failed += counts["failed"]
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
