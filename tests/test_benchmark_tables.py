"""Claims about `examples/benchmark_tables`: its scores, and that it prints what it measured."""

from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators need scikit-learn")

from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from benchmark_tables import program
from benchmark_tables.estimators import Estimator, estimators
from benchmark_tables.scores import Result, expected_calibration_error, outcome, r_squared, summaries
from benchmark_tables.tables import SUITES, Source, Table, as_numbers, folds_of
from command_line import run

QUICK: dict[str, tuple[Any, ...]] = {
    "Classifier": (LogisticRegression, DummyClassifier),
    "Regressor": (Ridge, DummyRegressor),
}


def blobs(*, classes: bool) -> list[Any]:
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    inputs = generator.normal(size=(60, 3)) + 4 * labels[:, None]
    return folds_of(inputs, labels if classes else inputs @ [1.0, 2.0, 3.0], classes=classes)


def quick_estimators(kind: str) -> dict[str, Estimator]:
    return {one.__name__: Estimator("scikit-learn", partial(made, one)) for one in QUICK[kind]}


def made(kind: Any, _: int) -> Any:
    return kind()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SUITES:
        classes = name != "regression"
        tables = [Table(f"{name}{place}", partial(blobs, classes=classes)) for place in range(3)]
        monkeypatch.setitem(SUITES, name, partial(iter, tables))
    monkeypatch.setattr(program, "estimators", quick_estimators)


def printed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    monkeypatch.setattr("sys.argv", ["benchmark_tables", *arguments])
    with redirect_stdout(out), redirect_stderr(err):
        run(program.benchmark_tables)
    return out.getvalue(), err.getvalue()


def test_it_prints_a_table_and_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    out, err = printed(monkeypatch, "--suite", "development", "--folds", "2", "--tables", "2", "--json", str(file))
    header, _, first, second, _, machine, *_ = out.splitlines()
    assert "mean accuracy" in header
    assert first.startswith("| LogisticRegression | 1.0000 ± 0.0000 | 1.00 |  |")
    assert second.startswith("| DummyClassifier | 0.5000 ± 0.0000 | 2.00 | 2, 0, 0 |")
    assert machine.startswith("Folds of each table: 2. ")
    assert err.count("best LogisticRegression") == 2
    assert [*json.loads(file.read_text())["results"]] == ["development0", "development1"]


def test_regression_has_no_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    out, _ = printed(monkeypatch, "--suite", "regression", "--folds", "1", "--tables", "1")
    assert "mean R²" in out
    assert "nan" not in out
    assert "±" not in out  # one fold has no deviation


def test_a_label_that_training_lacks_counts_as_wrong() -> None:
    x = np.arange(6.0)[:, None]
    fold = x, np.array(["a", "b"] * 3), x[:2], np.array(["c", "c"])
    assert program.fit_classifier(Estimator("", partial(made, DummyClassifier)), 0, fold).score == 0


def test_scores_are_those_of_their_definitions() -> None:
    confident = np.array([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.4, 0.6]])
    error = expected_calibration_error(confident, np.array([True, True, False, True]))
    assert error == pytest.approx(abs(2 - 2.4) / 4 + abs(1 - 0.6) / 4)
    assert r_squared(np.full(4, 2.5), np.arange(1.0, 5.0)) == 0


def results(*scores: float) -> list[Result]:
    return [Result(score, 0.0, 1.0) for score in scores]


def test_a_win_is_more_than_two_standard_errors() -> None:
    assert outcome(results(0.9, 0.91, 0.9), results(0.8, 0.8, 0.81)) == 1
    assert outcome(results(0.8, 0.8, 0.81), results(0.9, 0.91, 0.9)) == -1
    assert outcome(results(0.9, 0.7, 0.8), results(0.8, 0.75, 0.7)) == 0
    assert outcome(results(0.9), results(0.8)) == 1
    found = summaries(
        {"one": {"a": results(0.9, 0.9), "b": results(0.8, 0.9)}, "two": {"a": results(1), "b": results(1)}}
    )
    assert (found["a"].rank, found["b"].rank) == (1.25, 1.75)
    assert found["a"].seconds == 3


def test_columns_of_a_frame_become_numbers() -> None:
    pandas = pytest.importorskip("pandas", reason="the tables are frames of pandas")
    frame = pandas.DataFrame(
        {
            "rownames": [1, 2, 3, 4],
            "colour": ["red", "blue", "red", "red"],
            "size": [1.0, 2.0, 3.0, 4.0],
            "same": [1, 1, 1, 1],
            "gone": [None, None, 1.0, 2.0],
            "leak": [1, 2, 3, 4],
            "y": ["b", "a", None, "b"],
        }
    )
    inputs, targets = as_numbers(frame, Source("", "", "y", ("leak",)), classes=True)
    assert inputs.tolist() == [[1, 1], [0, 2], [1, 4]]
    assert targets.tolist() == [1, 0, 1]


def test_all_five_are_estimators() -> None:
    for kind in QUICK:
        made = estimators(kind)
        assert len(made) == 5
        pytest.importorskip("xgboost", reason="one of the five")
        assert all(hasattr(estimator.make(0), "fit") for estimator in made.values())
