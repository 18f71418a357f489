"""fnmlp: multilayer perceptrons as pure functions on NumPy.

A layer is three pure functions over an immutable parameter tree, an optimiser is a pure map, randomness is a
value, and training is a fold over batches.
"""

from fnmlp.arrays import Array, Shape, namespace
from fnmlp.batches import Batch, batches, epoch_order
from fnmlp.checkpoint import Checkpoint, load, restore, save
from fnmlp.combinators import chain
from fnmlp.errors import (
    CheckpointError,
    DataError,
    DataNotFoundError,
    DivergenceError,
    DtypeError,
    FnmlpError,
    MissingDependencyError,
    OptionError,
    ShapeError,
    StructureError,
    one_line,
)
from fnmlp.initializers import (
    constant,
    glorot_normal,
    glorot_uniform,
    kaiming_normal,
    kaiming_uniform,
    uniform,
    zeros,
)
from fnmlp.key import Key, fold_in, generator, split
from fnmlp.labels import one_hot
from fnmlp.layer import Layer, Pullback, gradients
from fnmlp.layers import Linear, flatten, identity, linear, relu, scale, softmax
from fnmlp.losses import Loss, mse, on_labels
from fnmlp.metrics import accuracy, confusion_matrix
from fnmlp.models import SavedModel, build, load_model, save_model
from fnmlp.optimizers import Optimizer, sgd, sgd_update
from fnmlp.training import TrainState, epochs, evaluate, predict, train_state, train_step, value_and_grad
from fnmlp.tree import tree_equal, tree_flatten, tree_leaves, tree_map, tree_paths, tree_reduce, tree_sha256

__version__ = "0.1.0"

__all__ = [
    "Array",
    "Batch",
    "Checkpoint",
    "CheckpointError",
    "DataError",
    "DataNotFoundError",
    "DivergenceError",
    "DtypeError",
    "FnmlpError",
    "Key",
    "Layer",
    "Linear",
    "Loss",
    "MissingDependencyError",
    "Optimizer",
    "OptionError",
    "Pullback",
    "SavedModel",
    "Shape",
    "ShapeError",
    "StructureError",
    "TrainState",
    "accuracy",
    "batches",
    "build",
    "chain",
    "confusion_matrix",
    "constant",
    "epoch_order",
    "epochs",
    "evaluate",
    "flatten",
    "fold_in",
    "generator",
    "glorot_normal",
    "glorot_uniform",
    "gradients",
    "identity",
    "kaiming_normal",
    "kaiming_uniform",
    "linear",
    "load",
    "load_model",
    "mse",
    "namespace",
    "on_labels",
    "one_hot",
    "one_line",
    "predict",
    "relu",
    "restore",
    "save",
    "save_model",
    "scale",
    "sgd",
    "sgd_update",
    "softmax",
    "split",
    "train_state",
    "train_step",
    "tree_equal",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_paths",
    "tree_reduce",
    "tree_sha256",
    "uniform",
    "value_and_grad",
    "zeros",
]
