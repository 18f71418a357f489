# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.onnx.exporting import (export_onnx as export_onnx,)
from fnmlp.interop.onnx.importing import (import_onnx as import_onnx,)

__all__: list[str]
