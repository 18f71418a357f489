# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.arrays import (Array as Array, Shape as Shape, namespace as namespace)
from fnmlp.batching import (Batch as Batch, batches as batches, epoch_order as epoch_order, split_data as split_data)
from fnmlp.combinators.branches import (add as add, concat as concat, parallel as parallel, residual as residual)
from fnmlp.combinators.chains import (chain as chain, repeat as repeat)
from fnmlp.combinators.sharing import (frozen as frozen, tied as tied)
from fnmlp.combinators.strictness import (strict as strict,)
from fnmlp.derivatives.directional import (
    hessian_vector_product as hessian_vector_product,
    jvp as jvp,
    saliency as saliency,
)
from fnmlp.derivatives.per_example import (
    per_example_gradients as per_example_gradients,
    per_example_norms as per_example_norms,
)
from fnmlp.errors import (
    CheckpointError as CheckpointError,
    DataError as DataError,
    DataNotFoundError as DataNotFoundError,
    DivergenceError as DivergenceError,
    DtypeError as DtypeError,
    FnmlpError as FnmlpError,
    MissingDependencyError as MissingDependencyError,
    OptionError as OptionError,
    ShapeError as ShapeError,
    StructureError as StructureError,
    one_line as one_line,
)
from fnmlp.expressions import (build as build,)
from fnmlp.initializers import (
    constant as constant,
    glorot_normal as glorot_normal,
    glorot_uniform as glorot_uniform,
    kaiming_normal as kaiming_normal,
    kaiming_uniform as kaiming_uniform,
    normal as normal,
    signs as signs,
    uniform as uniform,
    zeros as zeros,
)
from fnmlp.key import (Key as Key, fold_in as fold_in, generator as generator, split as split)
from fnmlp.labels import (one_hot as one_hot,)
from fnmlp.layer import (Layer as Layer, Pullback as Pullback, gradients as gradients)
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
from fnmlp.losses.binary import (binary_cross_entropy as binary_cross_entropy,)
from fnmlp.losses.classification import (
    cross_entropy as cross_entropy,
    hinge as hinge,
    kl as kl,
    nll as nll,
    on_labels as on_labels,
)
from fnmlp.losses.focal_losses import (binary_focal as binary_focal, focal as focal)
from fnmlp.losses.members import (over_members as over_members,)
from fnmlp.losses.regression import (
    huber as huber,
    l1 as l1,
    log_cosh as log_cosh,
    mse as mse,
    poisson_nll as poisson_nll,
)
from fnmlp.losses.shared import (Loss as Loss,)
from fnmlp.metrics.classification import (
    accuracy as accuracy,
    confusion_matrix as confusion_matrix,
    expected_calibration_error as expected_calibration_error,
    f1 as f1,
    precision as precision,
    recall as recall,
    top_k_accuracy as top_k_accuracy,
)
from fnmlp.metrics.fold import (Metric as Metric, fold_metric as fold_metric, mean_over_rows as mean_over_rows)
from fnmlp.metrics.regression import (mean_absolute_error as mean_absolute_error, r2 as r2)
from fnmlp.moving import (to as to,)
from fnmlp.optimizers.core import (Optimizer as Optimizer, Sums as Sums)
from fnmlp.optimizers.descent import (lion as lion, sgd as sgd, sgd_update as sgd_update)
from fnmlp.optimizers.filters import (
    PartitionedState as PartitionedState,
    PathFilter as PathFilter,
    everywhere as everywhere,
    is_weight as is_weight,
    partitioned as partitioned,
)
from fnmlp.optimizers.layerwise import (lamb as lamb, muon as muon)
from fnmlp.optimizers.lookahead import (NadamState as NadamState, nadam as nadam)
from fnmlp.optimizers.moments import (adam as adam, adamax as adamax, adamw as adamw, radam as radam)
from fnmlp.optimizers.pacing import (
    AccumulatedState as AccumulatedState,
    FiniteState as FiniteState,
    accumulated as accumulated,
    apply_if_finite as apply_if_finite,
)
from fnmlp.optimizers.schedules import (
    Schedule as Schedule,
    constant_rate as constant_rate,
    cosine_cycles as cosine_cycles,
    cosine_decay as cosine_decay,
    cosine_restarts as cosine_restarts,
    exponential_decay as exponential_decay,
    linear_decay as linear_decay,
    one_cycle as one_cycle,
    piecewise as piecewise,
    step_decay as step_decay,
    warm_up as warm_up,
)
from fnmlp.optimizers.squares import (adadelta as adadelta, adagrad as adagrad, rmsprop as rmsprop)
from fnmlp.optimizers.transforms import (
    Transform as Transform,
    clip_by_global_norm as clip_by_global_norm,
    clip_by_value as clip_by_value,
    compose as compose,
    weight_decay as weight_decay,
)
from fnmlp.optimizers.wrappers import (
    AveragedState as AveragedState,
    ChosenState as ChosenState,
    ScheduledState as ScheduledState,
    averaged as averaged,
    averaged_params as averaged_params,
    decoupled_decay as decoupled_decay,
    max_norm as max_norm,
    scheduled as scheduled,
)
from fnmlp.storage.format import (Checkpoint as Checkpoint, load as load, restore as restore, save as save)
from fnmlp.storage.models import (SavedModel as SavedModel, load_model as load_model, save_model as save_model)
from fnmlp.storage.runs import (
    best_checkpoint as best_checkpoint,
    checkpoints as checkpoints,
    resume as resume,
    saved_score as saved_score,
)
from fnmlp.training.adversaries import (adversarial as adversarial, virtual_adversarial as virtual_adversarial)
from fnmlp.training.checking import (checked_step as checked_step,)
from fnmlp.training.consumers import (best_state as best_state, early_stopping as early_stopping, scored as scored)
from fnmlp.training.loop import (
    TrainState as TrainState,
    apply_remainder as apply_remainder,
    epochs as epochs,
    evaluate as evaluate,
    predict as predict,
    train_state as train_state,
    train_step as train_step,
)
from fnmlp.training.objectives import (Objective as Objective, value_and_grad as value_and_grad)
from fnmlp.training.outlines import (summary as summary,)
from fnmlp.training.rates import (rate_range as rate_range, suggested_rate as suggested_rate)
from fnmlp.training.replaying import (ReplayedStep as ReplayedStep, replay as replay)
from fnmlp.training.statistics import (
    LeafStatistics as LeafStatistics,
    statistics_table as statistics_table,
    tree_statistics as tree_statistics,
    update_ratios as update_ratios,
)
from fnmlp.tree import (
    tree_equal as tree_equal,
    tree_flatten as tree_flatten,
    tree_leaves as tree_leaves,
    tree_map as tree_map,
    tree_paths as tree_paths,
    tree_reduce as tree_reduce,
    tree_sha256 as tree_sha256,
)
from fnmlp.weights import (Weights as Weights,)

__all__: list[str]
__version__: str
