"""Recipes: named sets of choices that train an MLP on images, and what they come to as model, loss and optimiser."""

from fnmlp.recipes.building import (
    Augment,
    build_augmentation,
    build_loss,
    build_model,
    build_optimizer,
    build_schedule,
    classifier,
)
from fnmlp.recipes.named import DEFAULT_RECIPES, RECIPES
from fnmlp.recipes.recipe import DTYPES, LOSSES, OPTIMIZERS, PIXELS, SCHEDULES, USED_BY, Recipe, unused

__all__ = [
    "DEFAULT_RECIPES",
    "DTYPES",
    "LOSSES",
    "OPTIMIZERS",
    "PIXELS",
    "RECIPES",
    "SCHEDULES",
    "USED_BY",
    "Augment",
    "Recipe",
    "build_augmentation",
    "build_loss",
    "build_model",
    "build_optimizer",
    "build_schedule",
    "classifier",
    "unused",
]
