"""Data: the IDX format, and where MNIST and its kin come from."""

from fnmlp.data.datasets import Dataset, digits, emnist, fashion_mnist, kmnist, mnist, qmnist
from fnmlp.data.drawings import Fit, fit_drawing
from fnmlp.data.folders import data_sets_in
from fnmlp.data.idx import read_idx, write_idx
from fnmlp.data.images import read_image

__all__ = [
    "Dataset",
    "Fit",
    "data_sets_in",
    "digits",
    "emnist",
    "fashion_mnist",
    "fit_drawing",
    "kmnist",
    "mnist",
    "qmnist",
    "read_idx",
    "read_image",
    "write_idx",
]
