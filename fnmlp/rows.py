"""Each row's share of a parameter's gradient, stored as factors of outer products.

The gradient of any parameter is a sum over the rows of a batch. For a linear layer's weight the terms are outer
products, xᵀ dy of each row. A layer that can return these terms does so in its `rows`.
"""

from dataclasses import dataclass
from functools import reduce
from math import prod
from operator import add
from typing import Any

from fnmlp.arrays import Array, Shape, device_of, namespace, widen


@dataclass(frozen=True, eq=False)
class Rows:
    """Hold the gradients of one parameter, one per example, each as a sum of outer products.

    `left` is (n, terms, p) and `right` (n, terms, q); the p · q numbers of a gradient are laid out in `shape`. If
    layers share a parameter, their terms stand side by side. This is a dataclass, so that trees treat it as a leaf; an
    attrs class would be a node.
    """

    left: Array
    right: Array
    shape: Shape

    def __add__(self, other: "Rows") -> "Rows":
        """Join the terms of two uses of a parameter; if their factors differ in shape, multiply them first."""
        if self.left.shape[2] != other.left.shape[2]:
            return stacked(self.multiplied() + other.multiplied(), self.shape)
        xp = namespace(self.left)
        left, right = (xp.concat(pair, axis=1) for pair in ((self.left, other.left), (self.right, other.right)))
        return Rows(left, right, self.shape)

    def multiplied(self) -> Array:
        """Return the gradients: (n, …)."""
        left, right = self.left[:, :, :, None], self.right[:, :, None, :]
        total = reduce(add, (left[:, term, ...] * right[:, term, ...] for term in range(left.shape[1])))
        xp = namespace(total)
        gradients: Array = xp.reshape(xp.asarray(total), (total.shape[0], *self.shape))  # drop the guard of `strict`
        return gradients

    def squares(self) -> Array:
        """Return the squared norms of the gradients, (n,), in float64: ⟨Σ lᵀr, Σ lᵀr⟩ = Σⱼₖ (lⱼ·lₖ)(rⱼ·rₖ)."""
        left, right = widen(self.left), widen(self.right)
        products = (left @ left.mT) * (right @ right.mT)
        xp = namespace(products)
        squares: Array = xp.sum(xp.asarray(products), axis=(1, 2))
        return squares


def outer(left: Array, right: Array, shape: Shape) -> Any:
    """Hold one outer product for each row: (n, p) and (n, q).

    >>> import numpy as np
    >>> outer(np.ones((4, 2)), np.ones((4, 3)), (2, 3)).multiplied().shape
    (4, 2, 3)
    """
    return Rows(left[:, None, :], right[:, None, :], shape)


def stacked(gradients: Array, shape: Shape) -> Any:
    """Hold whole gradients, (n, …), as products with 1.

    >>> import numpy as np
    >>> stacked(np.array([[3.0, 4.0]]), (2,)).squares()
    array([25.])
    """
    xp, rows = namespace(gradients), gradients.shape[0]
    ones = xp.ones((rows, 1, 1), dtype=gradients.dtype, device=device_of(gradients))
    return Rows(ones, xp.reshape(gradients, (rows, 1, prod(shape))), shape)
