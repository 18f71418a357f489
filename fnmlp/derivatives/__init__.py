"""Derivatives beyond the gradient of a batch: example by example, along a direction, of second order, of the input."""

from fnmlp.derivatives.directional import hessian_vector_product, jvp
from fnmlp.derivatives.inputs import saliency
from fnmlp.derivatives.per_example import per_example_gradients, per_example_norms

__all__ = ["hessian_vector_product", "jvp", "per_example_gradients", "per_example_norms", "saliency"]
