"""The fit that both estimators share: from checked inputs, by a fold, to fitted attributes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from functools import partial
from math import isfinite
from numbers import Integral
from typing import Any
import warnings

from attrs import evolve
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing, check_random_state

from fnmlp.arrays import Array
from fnmlp.batching import Batch
from fnmlp.errors import DivergenceError, OptionError, ShapeError
from fnmlp.interop.sklearn.consumers import last_state, printed, resumed, saved, saved_seed
from fnmlp.interop.sklearn.fitted import Fitted
from fnmlp.interop.sklearn.fitting import Work, begun, fingerprint, plan_of
from fnmlp.interop.sklearn.folding import WORST, FitState, chosen, converged, first_state, states_of
from fnmlp.interop.sklearn.folds import beside_parts, held_outputs, parts_of_rows, with_parts
from fnmlp.interop.sklearn.inputs import Rows, checked_pair
from fnmlp.interop.sklearn.lbfgs import minimized
from fnmlp.interop.sklearn.losses import loss_of
from fnmlp.interop.sklearn.networks import network_of
from fnmlp.interop.sklearn.preparation import precision_of, preparation_of, prepared
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.interop.sklearn.scoring import Held, score_of
from fnmlp.interop.sklearn.splits import Division, held_out, weights_at, weights_of
from fnmlp.interop.sklearn.targets import Targets, encoded
from fnmlp.key import Key, OutlineKey, generator, split
from fnmlp.layer import Layer
from fnmlp.losses import Loss, over_members
from fnmlp.optimizers import sgd
from fnmlp.training import predict, train_state
from fnmlp.tree import Tree, first_not_finite
from fnmlp.weights import Weights

NO_COSTS = WORST, 0, 0
"""The best cost before any epoch, the number of epochs without a better one, and that of cuts of the rate."""


class Shell(Fitted, ABC):
    """A thin mutable shell, as scikit-learn wants it: `fit` folds pure steps, and stores the last state."""

    @abstractmethod
    def _cleaned(self, y: Any) -> Array:
        """Check targets and bring them into shape."""

    @abstractmethod
    def _targets(self, settings: Settings, y: Array, train: Array, own: Any, classes: Any) -> Targets:
        """Return what the outputs of a new network stand for."""

    @abstractmethod
    def _check_known(self, y: Array, *, exactly: bool) -> None:
        """Raise if a fit that goes on can't take these targets."""

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, once: bool = False, classes: Any = None) -> Any:
        """Fit from the start, or go on from the last fit: with warm_start, or for one epoch (`once`)."""
        fresh = not (hasattr(self, "model_") and (once or self.warm_start))
        gaps, numeric = self._settings().missing != "refuse", self._task == "regression"
        rows, y = checked_pair(self, X, y, gaps=gaps, numeric=numeric, reset=fresh)
        y = self._cleaned(y)
        settings = self._settings(len(y))
        weights = weights_of(sample_weight, getattr(self, "class_weight", None), y)
        init_key, order_key, split_key = split(Key(self._seed()), 3)
        division = self._division(settings, y, weights, split_key, once=once)
        if fresh:
            self._prepare(settings, rows, y, weights, division.train, classes)
        else:
            self._check_known(y, exactly=not once)
        self.settings_ = settings
        x = prepared(self.preparation_, rows, self._dtype)
        data = self._batch(x, y, weights, division)
        if fresh:
            self._initialize(data, init_key)
        loss = loss_of(self.loss, self.targets_.kind, settings.label_smoothing)
        joint = self._joint(loss, crossed=division.crossed)
        if settings.solver == "lbfgs" and self.optimizer is None:
            return self._descend(settings, joint, data)
        score = self._score(X if hasattr(X, "shape") else rows, x, y, weights, division, loss)
        epochs = 1 if once else int(settings.max_iter)
        done, seen = self._epochs, self.t_
        work = Work(
            settings, self.model_, joint, self.optimizer, self.engine, data, score, order_key, epochs, done, seen
        )
        return self._learn(work, once=once)

    def _seed(self) -> int:
        """Return the seed of this fit; unless an integer decides it, that of a checkpoint to go on from."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        if self.checkpoint is None or isinstance(self.random_state, Integral):
            return seed
        return saved_seed(self.checkpoint, seed)

    def _division(self, settings: Settings, y: Array, weights: Weights, key: Key, *, once: bool) -> Division:
        """Return which rows to train on, and which are held out; rows of weight 0 are neither."""
        counted = np.flatnonzero(weights) if len(weights) else np.arange(len(y))
        if once and self.early_stopping:
            raise OptionError("partial_fit(early_stopping)", "False", True, "call fit to hold rows out")
        if once or not settings.early_stopping:
            return Division(counted, counted[:0])
        alone = self._is_single(y)
        crossed = settings.cross_validation and self.model is None and settings.solver != "lbfgs"
        if crossed and 1 < settings.members <= len(counted):
            return Division(counted, counted[:0], parts_of_rows(y[counted], settings.members, key, stratify=alone))
        seed = int(generator(key).integers(2**31))
        train, held = held_out(y[counted], settings.validation_fraction, seed, stratify=alone)
        return Division(counted[train], counted[held])

    def _is_single(self, y: Array) -> bool:
        """Tell whether each row has one class."""
        return self._task == "classification" and y.ndim == 1

    def _prepare(self, settings: Settings, rows: Rows, y: Array, weights: Weights, train: Array, classes: Any) -> None:
        """Forget an earlier fit, and fit what stands before and after the network to the training rows."""
        own = weights_at(weights, train)
        self.targets_ = self._targets(settings, y, train, own, classes)
        self.preparation_ = preparation_of(settings, rows[train], own)
        self._dtype = precision_of(settings, rows)
        self._epochs, self.t_, self._costs = 0, 0, NO_COSTS
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = None

    def _batch(self, x: Array, y: Array, weights: Weights, division: Division) -> Batch:
        """Return the rows to train on."""
        train = division.train
        targets = encoded(self.targets_, y[train], self._dtype)
        targets = with_parts(targets, division.parts) if division.crossed else targets
        own = weights_at(weights, train)
        return Batch(x[train], targets, own.astype(self._dtype, copy=False) if len(own) else ())

    def _joint(self, loss: Loss, *, crossed: bool) -> Loss:
        """Return the loss of the outputs of all members."""
        if crossed:
            return beside_parts(loss)
        return over_members(loss) if self._members > 1 else loss

    def _score(
        self, given: Any, x: Array, y: Array, weights: Weights, division: Division, loss: Loss
    ) -> Callable[[Tree], float] | None:
        """Return the function from parameters to the score of the rows that are held out; None if there are none."""
        places = division.train if division.crossed else division.held
        if not len(places):
            return None
        held = Held(_safe_indexing(given, places), x[places], y[places], weights_at(weights, places))
        if division.crossed:  # each row by the member that holds it out
            return score_of(self, self.scoring or "loss", loss, held, held_outputs(self.model_, held.x, division.parts))
        outputs = partial(_of_rows, self.model_, held.x)
        return score_of(self, self.scoring, self._joint(loss, crossed=False), held, outputs)

    def _initialize(self, data: Batch, key: Key) -> None:
        """Draw the initial parameters of a new network."""
        outputs, example = self.targets_.outputs, data.inputs.shape[1:]
        model = network_of(self.settings_, outputs) if self.model is None else self.model
        _, out = model.init(OutlineKey(0), example)
        if self.model is not None and out != (outputs,):
            raise ShapeError("model", f"{outputs} outputs", out, f"end it with linear({outputs})")
        self._train = train_state(model, sgd(1.0), key=key, example=example, dtype=self._dtype)
        self.params_ = self._train.params
        self._members = 1 if self.model is not None else self.settings_.members
        # The network by its plain name: how its parameters began no longer matters.
        self.model_ = network_of(self.settings_, outputs, bare=True) if self.model is None else model

    def _descend(self, settings: Settings, loss: Loss, data: Batch) -> Any:
        """Minimize the loss of all rows by L-BFGS."""
        for name, usual in (("checkpoint", None), ("callbacks", None), ("engine", "numpy")):
            if getattr(self, name) != usual:
                remedy = "choose solver='adam'"
                raise OptionError(name, f"{usual!r} with solver='lbfgs'", repr(getattr(self, name)), remedy)
        self.params_, self.loss_, self.n_iter_ = minimized(settings, self.model_, loss, self.params_, data)
        return self._checked()

    def _learn(self, work: Work, *, once: bool) -> Any:
        """Fold the epochs of a fit, and store the last state."""
        train = self._train if once and self._epochs else begun(work, self.params_, self._train.key)
        best, waited, cuts = self._costs
        state = first_state(train, work.epochs, work.score is not None, best, waited, cuts if once else 0)
        plan = plan_of(work, self.params_)
        consumers = [*([printed] if self.verbose else []), *(self.callbacks or ())]
        if self.checkpoint is None:
            state = last_state(states_of(plan, state), consumers, state)
        else:
            notes = {"fit": fingerprint(work, train), "seed": str(work.key.entropy)}
            state = resumed(self.checkpoint, state, notes)
            saving = saved(states_of(plan, state), self.checkpoint, epochs=self.checkpoint_epochs, notes=notes)
            with closing(saving):  # saves the last state at once, even if a consumer stops early
                state = last_state(saving, consumers, state)
        return self._keep(work, state, once=once)

    def _keep(self, work: Work, state: FitState, *, once: bool) -> Any:
        """Store what scikit-learn shows of a fit."""
        settings, scored = work.settings, work.score is not None
        self.params_ = chosen(settings, state)
        self._train = evolve(state.train, params=self.params_) if scored else state.train
        self._costs = state.best, state.waited, state.cuts
        self._epochs, self.n_iter_ = self._epochs + state.epoch, state.epoch
        self.t_ += state.epoch * len(work.data)
        self.loss_curve_ = self.loss_curve_ + state.losses[: state.epoch].tolist()
        self.loss_ = state.loss
        self.best_loss_ = None if scored else state.best
        self.best_validation_score_ = -state.best if scored else None
        scores = state.scores[: state.epoch].tolist()
        self.validation_scores_ = (self.validation_scores_ or []) + scores if scored else None
        whole = state.epoch == work.epochs and not once and not settings.cross_validation
        if whole and isfinite(settings.n_iter_no_change) and not converged(settings, state):
            message = f"Stochastic Optimizer: Maximum iterations ({work.epochs}) reached and the optimization hasn't \
converged yet."
            warnings.warn(message, ConvergenceWarning, stacklevel=5)
        return self._checked()

    def _checked(self) -> Any:
        """Return the estimator if its parameters are finite."""
        path = first_not_finite(self.params_)
        if path is not None:
            remedy = "scale the columns, or train with a smaller learning_rate_init"
            raise DivergenceError(f"params_{path}", "finite numbers", "infinities or NaN", remedy)
        return self


def _of_rows(model: Layer[Any], x: Array, params: Tree) -> Array:
    """Return the outputs of a network for some rows."""
    return predict(model, params, x)


def has_epochs(estimator: Shell) -> bool:
    """Tell whether a solver goes through the rows batch by batch, as `partial_fit` needs."""
    if estimator._settings().solver == "lbfgs":  # noqa: SLF001 (asked by the class itself)
        raise AttributeError("partial_fit is only available for the solvers 'sgd' and 'adam'.")
    return True
