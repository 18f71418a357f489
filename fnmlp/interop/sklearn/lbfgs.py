"""L-BFGS: SciPy minimizes the penalised loss of all rows at once."""

from typing import Any
import warnings

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from fnmlp.arrays import Array, read_only
from fnmlp.batching import Batch
from fnmlp.interop.sklearn.engines import weight_places
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.training import value_and_grad
from fnmlp.tree import Tree, tree_flatten


def minimized(settings: Settings, model: Layer[Any], loss: Loss, params: Tree, data: Batch) -> tuple[Tree, float, int]:
    """Return the parameters that SciPy's L-BFGS-B ends with, their penalised loss, and the number of iterations."""
    leaves, rebuilt = tree_flatten(params)
    places = weight_places(params)
    rows = len(data) if isinstance(data.weights, tuple) else float(data.weights.sum())
    penalty = settings.alpha / rows
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]

    def unpacked(vector: Array) -> Tree:
        parts = np.split(vector, ends)
        return rebuilt(
            [read_only(part.reshape(leaf.shape).astype(leaf.dtype)) for part, leaf in zip(parts, leaves, strict=True)]
        )

    def objective(vector: Array) -> tuple[float, Array]:
        params = unpacked(vector)
        value, grads = value_and_grad(model, loss, params, data)
        own = [np.asarray(grad, np.float64) for grad in tree_flatten(grads)[0]]
        total = float(value)
        for place, part in enumerate(np.split(vector, ends)):
            if place in places:
                total += penalty / 2 * float(part @ part)
                own[place] = own[place].ravel() + penalty * part
        return total, np.concatenate([grad.ravel() for grad in own])

    start = np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in leaves])
    options = {"maxfun": settings.max_fun, "maxiter": settings.max_iter, "gtol": settings.tol}
    found = minimize(objective, start, method="L-BFGS-B", jac=True, options=options)
    if found.status == 1:
        message = f"lbfgs did not converge after {found.nit} iterations: {found.message}; increase max_iter or max_fun"
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    return unpacked(found.x), float(found.fun), int(min(found.nit, settings.max_iter))
