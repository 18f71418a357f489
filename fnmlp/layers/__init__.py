"""Layers: each a constructor and its three pure functions, in that order, in a module by kind."""

from fnmlp.layers.activations import elu, selu, sigmoid, softplus, tanh
from fnmlp.layers.affine import Linear, linear, maxout
from fnmlp.layers.distributions import log_softmax, softmax
from fnmlp.layers.gates import gelu, silu
from fnmlp.layers.noise import dropout, gaussian_noise
from fnmlp.layers.normalization import LayerNorm, RmsNorm, layer_norm, rms_norm
from fnmlp.layers.pointwise import elementwise
from fnmlp.layers.rectifiers import hardswish, hardtanh, leaky_relu, relu
from fnmlp.layers.shape import flatten, identity, scale
from fnmlp.layers.standardization import standardize, unstandardize
from fnmlp.layers.tables import Embedding, embedding

__all__ = [
    "Embedding",
    "LayerNorm",
    "Linear",
    "RmsNorm",
    "dropout",
    "elementwise",
    "elu",
    "embedding",
    "flatten",
    "gaussian_noise",
    "gelu",
    "hardswish",
    "hardtanh",
    "identity",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "maxout",
    "relu",
    "rms_norm",
    "scale",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "standardize",
    "tanh",
    "unstandardize",
]
