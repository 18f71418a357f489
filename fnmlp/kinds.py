"""Recognize files that fnmlp did not save by their first bytes, and say how to read them."""

import re

KINDS = (
    (rb'.{8}\{"__metadata__":\{"fnmlp ', "a file of another version of fnmlp", "load it with the fnmlp that saved it"),
    (
        rb".{5}\0\0\0\{",
        "a safetensors file of another program",
        "read it with fnmlp.interop.torch.read_safetensors",
    ),
    (rb"\x93NUMPY", "an array of NumPy's (.npy)", "read it with numpy.load"),
    (rb"PK\x03\x04", "a zip archive, such as .npz, .pt and .keras", "read its arrays with the library that wrote it"),
    (rb"\x80[\x02-\x05]", "a pickle, such as older .pt files", "read its arrays with the library that wrote it"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file, such as .h5 of Keras", "read its arrays with h5py"),
    (rb"\x08[\x03-\x14]\x12", "an ONNX model", "read its arrays with onnx.numpy_helper"),
    (rb"\0\0[\x08-\x0e][\x01-\x04]", "an IDX file of data", "read it with fnmlp.data.read_idx"),
    (rb"\x1f\x8b", "a gzip file, such as packed IDX data", "read data with fnmlp.data.read_idx, or unpack it"),
    (rb"\x89PNG|\xff\xd8\xff", "a picture", "give the model that is to look at it"),
    (rb"([\t\n\f\r -~]|[\xc2-\xf4][\x80-\xbf]*)+\Z", "a text file", "check the path"),
    (rb"\Z", "an empty file", "check the path"),
    (rb"", "a file of another kind", "check the path"),
)
"""Patterns of first bytes, the kind of file, and the remedy; the first match counts."""


def kind_of(beginning: bytes) -> tuple[str, str]:
    r"""Return the kind of file that begins like this, and the remedy, for errors.

    >>> kind_of(b"\x93NUMPY\x01\x00")
    ("an array of NumPy's (.npy)", 'read it with numpy.load')
    """
    return next((kind, remedy) for pattern, kind, remedy in KINDS if re.match(pattern, beginning, re.DOTALL))
