# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.layers.activations import (
    celu as celu,
    elu as elu,
    exponential as exponential,
    selu as selu,
    sigmoid as sigmoid,
    smooth_clip as smooth_clip,
    softplus as softplus,
    softsign as softsign,
    tanh as tanh,
)
from fnmlp.layers.affine import (Linear as Linear, linear as linear, maxout as maxout, ntk_linear as ntk_linear)
from fnmlp.layers.deskewing import (deskew as deskew,)
from fnmlp.layers.embeddings import (Embedding as Embedding, embedding as embedding)
from fnmlp.layers.ensembles import (
    BatchEnsemble as BatchEnsemble,
    batch_ensemble as batch_ensemble,
    ensemble_linear as ensemble_linear,
)
from fnmlp.layers.gates import (gelu as gelu, mish as mish, silu as silu)
from fnmlp.layers.halves import (glu as glu, swiglu as swiglu)
from fnmlp.layers.members import (mean_members as mean_members, tile as tile)
from fnmlp.layers.noise import (dropout as dropout, gaussian_noise as gaussian_noise)
from fnmlp.layers.normalization import (
    LayerNorm as LayerNorm,
    RmsNorm as RmsNorm,
    layer_norm as layer_norm,
    rms_norm as rms_norm,
)
from fnmlp.layers.numerical_embeddings import (Periodic as Periodic, periodic as periodic)
from fnmlp.layers.parametric_activations import (Parametric as Parametric, parametric as parametric)
from fnmlp.layers.pointwise import (elementwise as elementwise,)
from fnmlp.layers.quantiles import (fit_impute as fit_impute, fit_robust_scale as fit_robust_scale)
from fnmlp.layers.rectifiers import (
    Prelu as Prelu,
    hardsigmoid as hardsigmoid,
    hardswish as hardswish,
    hardtanh as hardtanh,
    leaky_relu as leaky_relu,
    prelu as prelu,
    relu as relu,
    relu6 as relu6,
)
from fnmlp.layers.scaling import (
    fit_standardize as fit_standardize,
    scale as scale,
    standardize as standardize,
    unstandardize as unstandardize,
)
from fnmlp.layers.shape import (flatten as flatten, identity as identity)
from fnmlp.layers.softmaxes import (log_softmax as log_softmax, softmax as softmax)
from fnmlp.layers.tables import (
    Impute as Impute,
    Rescale as Rescale,
    columns as columns,
    impute as impute,
    one_hot_columns as one_hot_columns,
    rescale as rescale,
)

__all__: list[str]
