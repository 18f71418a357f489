"""The scikit-learn estimators: drop-in where a name is scikit-learn's, and open to what the pure functions can do."""

from collections.abc import Iterable, Iterator
from functools import partial
from inspect import signature
import pickle
from typing import Any
import warnings

import attrs
import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators need scikit-learn")

import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
import sklearn.neural_network
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

import fnmlp as fn
from fnmlp.errors import DataError
from fnmlp.interop.sklearn import PRESETS, FitState, MLPClassifier, MLPRegressor, Settings
from fnmlp.interop.sklearn.constraints import OF_SETTINGS
from fnmlp.interop.sklearn.presets import OF_SKLEARN
from fnmlp.layers import fit_robust_scale
from fnmlp.tables import encode

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK: dict[str, Any] = {"hidden_layer_sizes": 8, "max_iter": 12, "random_state": 0}
X, Y = load_iris(return_X_y=True)
THEIRS = {MLPClassifier: sklearn.neural_network.MLPClassifier, MLPRegressor: sklearn.neural_network.MLPRegressor}


def beginning_like(ours: Any, inputs: Any, targets: Any) -> Any:
    """Return scikit-learn's class of the same name, whose networks begin with the weights of ours."""
    still = clone(ours).set_params(solver="sgd", learning_rate="constant", learning_rate_init=1e-300, max_iter=1)
    still.set_params(alpha=0.0, momentum=0.0).fit(inputs, targets)

    class Begun(THEIRS[type(ours)]):  # type: ignore[misc]
        def _initialize(self, *arguments: Any) -> None:
            super()._initialize(*arguments)
            self.coefs_ = [weight.copy() for weight in still.coefs_]
            self.intercepts_ = [bias.copy() for bias in still.intercepts_]

    return Begun


SOLVERS = (
    {"solver": "adam"},
    {"solver": "adam", "epsilon": 0.1, "beta_1": 0.5, "alpha": 0.5, "activation": "logistic"},
    {"solver": "sgd", "activation": "relu"},
    {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, "tol": 1.0, "n_iter_no_change": 1},
    {"solver": "sgd", "momentum": 0.0, "activation": "identity"},
    {"solver": "lbfgs"},
)


TASKS: dict[str, tuple[Any, Any, Any]] = {
    "two classes": (MLPClassifier, X[:100], Y[:100]),
    "three classes": (MLPClassifier, X, Y),
    "labels": (MLPClassifier, X, np.column_stack([Y > 0, Y < 2]).astype(int)),
    "weights": (MLPClassifier, X, Y),
    "numbers": (MLPRegressor, X, X @ [1.0, -1.0, 0.5, 0.2]),
    "counts": (MLPRegressor, X, Y.astype(float)),
}


def skip_what_theirs_lacks(theirs: Any, kind: str) -> None:
    """Skip the tasks that an older scikit-learn's network can't do."""
    if kind == "weights" and "sample_weight" not in signature(theirs.fit).parameters:
        pytest.skip("this scikit-learn has no weights in its MLP")
    if kind == "counts" and "loss" not in signature(theirs).parameters:
        pytest.skip("this scikit-learn has no losses in its MLP")


@pytest.mark.parametrize("options", SOLVERS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize("kind", TASKS)
def test_from_the_same_weights_it_goes_where_scikit_learn_goes(options: dict[str, Any], kind: str) -> None:
    ours, inputs, targets = TASKS[kind]
    skip_what_theirs_lacks(THEIRS[ours], kind)
    weights = {"sample_weight": np.linspace(0.5, 2, len(Y))} if kind == "weights" else {}
    given: dict[str, Any] = {
        "hidden_layer_sizes": (6, 5),
        "activation": "tanh",
        "max_iter": 6,
        "batch_size": 40,
        "shuffle": False,
    }
    given |= {"random_state": 0} | ({"loss": "poisson"} if kind == "counts" else {})
    mine = ours(**(given | options))
    theirs = beginning_like(mine, inputs, targets)(**(given | options)).fit(inputs, targets, **weights)
    mine.fit(inputs, targets, **weights)
    # Some hundred operations of 1e-16 each, in whatever order a BLAS sums.
    for one, other in zip([*mine.coefs_, *mine.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
    np.testing.assert_allclose(mine.loss_, theirs.loss_, rtol=1e-10)
    assert (mine.n_iter_, mine.t_, mine.n_layers_) == (theirs.n_iter_, theirs.t_, theirs.n_layers_)
    assert (mine.n_outputs_, mine.out_activation_) == (theirs.n_outputs_, theirs.out_activation_)
    if options["solver"] != "lbfgs":
        np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=1e-10)
        np.testing.assert_allclose(mine.best_loss_, theirs.best_loss_, rtol=1e-10)
    if ours is MLPRegressor:
        np.testing.assert_allclose(mine.predict(inputs), theirs.predict(inputs), rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_allclose(mine.predict_proba(inputs), theirs.predict_proba(inputs), atol=1e-9)
        assert (mine.predict(inputs) == theirs.predict(inputs)).all()


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor])
def test_options_of_scikit_learn_have_its_names_and_the_values_of_its_preset(ours: Any) -> None:
    theirs = signature(THEIRS[ours]).parameters
    assert theirs.keys() <= signature(ours).parameters.keys()
    settings = attrs.asdict(PRESETS["sklearn"].classification)
    assert {name: option.default for name, option in theirs.items() if name in settings}.items() <= settings.items()
    assert {*OF_SKLEARN} == settings.keys() & theirs


@pytest.mark.parametrize("option", [{}, {"alpha": 0.1}, {"dropout": 0.1}, {"random_state": 1}, {"model": fn.linear(3)}])
def test_without_hyperparameters_of_scikit_learn_the_defaults_suit_tables(option: dict[str, Any]) -> None:
    fitted = MLPClassifier(**option).fit(X, Y)
    kept = not {"alpha", "model"} & option.keys()
    assert fitted.settings_.scaling == ("robust" if kept else "none")
    assert (fitted.settings_.members, len(fitted.classes_)) == (8 if kept else 1, 3)


def test_every_setting_is_checked_and_an_option_of_the_estimators() -> None:
    names = {field.name for field in attrs.fields(Settings)}
    assert names == OF_SETTINGS.keys()
    assert names == (signature(MLPClassifier).parameters.keys() | {"target_scaling"}) & names
    assert names == (signature(MLPRegressor).parameters.keys() | {"label_smoothing"}) & names


def test_options_override_a_preset_of_ones_own() -> None:
    mine = Settings(hidden_layer_sizes=(3,), activation="silu", max_iter=2)
    fitted = MLPClassifier(preset=mine, hidden_layer_sizes=[4, 2]).fit(X, Y)
    assert repr(fitted.model_) == "chain(linear(4), silu(), linear(2), silu(), linear(3))"
    assert fitted.n_iter_ == 2


class Drawn:
    """Two halves of a fit that was interrupted after some epochs."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def __call__(self, states: Iterable[FitState]) -> Iterator[FitState]:
        """Pass states on until the epoch, and fail there."""
        for state in states:
            if state.epoch == self.epoch:
                raise ZeroDivisionError
            yield state


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True, "validation_fraction": 0.3, "dropout": 0.5, "average": 0.5},
        {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 1.0, "max_iter": 20},
    ],
)
def test_a_fit_that_stopped_goes_on_to_the_same_bits(seed: int | None, options: dict[str, Any], tmp_path: Any) -> None:
    given = QUICK | options | {"random_state": seed}
    path = tmp_path / "fit"
    for epoch in (4, 7):
        with pytest.raises(ZeroDivisionError):
            MLPClassifier(**given, checkpoint=path, checkpoint_epochs=2, callbacks=[Drawn(epoch)]).fit(X, Y)
    resumed = MLPClassifier(**given, checkpoint=path).fit(X, Y)
    again = MLPClassifier(**given, checkpoint=path).fit(X, Y)
    assert fn.tree_equal(resumed.params_, again.params_)
    if seed is not None:
        whole = MLPClassifier(**given).fit(X, Y)
        assert fn.tree_equal(resumed.params_, whole.params_)
        assert (resumed.loss_curve_, resumed.validation_scores_) == (whole.loss_curve_, whole.validation_scores_)


@pytest.mark.parametrize("change", [{"alpha": 0.5}, {"random_state": 1}, {"rows": 100}])
def test_a_checkpoint_of_another_fit_is_refused(change: dict[str, Any], tmp_path: Any) -> None:
    path = tmp_path / "fit"
    MLPClassifier(**QUICK, checkpoint=path).fit(X, Y)
    rows = change.pop("rows", len(Y))
    with pytest.raises(fn.CheckpointError, match="give each fit a path of its own"):
        MLPClassifier(**(QUICK | change), checkpoint=path).fit(X[:rows], Y[:rows])
    fn.save(path, (1.0,), {})
    with pytest.raises(fn.CheckpointError, match="expected a checkpoint of a fit"):
        MLPClassifier(**(QUICK | {"random_state": None}), checkpoint=path).fit(X, Y)


def test_callbacks_consume_the_states_of_a_fit(capsys: pytest.CaptureFixture[str]) -> None:
    losses: list[float] = []

    def first_three(states: Iterable[FitState]) -> Iterator[FitState]:
        for state in states:
            losses.append(state.loss)
            yield state
            if state.epoch == 3:
                return

    options = QUICK | {"early_stopping": True, "verbose": True}
    fitted = MLPClassifier(**options, callbacks=[first_three]).fit(X, Y)
    assert fitted.n_iter_ == 3
    np.testing.assert_equal(losses, [np.nan, *fitted.loss_curve_])
    lines = capsys.readouterr().out.splitlines()
    MLPRegressor(**QUICK, verbose=1).fit(X, Y)
    assert len(capsys.readouterr().out.splitlines()) == 12
    assert lines[0] == f"Iteration 1, loss = {losses[1]:.8f}"
    assert lines[1] == f"Validation score: {fitted.validation_scores_[0]:f}"


def test_the_user_may_interrupt() -> None:
    def interrupted(states: Iterable[FitState]) -> Iterator[FitState]:
        for state in states:
            yield state
            if state.epoch == 2:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted"):
        assert MLPClassifier(**QUICK, callbacks=[interrupted]).fit(X, Y).n_iter_ == 2


@pytest.mark.parametrize("scoring", [None, "loss", "f1_macro"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_best_epoch_by_any_score_is_kept(scoring: str | None, weighted: bool) -> None:
    weights = np.linspace(0, 2, len(Y)) if weighted else None
    options = QUICK | {"max_iter": 30, "early_stopping": True, "n_iter_no_change": 4, "learning_rate_init": 0.2}
    every: list[FitState] = []

    def remembered(states: Iterable[FitState]) -> Iterator[FitState]:
        for state in states:
            every.append(state)
            yield state

    fitted = MLPClassifier(**options, scoring=scoring, callbacks=[remembered]).fit(X, Y, sample_weight=weights)
    best = max(range(fitted.n_iter_), key=fitted.validation_scores_.__getitem__)
    assert fitted.best_validation_score_ == fitted.validation_scores_[best] == every[best + 1].score
    assert fn.tree_equal(fitted.params_, every[best + 1].train.params)
    assert len(fitted.validation_scores_) == fitted.n_iter_
    assert fitted.best_loss_ is None


def test_a_regressor_stops_early_by_r2() -> None:
    inputs, targets = make_regression(120, 4, n_targets=2, random_state=0)
    options = QUICK | {"max_iter": 60, "early_stopping": True, "learning_rate_init": 0.1, "target_scaling": True}
    fitted = MLPRegressor(**options, solver="sgd").fit(inputs, targets)
    assert fitted.best_validation_score_ > 0.8
    assert fitted.predict(inputs).shape == (120, 2)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_counts_have_rates_above_zero(engine: str) -> None:
    options: dict[str, Any] = {"preset": "tabular", "small": 0, "members": 2, "engine": engine}
    counts = MLPRegressor(**QUICK, **options, loss="poisson").fit(X, Y)
    rates = counts.predict(X)
    assert (rates > 0).all()
    model, params = counts.to_model()
    np.testing.assert_allclose(model.apply(params, X)[:, 0], rates, rtol=1e-5)
    with pytest.raises(DataError, match="targets of at least 0"):
        counts.fit(X, Y - 1.0)


def test_a_warm_start_goes_on_with_the_weights_and_partial_fit_with_the_whole_state() -> None:
    fitted = MLPClassifier(**QUICK, warm_start=True).fit(X, Y)
    before = fitted.params_
    assert fitted.fit(X, Y).loss_curve_[12] < fitted.loss_curve_[0]
    assert (len(fitted.loss_curve_), fitted.n_iter_, fitted.t_) == (24, 12, 24 * 150)
    assert not fn.tree_equal(before, fitted.params_)
    with pytest.raises(ValueError, match="same classes"):
        fitted.fit(X[:100], Y[:100])
    partly = MLPClassifier(**QUICK)
    with pytest.raises(ValueError, match="classes must be passed"):
        partly.partial_fit(X, Y)
    for _ in range(3):
        partly.partial_fit(X[::2], Y[::2], classes=[0, 1, 2])
    assert (len(partly.loss_curve_), partly.n_iter_, partly.t_) == (3, 1, 225)
    whole = MLPClassifier(**(QUICK | {"max_iter": 3})).fit(X[::2], Y[::2])
    assert fn.tree_equal(partly.params_, whole.params_)
    with pytest.raises(ValueError, match="not in"):
        partly.partial_fit(X[:2], [0, 7])
    with pytest.raises(ValueError, match="not in"):
        MLPClassifier().partial_fit(X[:2], [0, 7], classes=[0, 1])
    with pytest.raises(ValueError, match="not the same"):
        partly.partial_fit(X[:2], [0, 1], classes=[0, 1])
    with pytest.raises(fn.OptionError, match="early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    numbers = MLPRegressor(**QUICK).partial_fit(X, Y).partial_fit(X, Y)
    assert len(numbers.loss_curve_) == 2
    with pytest.raises(ValueError, match="2 outputs"):
        numbers.partial_fit(X, np.column_stack([Y, Y]))


def test_several_labels_keep_their_number() -> None:
    labels = np.column_stack([Y > 0, Y < 2]).astype(int)
    fitted = MLPClassifier(**QUICK, warm_start=True).fit(X, labels).fit(X, labels)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), fitted.predict_proba(X))
    with pytest.raises(ValueError, match="3 labels"):
        fitted.fit(X, np.column_stack([labels, labels[:, 0]]))
    with pytest.raises(ValueError, match="Multioutput"):
        fitted.fit(X, np.column_stack([Y, Y]))


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_probabilities_have_a_column_for_each_class(classes: int) -> None:
    inputs, targets = X[: 50 * classes], np.array(["a", "b", "c"])[Y[: 50 * classes]]
    fitted = MLPClassifier(**QUICK, label_smoothing=0.1).fit(inputs, targets)
    chances = fitted.predict_proba(inputs)
    assert chances.shape == (len(inputs), classes)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(inputs)), chances)
    assert (fitted.classes_[chances.argmax(axis=1)] == fitted.predict(inputs)).all()


def test_jax_takes_the_same_steps_as_numpy_in_the_precision_of_the_rows() -> None:
    pytest.importorskip("jax", reason="the engine needs JAX")
    options: dict[str, Any] = {"hidden_layer_sizes": 4, "max_iter": 2, "batch_size": 75, "random_state": 3}
    options |= {"solver": "sgd", "learning_rate": "invscaling"}
    weights = np.linspace(0.5, 2, len(Y))
    usual, compiled = (MLPClassifier(**options, engine=engine).fit(X, Y, weights) for engine in ("numpy", "jax"))
    # A few steps of some hundred operations, with a rounding of 1e-16 each.
    for one, other in zip(usual.coefs_, compiled.coefs_, strict=True):
        assert other.dtype == np.float64
        np.testing.assert_allclose(one, other, atol=1e-11)
    np.testing.assert_allclose(usual.loss_curve_, compiled.loss_curve_, rtol=1e-11)


def test_any_layer_loss_optimizer_and_activation_will_do() -> None:
    model = fn.chain(fn.linear(6), fn.layer_norm(), fn.maxout(3, 2))
    fitted = MLPClassifier(**QUICK, model=model, loss=fn.focal, optimizer=fn.lion(0.05)).fit(X, Y)
    assert fitted.score(X, Y) > 0.6
    assert fitted.to_model()[0].parts[0] is model
    two = MLPClassifier(**QUICK, loss=fn.hinge, activation=fn.leaky_relu(slope=0.2)).fit(X[:100], Y[:100])
    assert two.predict_proba(X).shape == (150, 2)
    assert two.out_activation_ == "softmax"
    robust = MLPRegressor(**QUICK, loss="huber", norm="rms", learning_rate="one_cycle").fit(X, Y)
    assert robust.score(X, Y) > -1
    with pytest.raises(fn.ShapeError, match=r"end it with linear\(3\)"):
        MLPClassifier(model=fn.linear(2)).fit(X, Y)


def test_the_whole_recipe_of_realmlp_trains() -> None:
    recipe: dict[str, Any] = {
        "feature_scale": True,
        "periodic": 3,
        "frequencies": 4,
        "parametric": True,
        "parametrization": "ntk",
    }
    recipe |= {"activation": "selu", "dropout": 0.1, "label_smoothing": 0.1, "weight_decay": 0.02, "beta_2": 0.95}
    recipe |= {"learning_rate": "cosine_cycles", "learning_rate_init": 0.04, "rate_factors": ((".bias", 0.1),)}
    recipe |= {"members": 1, "early_stopping": False}
    fitted = MLPClassifier(16, preset="tabular", max_iter=60, random_state=0, **recipe).fit(X, Y)
    assert fitted.score(X, Y) > 0.9


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "sklearn"},
        {"preset": "tabular"},
        {"members": 3},
        {"members": 2, "shared": False, "preset": "tabular"},
    ],
)
def test_a_model_file_predicts_like_the_estimator(options: dict[str, Any], tmp_path: Any) -> None:
    inputs = np.column_stack([X, Y % 3, np.arange(150) % 2])
    for estimator in (MLPClassifier, MLPRegressor):
        fitted = estimator(**QUICK, **options).fit(inputs, Y)
        for dtype, exact in (("float64", 1e-5), ("float32", 1e-4)):
            model, params = fitted.to_model(dtype=dtype)
            fn.save_model(tmp_path / "model", model, params, example=(6,))
            read = fn.load_model(tmp_path / "model")
            found = read.model.apply(read.params, inputs.astype(dtype))
            expected = fitted.predict_proba(inputs) if estimator is MLPClassifier else fitted.predict(inputs)[:, None]
            np.testing.assert_allclose(found, expected, atol=exact)


def test_gaps_and_categories_are_prepared() -> None:
    inputs = np.column_stack([X, Y.astype(float)])
    inputs[::7, 0] = np.nan
    options = QUICK | {"max_iter": 80, "learning_rate_init": 0.05}
    fitted = MLPClassifier(**options, preset="tabular").fit(inputs, Y)
    assert repr(fitted.preparation_.layer).startswith("concat(chain(columns(0, 5), impute(), rescale(), smooth_clip())")
    assert fitted.score(inputs, Y) > 0.9
    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier(**QUICK).fit(inputs, Y)
    scaled = MLPClassifier(**QUICK, scaling="standard").fit(X, Y)
    features = scaled.preparation_.layer.apply(scaled.preparation_.params, X)
    np.testing.assert_allclose([features.mean(axis=0), features.std(axis=0)], [[0] * 4, [1] * 4], atol=1e-9)


def test_robust_scales_are_those_of_the_layer() -> None:
    odd = X[:149]  # quartiles fall on rows
    fitted = MLPClassifier(**QUICK, scaling="robust").fit(odd, Y[:149])
    expected = fit_robust_scale(odd)
    (found,) = fitted.preparation_.params
    np.testing.assert_allclose(found.center, expected.center)
    np.testing.assert_allclose(found.factor, expected.factor)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_with_texts_is_encoded(library: str) -> None:
    frames = pytest.importorskip(library, reason=f"frames of {library}")
    colours = np.array(["red", "green", "blue"], object)[Y]
    columns = {"colour": colours, "length": X[:, 0], "whole": Y}
    columns["colour"][3] = None
    frame = frames.DataFrame({name: values.tolist() for name, values in columns.items()})
    options = QUICK | {"max_iter": 80, "learning_rate_init": 0.05}
    fitted = MLPClassifier(**options).fit(frame, Y)
    assert fitted.score(frame, Y) > 0.9
    if not hasattr(fitted, "feature_names_in_"):
        pytest.skip(f"this scikit-learn reads no names of {library}")
    assert fitted.feature_names_in_.tolist() == ["colour", "length", "whole"]
    new = frames.DataFrame({"colour": ["violet", "blue"], "length": [5.0, 6.0], "whole": [0, 2]})
    assert fitted.predict(new)[1] == 2
    model, params = fitted.to_model()
    encoded = encode(fitted.preparation_.schema, {name: new[name] for name in new.columns})
    np.testing.assert_allclose(model.apply(params, encoded), fitted.predict_proba(new), atol=1e-5)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(new[["length", "colour", "whole"]])
    with pytest.raises((ValueError, TypeError)):
        fitted.predict(frames.DataFrame({"colour": [1.0], "length": ["long"], "whole": [0]}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of the names that an array doesn't have
        with pytest.raises(fn.DataError, match="columns"):
            fitted.predict(np.ones((2, 3)))
    numbers = MLPRegressor(**options).fit(frame, X[:, 1])
    assert numbers.predict(frame).shape == (150,)


@pytest.mark.parametrize("texts", [False, True])
def test_a_lazy_frame_of_polars_is_refused_with_its_remedy(texts: bool) -> None:
    polars = pytest.importorskip("polars", reason="frames of polars")
    frame = polars.DataFrame({"x": ["short", "long"] * 75 if texts else X[:, 0].tolist()})
    fitted = MLPClassifier(**QUICK).fit(frame, Y)
    for call in (partial(MLPClassifier(**QUICK).fit, y=Y), fitted.predict):
        with pytest.raises(TypeError, match=r"got a LazyFrame; pass what its collect\(\) returns"):
            call(frame.lazy())


def test_categories_of_pandas_are_categories_whatever_they_are_written_with() -> None:
    pandas = pytest.importorskip("pandas", reason="frames of pandas")
    frame = pandas.DataFrame({"code": pandas.Categorical(Y * 10), "x": X[:, 0]})
    fitted = MLPClassifier(**QUICK).fit(frame, Y)
    assert [column.name for column in fitted.preparation_.schema.categories] == ["code"]


def test_it_composes_with_the_tools_of_scikit_learn() -> None:
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(**QUICK)), {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2
    )
    assert search.fit(X, Y).best_params_["mlpclassifier__alpha"] in (0.1, 1.0)
    members = MLPClassifier(**QUICK, members=2).fit(X, Y)
    np.testing.assert_allclose(np.exp(members.predict_log_proba(X)), members.predict_proba(X))
    calibrated = CalibratedClassifierCV(MLPClassifier(**QUICK), cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    fitted = MLPClassifier(**QUICK, preset="tabular").fit(X, Y)
    copied = pickle.loads(pickle.dumps(fitted))  # noqa: S301 (made here)
    assert (copied.predict_proba(X) == fitted.predict_proba(X)).all()
    assert fn.tree_equal(copied.partial_fit(X, Y).params_, fitted.partial_fit(X, Y).params_)


def test_weights_are_routed_and_classes_weighed() -> None:
    weights = np.where(Y == 2, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        options = QUICK | {"max_iter": 60, "learning_rate_init": 0.1}
        inner = MLPClassifier(**options).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, inner.set_score_request(sample_weight=True))
        assert set(routed.fit(X, Y, sample_weight=weights).predict(X)) <= {0, 1}
    balanced = MLPClassifier(**QUICK, class_weight="balanced").fit(X[:120], Y[:120])
    counted = MLPClassifier(**QUICK).fit(X[:120], Y[:120], np.where(Y[:120] < 2, 0.8, 2.0))
    for one, other in zip(balanced.coefs_, counted.coefs_, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


HUGE = {"learning_rate_init": 1e300, "solver": "sgd"}
WRONG: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"hidden_layer_sizes": (3, 0)}, fn.OptionError, "sizes > 0"),
    ({"alpha": -1.0}, InvalidParameterError, "alpha"),
    ({"preset": "best"}, InvalidParameterError, "preset"),
    ({"dropout": 1.0}, InvalidParameterError, "dropout"),
    ({"engine": "torch"}, InvalidParameterError, "engine"),
    ({"activation": "sine"}, InvalidParameterError, "activation"),
    ({"early_stopping": True, "validation_fraction": 0.001}, fn.DataError, "validation_fraction"),
    ({"members": 2, "norm": "layer"}, fn.OptionError, "norm"),
    ({"solver": "lbfgs", "checkpoint": "fit"}, fn.OptionError, "checkpoint"),
    ({"learning_rate_init": 1e300, "solver": "sgd", "max_iter": 5}, fn.DivergenceError, "learning_rate_init"),
    (
        {"learning_rate_init": 1e300, "solver": "sgd", "max_iter": 1, "precision": "float32"},
        fn.DivergenceError,
        "params_",
    ),
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("options", "kind", "words"), WRONG)
def test_a_wrong_option_gives_one_line(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        MLPClassifier(**options).fit(X, Y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "kind", "words"),
    [
        (np.ones(3), fn.ShapeError, "150 weights"),
        (-np.ones(150), fn.DataError, "at least 0"),
        (np.zeros(150), fn.DataError, "zero"),
        (np.full(150, np.nan), ValueError, "NaN"),
    ],
)
def test_wrong_weights_give_one_line(weights: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        MLPClassifier(**QUICK).fit(X, Y, weights)
    assert MLPClassifier(**QUICK).fit(X, Y, 2.0).n_iter_ == 12


def test_it_says_when_it_has_not_converged() -> None:
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        MLPClassifier(**QUICK).fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        MLPClassifier(**(QUICK | {"max_iter": 2}), solver="lbfgs").fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier(**QUICK, n_iter_no_change=np.inf).fit(X, Y)
        MLPClassifier(**QUICK, n_iter_no_change=1, tol=10.0).fit(X, Y)
