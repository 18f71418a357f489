"""scikit-learn: `MLPClassifier` and `MLPRegressor`, thin mutable shells over the pure functions of training."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
