# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.jax import (fold_epoch as fold_epoch, register_tree as register_tree)
from fnmlp.interop.onnx.exporting import (export_onnx as export_onnx,)
from fnmlp.interop.onnx.importing import (import_onnx as import_onnx,)
from fnmlp.interop.sklearn.classifier import (MLPClassifier as MLPClassifier,)
from fnmlp.interop.sklearn.folding import (FitState as FitState,)
from fnmlp.interop.sklearn.presets import (PRESETS as PRESETS, Preset as Preset, Settings as Settings)
from fnmlp.interop.sklearn.regressor import (MLPRegressor as MLPRegressor,)
from fnmlp.interop.tensorboard.logging import (log_events as log_events,)

__all__: list[str]
