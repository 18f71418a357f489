"""The same work in several libraries, each written for speed as its users would.

All start with the same parameters and see the same batches in the same order, so they compute the same numbers. The
measured time includes drawing the order, gathering batches and converting pixels.
"""

from collections.abc import Mapping
from functools import partial, reduce
from itertools import islice

from benchmark.jax_peers import fnmlp_jax_peer, jax_peer
from benchmark.numpy_peers import hand_peer, products_peer
from benchmark.onnx_peer import onnx_peer
from benchmark.sklearn_peer import sklearn_peer
from benchmark.torch_peer import torch_peer
from benchmark.work import ORDER_KEY, Library, Peer, Work, layers_of, optimizer_of, start_of
import fnmlp as fn
from fnmlp.arrays import read_only
from fnmlp.data import Dataset


def fnmlp_peer(work: Work, data: Dataset) -> Peer:
    """Fold fnmlp's public step over its public batches."""
    model, train = fn.chain(*layers_of(work, data)), data.train
    step = partial(fn.train_step, model, fn.on_labels(fn.mse), optimizer_of(work))

    def epoch(state: fn.TrainState, number: int, batches: int | None) -> fn.TrainState:
        served = fn.batches(train, size=work.batch_size, key=ORDER_KEY, epoch=number)
        return reduce(step, islice(served, batches), state)

    return Peer(
        start=start_of(work, data),
        epoch=epoch,
        weights=lambda state: fn.tree_leaves(state.params),
        hold=lambda images: read_only(images.copy()),
        predict=lambda state, images: fn.predict(model, state.params, images),
    )


LIBRARIES: Mapping[str, Library] = {
    "fnmlp": Library("fnmlp", fnmlp_peer, "fnmlp", "fnmlp", note="reduce(train_step, batches)"),
    "fnmlp-jax": Library(
        "fnmlp on JAX, jit", partial(fnmlp_jax_peer, scanned=False), "jax", "jax", note="the step; one call a batch"
    ),
    "fnmlp-jax-scan": Library(
        "fnmlp on JAX, scan", partial(fnmlp_jax_peer, scanned=True), "jax", "jax", note="fold_epoch; one call an epoch"
    ),
    "numpy": Library("NumPy by hand", hand_peer, "numpy", "numpy", ("reference",), "one function; plain SGD only"),
    "torch": Library(
        "PyTorch eager", torch_peer, "torch", "torch", note="images kept as float32, which is faster; fused optimisers"
    ),
    "onnxruntime": Library(
        "onnxruntime",
        onnx_peer,
        "onnxruntime",
        "onnxruntime",
        note="runs what fnmlp exports; only predicts",
        trains=False,
    ),
    "jax": Library("JAX, jit", partial(jax_peer, scanned=False), "jax", "jax", note="one call a batch"),
    "jax-scan": Library("JAX, scan", partial(jax_peer, scanned=True), "jax", "jax", note="one call an epoch"),
    "sklearn": Library(
        "scikit-learn",
        sklearn_peer,
        "sklearn.neural_network",
        "scikit-learn",
        ("reference", "momentum", "adam"),
        "MLPClassifier, without dropout; its loss is cross-entropy, which takes a little less arithmetic",
    ),
    "products": Library(
        "matrix products", products_peer, "numpy", "numpy", note="the floor: the five of a step in NumPy, nothing else"
    ),
}
