"""Specimens of every layer. The first of each constructor carries its formula."""

from collections.abc import Iterable
from typing import Any

from attrs import field
from attrs import frozen as record
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Array, Shape, namespace
from fnmlp.combinators import add, chain, concat, frozen, parallel, repeat, residual, strict, tied
from fnmlp.expressions import build
from fnmlp.initializers import (
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
from fnmlp.key import Key, generator
from fnmlp.layer import Layer
from fnmlp.layers import (
    batch_ensemble,
    celu,
    columns,
    deskew,
    dropout,
    elementwise,
    elu,
    embedding,
    ensemble_linear,
    flatten,
    gaussian_noise,
    gelu,
    glu,
    identity,
    impute,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    maxout,
    mean_members,
    ntk_linear,
    one_hot_columns,
    parametric,
    periodic,
    prelu,
    relu,
    rescale,
    rms_norm,
    scale,
    silu,
    smooth_clip,
    softmax,
    softplus,
    standardize,
    swiglu,
    tanh,
    tile,
    unstandardize,
)
from fnmlp.testing import TRIALS, Law, check_layer
from fnmlp.testing.cases import Draw
from fnmlp.testing.numeric import normal as normal_numbers
from fnmlp.tree import Tree
from tests.catalogue.activations import CURVES
from tests.oracles import layers as formulas
from tests.steps import point_of


def pixels(key: Key, shape: Shape) -> Array:
    """Draw grey levels."""
    return generator(key).integers(0, 256, shape, dtype=np.uint8)


IDS = 5
"""The number of rows in the tables of the specimens of `embedding`."""


def ids(key: Key, shape: Shape) -> Array:
    """Draw row numbers of a table."""
    return generator(key).integers(0, IDS, shape)


def with_gaps(key: Key, shape: Shape) -> Array:
    """Draw normally distributed numbers, about a third of which are missing."""
    random = generator(key)
    return np.where(random.random(shape) < 1 / 3, np.nan, random.normal(size=shape))


def sine(x: Array) -> Array:
    """Return the sine, as a user's own function."""
    return namespace(x).sin(x)


def cosine(x: Array) -> Array:
    """Return the derivative of `sine`."""
    return namespace(x).cos(x)


@record(repr=False)
class Specimen:
    """A layer, the shape of an example, and what `check_layer` must know of it.

    `noisy`   it draws noise if there is a key.
    `named`   `build` makes it from its name, so it holds no functions or parameters of a user.
    `kinks`   inputs where its derivative jumps.
    `formula`  its oracle in plain NumPy: (parameters, x, the constructor's arguments) -> y. The first specimen of a
              constructor carries it; an activation has a curve in its place.
    `portable`  it runs on arrays of other libraries too.
    """

    layer: Layer[Any]
    example: Shape
    by_row: bool = True
    noisy: bool = False
    draw: Draw = normal_numbers
    named: bool = True
    portable: bool = True
    kinks: tuple[float, ...] = ()
    formula: formulas.Formula | None = None
    text: str = field(init=False)

    @text.default
    def _text(self) -> str:
        return f"{self.layer.name} on {self.example}"

    def __repr__(self) -> str:
        return self.text

    @property
    def differentiable(self) -> bool:
        """Whether inputs are floats."""
        return self.draw is normal_numbers

    def point(self, seed: int, rows: int, dtype: Any = np.float64) -> tuple[Tree, NDArray[Any], NDArray[Any]]:
        """Return parameters, inputs, and a cotangent of the output's dtype, to test the layer with."""
        params, x, dy = point_of(self.layer, self.example, seed, rows, dtype)
        if self.draw is ids:
            x = self.draw(Key(seed), x.shape)
            dy = dy.astype(self.layer.apply(params, x).dtype)
        return params, x, dy

    def check(
        self,
        layer: Layer[Any] | None = None,
        *,
        seed: int = 0,
        trials: int = TRIALS,
        on: str = "numpy",
        laws: Iterable[Law[Any]] | None = None,
    ) -> None:
        """Check the laws of this layer, or of a mutant in its place, on NumPy or another library."""
        subject = self.layer if layer is None else layer
        check_layer(
            subject,
            self.example,
            seed=seed,
            trials=trials,
            draw=self.draw,
            noisy=self.noisy,
            rowwise=self.by_row,
            kinks=self.kinks,
            on=on,
            laws=laws,
        )


LAYERS = (
    Specimen(linear(3), (4,), formula=formulas.linear),
    Specimen(linear(1), (1,)),
    Specimen(linear(3, bias=False), (4,)),
    Specimen(linear(2, weight_init=glorot_normal()), (3,)),
    Specimen(linear(2, bias_init=zeros()), (3,)),
    Specimen(linear(2, weight_init=kaiming_normal(a=0.5), bias_init=uniform(0.25)), (3,)),
    Specimen(linear(2, weight_init=glorot_uniform(), bias_init=constant(-0.5)), (3,)),
    Specimen(linear(2, weight_init=kaiming_uniform()), (3,)),
    Specimen(relu(), (2, 3), kinks=(0.0,)),
    Specimen(softmax(), (4,), formula=formulas.softmax),
    Specimen(softmax(), (2, 3)),
    Specimen(softmax(axis=1), (2, 3)),
    Specimen(softmax(axis=0), (4,), by_row=False),
    Specimen(identity(), (3,)),
    Specimen(flatten(), (2, 3), formula=formulas.flatten),
    Specimen(flatten(), ()),
    Specimen(scale(0.5), (3,), formula=formulas.scale),
    Specimen(scale(0.5, offset=-0.25), (2, 3)),
    Specimen(scale(1 / 255, dtype="float64"), (3,)),
    Specimen(scale(1 / 255), (2, 3), draw=pixels),
    Specimen(standardize((0.5, -2.0, 0.0), (1.0, 0.25, 3.0)), (3,), formula=formulas.standardize),
    Specimen(standardize(0.25, 0.5, dtype="float64"), (2, 3), draw=pixels),
    Specimen(unstandardize((0.5, -2.0, 0.0), (1.0, 0.25, 3.0)), (3,), formula=formulas.unstandardize),
    Specimen(unstandardize(0.25, 0.5), (2, 3)),
    Specimen(chain(), (3,), formula=formulas.chain),
    Specimen(chain(identity()), (3,)),
    Specimen(chain(linear(5), relu(), linear(3), softmax()), (4,)),
    Specimen(chain(flatten(), scale(0.5), chain(linear(4, bias=False), relu()), chain(), linear(2)), (2, 3)),
    Specimen(chain(linear(3), softmax(axis=0), identity()), (2,), by_row=False),
    Specimen(gelu(approximate="tanh"), (2, 3)),
    Specimen(elu(alpha=0.5), (2, 3), kinks=(0.0,)),
    Specimen(leaky_relu(slope=0.25), (2, 3), kinks=(0.0,)),
    Specimen(celu(alpha=0.5), (2, 3), kinks=(0.0,)),
    Specimen(prelu(), (4,), kinks=(0.0,), formula=formulas.prelu),
    Specimen(prelu(initial=0.5), (2, 3), kinks=(0.0,)),
    Specimen(prelu(per_feature=True), (4,), kinks=(0.0,)),
    Specimen(glu(), (4,), formula=formulas.glu),
    Specimen(glu(), (3, 2)),
    Specimen(swiglu(), (4,), formula=formulas.swiglu),
    Specimen(elementwise(sine, cosine), (4,), named=False, formula=formulas.elementwise),
    Specimen(log_softmax(), (4,), formula=formulas.log_softmax),
    Specimen(log_softmax(axis=1), (2, 3)),
    Specimen(log_softmax(axis=0), (4,), by_row=False),
    Specimen(dropout(0.5), (4,), noisy=True, formula=formulas.without_noise),
    Specimen(dropout(0), (4,)),
    Specimen(gaussian_noise(0.25), (2, 3), noisy=True, formula=formulas.without_noise),
    Specimen(layer_norm(), (5,), formula=formulas.layer_norm),
    Specimen(layer_norm(epsilon=0.5), (4,)),
    Specimen(rms_norm(), (5,), formula=formulas.rms_norm),
    Specimen(rms_norm(epsilon=0.5), (4,)),
    Specimen(embedding(IDS, 3), (), draw=ids, formula=formulas.embedding),
    Specimen(embedding(IDS, 2, table_init=normal(0.5)), (4,), draw=ids),
    Specimen(maxout(3, 2), (4,), formula=formulas.maxout),
    Specimen(maxout(2, 3, weight_init=glorot_normal(), bias_init=constant(0.25)), (3,)),
    Specimen(ntk_linear(3), (4,), formula=formulas.ntk_linear),
    Specimen(ntk_linear(2, bias=False), (3,)),
    Specimen(ntk_linear(2, weight_init=zeros(), bias_init=normal(1.0)), (3,)),
    Specimen(parametric(silu()), (4,), formula=formulas.parametric),
    Specimen(parametric(relu()), (3,), kinks=(0.0,)),
    Specimen(periodic(4), (3,), formula=formulas.periodic),
    Specimen(periodic(2, frequencies=3, deviation=0.5), (2,)),
    Specimen(columns(1, 3), (4,), formula=formulas.columns),
    Specimen(columns(0, 2), (3, 2)),
    Specimen(deskew(), (4, 3), formula=formulas.deskew),
    Specimen(deskew(), (1, 3)),
    Specimen(impute(), (4,), formula=formulas.impute),
    Specimen(impute(), (3,), draw=with_gaps),
    Specimen(rescale(), (4,), formula=formulas.rescale),
    Specimen(smooth_clip(limit=0.5), (2, 3)),
    Specimen(one_hot_columns((3, 5)), (2,), draw=ids, formula=formulas.one_hot_columns),
    Specimen(one_hot_columns((2, 0, 7)), (3,), draw=ids),
    Specimen(tile(3), (4,), formula=formulas.tile),
    Specimen(tile(2), (2, 3)),
    Specimen(mean_members(), (3, 4), formula=formulas.mean_members),
    Specimen(mean_members(), (3,)),
    Specimen(batch_ensemble(3), (2, 4), formula=formulas.batch_ensemble),
    Specimen(batch_ensemble(2, scale_init=signs(), bias_init=normal(0.5)), (3, 2)),
    Specimen(ensemble_linear(3), (2, 4), formula=formulas.ensemble_linear),
    Specimen(ensemble_linear(1, weight_init=glorot_normal()), (3, 2)),
    Specimen(residual(linear(4)), (4,), formula=formulas.residual),
    Specimen(residual(chain(tanh(), dropout(0.5), linear(3))), (3,), noisy=True),
    Specimen(concat(identity(), linear(2)), (3,), formula=formulas.concat),
    Specimen(concat(linear(2), tanh(), linear(1, bias=False)), (3,)),
    Specimen(add(tanh(), linear(3), linear(3)), (3,), formula=formulas.add),
    Specimen(parallel(linear(2), tanh(), widths=(3, 2)), (5,), formula=formulas.parallel),
    Specimen(parallel(relu(), softmax(), widths=(1, 2)), (2, 3)),
    Specimen(repeat(chain(linear(3), tanh()), 2), (3,), formula=formulas.repeat),
    Specimen(tied(linear(3), linear(3)), (3,), formula=formulas.tied),
    Specimen(tied(chain(linear(3), tanh()), chain(linear(3), softplus())), (3,)),
    Specimen(frozen(linear(2), linear(2).init(Key(0), (3,))[0]), (3,), named=False, formula=formulas.frozen),
    Specimen(strict(linear(3)), (4,), portable=False, formula=formulas.strict),
    Specimen(strict(chain(maxout(3, 2), residual(chain(rms_norm(), gelu())), linear(1))), (4,), portable=False),
    Specimen(strict(chain(embedding(IDS, 2), flatten(), dropout(0.5))), (3,), noisy=True, draw=ids, portable=False),
    Specimen(
        concat(chain(columns(0, 2), impute(), rescale(), smooth_clip()), chain(columns(2, 4), one_hot_columns((3, 2)))),
        (4,),
    ),
    Specimen(
        chain(
            tile(2), batch_ensemble(3, scale_init=signs()), tanh(), ensemble_linear(3), softmax(axis=-1), mean_members()
        ),
        (3,),
    ),
    Specimen(chain(embedding(IDS, 2), flatten(), layer_norm(), linear(3), gelu()), (4,), draw=ids),
    Specimen(chain(dropout(0.25), linear(4), silu(), dropout(0.5), linear(2), log_softmax()), (4,), noisy=True),
    *(Specimen(build(text), (4,), kinks=tuple(curve.meets)) for text, curve in CURVES.items()),
)

FORMULAS = {formulas.constructor_of(one.layer.name): one.formula for one in LAYERS if one.formula is not None}
"""By the name of a constructor."""

PORTABLE = tuple(specimen for specimen in LAYERS if specimen.portable)
