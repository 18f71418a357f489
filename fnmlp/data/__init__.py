"""Data: the IDX format, and where MNIST and its kin come from."""

from fnmlp.data.datasets import Dataset, digits, fashion_mnist, mnist
from fnmlp.data.idx import read_idx, write_idx
from fnmlp.data.images import read_image

__all__ = ["Dataset", "digits", "fashion_mnist", "mnist", "read_idx", "read_image", "write_idx"]
