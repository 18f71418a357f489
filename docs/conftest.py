"""Pages whose code needs a library are passed over where it is not installed."""

from importlib.util import find_spec

NEEDS = {
    "engines.md": "jax",
    "large-data.md": "sklearn",
    "logs.md": "sklearn",
    "mathml.py": "math_core",
    "onnx.md": "onnxruntime",
    "prose.py": "myst_nb",
    "service.md": "sklearn",
    "sklearn.md": "sklearn",
    "torch.md": "torch",
}
collect_ignore = ["conf.py", *(page for page, library in NEEDS.items() if find_spec(library) is None)]
