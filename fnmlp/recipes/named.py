"""The recipes that have names."""

from collections.abc import Mapping

from attrs import evolve

from fnmlp.recipes.recipe import Recipe

_FAST = Recipe(
    hidden=(256,),
    epochs=3,
    batch_size=192,
    rate=1.0,
    loss="cross-entropy",
    optimizer="nesterov",
    momentum=0.8,
    schedule="cosine",
    warm_up=0.25,
    mean=0.1307,
)
_PLAIN = Recipe(
    epochs=30,
    batch_size=128,
    rate=0.002,
    loss="cross-entropy",
    label_smoothing=0.2,
    optimizer="adamw",
    weight_decay=0.2,
    schedule="linear",
    warm_up=0.1,
    mean=0.1307,
)
_DROPOUT = evolve(_PLAIN, hidden=(240, 240), pieces=5, epochs=120, rate=0.0015, label_smoothing=0.1, dropout=(0.2, 0.4))
_FASHION = evolve(
    _PLAIN,
    hidden=(512, 512),
    epochs=100,
    batch_size=256,
    label_smoothing=0.1,
    dropout=(0.0, 0.1),
    warp=0.3,
    mean=0.286,
)

_AUGMENTED = Recipe(
    hidden=(1024, 1024),
    epochs=100,
    batch_size=128,
    rate=0.0015,
    loss="cross-entropy",
    optimizer="adamw",
    betas=(0.9, 0.999),
    schedule="cosine",
    warm_up=0.03,
    warp=1.0,
)

_DIGITS = Recipe(
    hidden=(128,),
    epochs=20,
    rate=1.0,
    loss="cross-entropy",
    label_smoothing=0.1,
    optimizer="nesterov",
    momentum=0.8,
    schedule="cosine",
    warm_up=0.25,
    warp=0.5,
    mean=0.3,
)

RECIPES: Mapping[str, Recipe] = {
    "lab": Recipe(),
    "fast": _FAST,
    "plain": _PLAIN,
    "dropout": _DROPOUT,
    "augmented": _AUGMENTED,
    "record": evolve(_AUGMENTED, members=5),
    "fashion": _FASHION,
    "digits": _DIGITS,
}
"""`lab` is the university lab's loop; the others are named after what they are for."""

DEFAULT_RECIPES: Mapping[str, str] = {"digits": "digits"}
"""The recipes that data sets are trained with unless another is asked for; those that are not here with `lab`."""
