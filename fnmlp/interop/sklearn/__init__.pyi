# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.sklearn.classifier import (MLPClassifier as MLPClassifier,)
from fnmlp.interop.sklearn.folding import (FitState as FitState,)
from fnmlp.interop.sklearn.presets import (PRESETS as PRESETS, Preset as Preset, Settings as Settings)
from fnmlp.interop.sklearn.reading import (from_sklearn as from_sklearn,)
from fnmlp.interop.sklearn.regressor import (MLPRegressor as MLPRegressor,)

__all__: list[str]
