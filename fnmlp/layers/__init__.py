"""Layers: each a constructor and its three pure functions, in that order, in a module by kind."""

from fnmlp.layers.activations import celu, elu, selu, sigmoid, softplus, softsign, tanh
from fnmlp.layers.affine import Linear, linear, maxout
from fnmlp.layers.distributions import log_softmax, softmax
from fnmlp.layers.gates import gelu, mish, silu
from fnmlp.layers.halves import glu, swiglu
from fnmlp.layers.noise import dropout, gaussian_noise
from fnmlp.layers.normalization import LayerNorm, RmsNorm, layer_norm, rms_norm
from fnmlp.layers.pointwise import elementwise
from fnmlp.layers.rectifiers import Prelu, hardsigmoid, hardswish, hardtanh, leaky_relu, prelu, relu, relu6
from fnmlp.layers.shape import flatten, identity, scale
from fnmlp.layers.standardization import standardize, unstandardize
from fnmlp.layers.tables import Embedding, embedding

__all__ = [
    "Embedding",
    "LayerNorm",
    "Linear",
    "Prelu",
    "RmsNorm",
    "celu",
    "dropout",
    "elementwise",
    "elu",
    "embedding",
    "flatten",
    "gaussian_noise",
    "gelu",
    "glu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "maxout",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "scale",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "standardize",
    "swiglu",
    "tanh",
    "unstandardize",
]
