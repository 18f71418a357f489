"""The table of exchange: each of our constructors, the class of torch.nn that computes the same, and their options.

Nothing here needs torch, so that state dicts can be read without it.
"""

from collections.abc import Mapping
from typing import Any

from attrs import Factory, frozen

from fnmlp.layers import (
    BatchEnsemble,
    Embedding,
    Impute,
    LayerNorm,
    Linear,
    Parametric,
    Periodic,
    Prelu,
    Rescale,
    RmsNorm,
)

NONE: Mapping[str, Any] = {}


@frozen
class Field:
    """A parameter: its name in torch, and its shape here.

    `shape`     the name of each axis: that of an option which is its length, or any name; equal names, equal lengths.
    `turned`    torch stores the transposed matrix.
    `optional`  it is () if the option of the same name is False.
    """

    name: str
    shape: tuple[str, ...]
    turned: bool = False
    optional: bool = False


@frozen
class Entry:
    """A row of the table.

    `module`   the class of torch.nn, or "" if torch lacks the layer.
    `options`  our option -> torch's name of it; the value is the same.
    `fixed`    torch's option -> the only value that the layer has.
    `record`   the class that holds the parameters, or None.
    `fields`   our parameter -> the field, in the record's order.
    """

    module: str = ""
    options: Mapping[str, str] = NONE
    fixed: Mapping[str, Any] = NONE
    record: type[Any] | None = None
    fields: Mapping[str, Field] = Factory(dict)


def _own(record: type[Any], **shapes: tuple[str, ...]) -> Entry:
    """Make the row of a layer that torch lacks: its parameters keep their names and layout."""
    return Entry(record=record, fields={name: Field(name, shape) for name, shape in shapes.items()})


BIAS = Field("bias", ("out",), optional=True)

TABLE: Mapping[str, Entry] = {
    "linear": Entry(
        "Linear",
        {"out": "out_features"},
        record=Linear,
        fields={"weight": Field("weight", ("n", "out"), turned=True), "bias": BIAS},
    ),
    "layer_norm": Entry(
        "LayerNorm",
        {"epsilon": "eps"},
        record=LayerNorm,
        fields={"gain": Field("weight", ("n",)), "offset": Field("bias", ("n",))},
    ),
    "rms_norm": Entry("RMSNorm", {"epsilon": "eps"}, record=RmsNorm, fields={"gain": Field("weight", ("n",))}),
    "embedding": Entry(
        "Embedding",
        {"count": "num_embeddings", "width": "embedding_dim"},
        {"padding_idx": None, "max_norm": None, "scale_grad_by_freq": False},
        record=Embedding,
        fields={"table": Field("weight", ("count", "width"))},
    ),
    "prelu": Entry("PReLU", record=Prelu, fields={"slope": Field("weight", ("n",))}),
    "identity": Entry("Identity"),
    "flatten": Entry("Flatten", fixed={"start_dim": 1, "end_dim": -1}),
    "dropout": Entry("Dropout", {"rate": "p"}),
    "softmax": Entry("Softmax", {"axis": "dim"}),
    "log_softmax": Entry("LogSoftmax", {"axis": "dim"}),
    "relu": Entry("ReLU"),
    "relu6": Entry("ReLU6"),
    "leaky_relu": Entry("LeakyReLU", {"slope": "negative_slope"}),
    "hardtanh": Entry("Hardtanh", fixed={"min_val": -1, "max_val": 1}),
    "hardsigmoid": Entry("Hardsigmoid"),
    "hardswish": Entry("Hardswish"),
    "sigmoid": Entry("Sigmoid"),
    "tanh": Entry("Tanh"),
    "softplus": Entry("Softplus", fixed={"beta": 1, "threshold": 20}),
    "softsign": Entry("Softsign"),
    "elu": Entry("ELU", {"alpha": "alpha"}),
    "celu": Entry("CELU", {"alpha": "alpha"}),
    "selu": Entry("SELU"),
    "gelu": Entry("GELU", {"approximate": "approximate"}),
    "silu": Entry("SiLU"),
    "mish": Entry("Mish"),
    "glu": Entry("GLU", fixed={"dim": -1}),
    "ntk_linear": Entry(record=Linear, fields={"weight": Field("weight", ("n", "out")), "bias": BIAS}),
    "maxout": _own(Linear, weight=("n", "candidates"), bias=("candidates",)),
    "ensemble_linear": _own(Linear, weight=("members", "n", "out"), bias=("members", "out")),
    "batch_ensemble": _own(
        BatchEnsemble,
        weight=("n", "out"),
        scale_in=("members", "n"),
        scale_out=("members", "out"),
        bias=("members", "out"),
    ),
    "parametric": _own(Parametric, alpha=("n",)),
    "periodic": _own(
        Periodic,
        frequency=("n", "frequencies"),
        phase=("n", "frequencies"),
        weight=("n", "frequencies", "outputs"),
        bias=("n", "outputs"),
    ),
    "impute": _own(Impute, value=("n",)),
    "rescale": _own(Rescale, center=("n",), factor=("n",)),
}
"""By the constructor's name. A layer of ours that is not here has no parameters and no counterpart in torch.nn."""

MODULES: Mapping[str, str] = {entry.module: name for name, entry in TABLE.items() if entry.module}
"""The other way: class of torch.nn -> constructor."""
