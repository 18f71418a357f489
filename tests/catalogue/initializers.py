"""Specimens of every initializer."""

from fnmlp.initializers import (
    Initializer,
    constant,
    glorot_normal,
    glorot_uniform,
    kaiming_normal,
    kaiming_uniform,
    normal,
    signs,
    uniform,
    zeros,
)

INITIALIZERS: tuple[tuple[str, Initializer], ...] = (
    ("kaiming_uniform()", kaiming_uniform()),
    ("kaiming_uniform(a=2)", kaiming_uniform(a=2)),
    ("kaiming_normal()", kaiming_normal()),
    ("kaiming_normal(a=0.5)", kaiming_normal(a=0.5)),
    ("glorot_uniform()", glorot_uniform()),
    ("glorot_normal()", glorot_normal()),
    ("uniform(0.25)", uniform(0.25)),
    ("normal(0.25)", normal(0.25)),
    ("signs()", signs()),
    ("zeros()", zeros()),
    ("constant(-0.5)", constant(-0.5)),
)
