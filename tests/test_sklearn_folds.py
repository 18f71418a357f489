"""Cross-validated early stopping: each member learns from all rows but its own part, and is scored by these."""

from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators need scikit-learn")

from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

import fnmlp as fn
from fnmlp.interop.sklearn import MLPClassifier, MLPRegressor, Settings
from fnmlp.interop.sklearn.folds import beside_parts, held_outputs, parts_of_rows, with_parts
from fnmlp.interop.sklearn.networks import network_of
from fnmlp.interop.sklearn.presets import for_rows
from fnmlp.losses import cross_entropy, mse, over_members

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
QUICK: dict[str, Any] = {"hidden_layer_sizes": 8, "max_iter": 6, "random_state": 0, "preset": "tabular", "members": 3}


def test_each_row_is_in_one_part_and_classes_are_spread_evenly() -> None:
    parts = parts_of_rows(Y, 4, fn.Key(0), stratify=True)
    counts = np.array([np.bincount(parts[label == Y], minlength=4) for label in range(3)])
    assert counts.min() == 12
    assert counts.max() == 13
    plain = parts_of_rows(X, 4, fn.Key(0), stratify=False)
    assert sorted(np.bincount(plain)) == [37, 37, 38, 38]
    assert (plain != parts_of_rows(X, 4, fn.Key(1), stratify=False)).any()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_the_loss_is_that_of_the_rows_that_a_member_does_not_hold_out(kind: str, weighted: bool) -> None:
    rows, members = 10, 3
    generator = np.random.default_rng(0)
    y, parts = generator.normal(size=(rows, members, 2)), np.arange(rows) % members
    targets = generator.integers(0, 2, rows) if kind == "classes" else generator.normal(size=(rows, 2))
    weights = generator.uniform(1, 2, rows) if weighted else np.ones(rows)
    loss = partial(cross_entropy, label_smoothing=0.1) if kind == "classes" else mse
    options = {"sample_weights": weights} if weighted else {}
    value, dy = beside_parts(loss)(y, with_parts(targets, parts), **options)
    expected, mass = 0.0, 0.0
    for member in range(members):
        learned = parts != member
        own, gradient = loss(y[learned, member], targets[learned], sample_weights=weights[learned])
        share = weights[learned].sum()
        expected, mass = expected + own * share, mass + share
        np.testing.assert_array_equal(dy[~learned, member], 0)
        np.testing.assert_allclose(dy[learned, member] / gradient, (dy[learned, member] / gradient).flat[0])
    assert value == pytest.approx(expected / mass)


def test_held_outputs_are_those_of_the_member_that_holds_a_row_out() -> None:
    settings = Settings(hidden_layer_sizes=(4,), members=3, shared=False, feature_scale=True)
    model, x = network_of(settings, 2), X[:20].astype(np.float32)
    params, _ = model.init(fn.Key(0), (4,))
    parts = parts_of_rows(x, 3, fn.Key(1), stratify=False)
    found = held_outputs(model, x, parts)(params)
    np.testing.assert_allclose(found, model.apply(params, x)[np.arange(20), parts], rtol=1e-4, atol=1e-6)


def test_a_fit_keeps_the_epoch_in_which_held_rows_are_predicted_best() -> None:
    fitted = MLPClassifier(**QUICK).fit(X, Y)
    assert fitted.best_validation_score_ == max(fitted.validation_scores_)
    assert len(fitted.validation_scores_) == fitted.n_iter_
    assert -fitted.best_validation_score_ < log_loss(Y, np.full((150, 3), 1 / 3))
    one = MLPClassifier(**QUICK | {"members": 1}).fit(X, Y)  # one network holds out rows in the usual way
    assert 0 < one.best_validation_score_ <= 1
    assert MLPClassifier(**QUICK, early_stopping=False).fit(X, Y).validation_scores_ is None
    assert MLPClassifier(**QUICK).partial_fit(X, Y, classes=[0, 1, 2]).validation_scores_ is None


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_scorers_see_the_predictions_for_held_rows(scoring: str) -> None:
    fitted = MLPClassifier(**QUICK, scoring=scoring).fit(X, Y, sample_weight=np.linspace(0.5, 1, 150))
    assert fitted.best_validation_score_ == max(fitted.validation_scores_)
    assert fitted.predict(X).shape == (150,)  # by all members


@pytest.mark.parametrize("targets", [Y > 0, np.column_stack([Y > 0, Y > 1]).astype(int)], ids=["two", "labels"])
def test_all_kinds_of_targets_are_cross_validated(targets: Any) -> None:
    assert MLPClassifier(**QUICK).fit(X, targets).score(X, targets) > 0.3
    numbers = MLPRegressor(**QUICK).fit(X, X[:, :2] if targets.ndim == 2 else X[:, 0])
    assert numbers.best_validation_score_ == max(numbers.validation_scores_)


def test_members_that_hold_out_rows_differ_from_members_that_see_all() -> None:
    y = np.random.default_rng(0).normal(size=(6, 2, 1))
    target, parts = np.zeros((6, 1)), np.arange(6) % 2
    assert beside_parts(mse)(y, with_parts(target, parts))[0] != over_members(mse)(y, target)[0]


def test_a_compiler_takes_the_loss() -> None:
    jax = pytest.importorskip("jax", reason="the engine jax")
    y, target = np.ones((4, 2, 3), np.float32), np.array([[0, 0], [1, 1], [2, 0], [2, 1]], np.int32)
    loss = beside_parts(cross_entropy)
    for found, expected in zip(jax.jit(loss)(y, target), loss(y, target), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rows_that_are_no_array_are_held_out_too() -> None:
    # scikit-learn's check of data that are not an array stopped at the rows to hold out.
    given = X.tolist()
    for cross in (False, True):
        fitted = MLPClassifier(**QUICK, scoring="accuracy", cross_validation=cross).fit(given, Y.tolist())
        assert len(fitted.validation_scores_) == fitted.n_iter_


def test_large_tables_have_larger_batches() -> None:
    settings = Settings(large=1000, batch_size=64, learning_rate_init=0.5)
    assert for_rows(settings, 999) == settings
    large = for_rows(settings, 1000)
    assert large.batch_size == 128
    assert large.learning_rate_init == pytest.approx(0.5 * 2**0.5)
    assert for_rows(Settings(large=1000), 1000).batch_size == 400
    assert MLPRegressor(**QUICK, large=150).fit(X, Y).settings_.batch_size == 128


def test_categories_can_stay_numbers_too() -> None:
    inputs = np.column_stack([X, Y])
    fitted = MLPClassifier(**QUICK).fit(inputs, Y)
    features = fitted.preparation_.layer.apply(fitted.preparation_.params, inputs)
    assert features.shape == (150, 8)
    np.testing.assert_array_equal(features[:, 5:], np.eye(3)[Y])
    whole = MLPClassifier(**QUICK, categories=0).fit(inputs, Y)
    np.testing.assert_allclose(whole.preparation_.layer.apply(whole.preparation_.params, inputs), features[:, :5])
