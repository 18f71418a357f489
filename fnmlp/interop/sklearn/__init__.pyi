# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.sklearn.estimators import (MLPClassifier as MLPClassifier, MLPRegressor as MLPRegressor)
from fnmlp.interop.sklearn.folding import (FitState as FitState,)
from fnmlp.interop.sklearn.presets import (PRESETS as PRESETS, Preset as Preset, Settings as Settings)

__all__: list[str]
