"""The benchmark of estimators on tables."""
