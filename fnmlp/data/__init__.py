"""Data: the IDX format, and where MNIST and its kin come from."""
