# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.jax import (fold_epoch as fold_epoch, register_tree as register_tree)
from fnmlp.interop.keras.models import (from_keras as from_keras,)
from fnmlp.interop.mpi.ending import (ending_together as ending_together,)
from fnmlp.interop.mpi.evaluation import (
    parallel_evaluate as parallel_evaluate,
    parallel_outputs as parallel_outputs,
    parallel_predict as parallel_predict,
)
from fnmlp.interop.mpi.exchange import (world as world,)
from fnmlp.interop.mpi.shards import (Shards as Shards, parallel_batches as parallel_batches)
from fnmlp.interop.mpi.steps import (parallel_grad as parallel_grad, parallel_step as parallel_step)
from fnmlp.interop.mpi.streaming import (parallel_stream as parallel_stream,)
from fnmlp.interop.onnx.exporting import (export_onnx as export_onnx,)
from fnmlp.interop.onnx.importing import (import_onnx as import_onnx,)
from fnmlp.interop.sklearn.classifier import (MLPClassifier as MLPClassifier,)
from fnmlp.interop.sklearn.folding import (FitState as FitState,)
from fnmlp.interop.sklearn.presets import (PRESETS as PRESETS, Preset as Preset, Settings as Settings)
from fnmlp.interop.sklearn.reading import (from_sklearn as from_sklearn,)
from fnmlp.interop.sklearn.regressor import (MLPRegressor as MLPRegressor,)
from fnmlp.interop.tensorboard.logging import (log_events as log_events,)
from fnmlp.interop.torch.building import (to_torch as to_torch,)
from fnmlp.interop.torch.data import (from_loader as from_loader, to_loader as to_loader)
from fnmlp.interop.torch.files import (read_safetensors as read_safetensors, write_safetensors as write_safetensors)
from fnmlp.interop.torch.functions import (as_function as as_function,)
from fnmlp.interop.torch.reading import (from_torch as from_torch,)
from fnmlp.interop.torch.states import (from_state_dict as from_state_dict, to_state_dict as to_state_dict)

__all__: list[str]
