"""All checks of scikit-learn pass for both estimators; `python -m tests.sklearn_checks` runs them on all engines."""

from typing import Any

import pytest

pytest.importorskip("sklearn", reason="the estimators need scikit-learn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.sklearn_checks import small_estimators


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([*small_estimators()])  # type: ignore[untyped-decorator]
def test_scikit_learn_has_no_objection(estimator: Any, check: Any) -> None:
    check(estimator)
