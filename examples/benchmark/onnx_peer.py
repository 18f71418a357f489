"""The prediction in onnxruntime, from the file that fnmlp exports."""

from importlib import import_module
import os
from typing import Any, NoReturn

from benchmark.work import Peer, Work, layers_of, start_of
import fnmlp as fn
from fnmlp.arrays import read_only
from fnmlp.data import Dataset


def onnx_peer(work: Work, data: Dataset) -> Peer:
    """Run the exported model, which takes bytes and returns probabilities; onnxruntime can't train it."""
    runtime: Any = import_module("onnxruntime")
    exporting: Any = import_module("fnmlp.interop.onnx.exporting")
    model, start = fn.chain(*layers_of(work, data)), start_of(work, data)
    images = data.train.inputs
    content = exporting.onnx_bytes(model, start.params, example=images.shape[1:], dtype=str(images.dtype))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return Peer(
        start=None,
        epoch=_no_epoch,
        weights=lambda _: fn.tree_leaves(start.params),
        hold=lambda pixels: read_only(pixels.copy()),
        predict=lambda _, pixels: session.run(None, {"input": pixels})[0],
    )


def _no_epoch(state: None, number: int, batches: int | None) -> NoReturn:
    raise NotImplementedError("onnxruntime only predicts")
