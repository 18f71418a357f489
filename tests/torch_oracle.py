"""torch as an oracle: arrays as its tensors, its gradients, and how far two right sums may differ."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.optional import optional

torch = optional("torch")


def to_torch(x: Any) -> Any:
    return torch.from_numpy(np.array(x))


def leaf(x: Any) -> Any:
    return to_torch(x).requires_grad_()


def backward(function: Callable[[Any], Any], x: Any, dy: Any) -> tuple[Any, Any]:
    """Return torch's value of a function, and its gradient with respect to x; those of a module it keeps itself."""
    torch_x = leaf(x)
    y = function(torch_x)
    y.backward(to_torch(dy))
    return y, torch_x.grad


def assert_within_gamma(found: Any, oracle: Any, terms: Any, summands: int) -> None:
    """Claim that two sums of these terms differ by at most what rounding in any order allows, element by element.

    Source: Higham 2002, "Accuracy and Stability", eq. 3.5: each is γₙ Σ|terms| off; 8 roundings more for exp,
    division and scaling.
    """
    expected = oracle.detach().numpy()
    found = np.asarray(found)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    n = (summands + 8) * float(np.finfo(found.dtype).eps) / 2
    bound = 2 * n / (1 - n) * np.asarray(terms, np.float64)
    excess = np.abs(found.astype(np.float64) - expected.astype(np.float64)) - bound
    assert excess.max(initial=0.0) <= 0
