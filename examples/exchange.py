"""Take a model through three programs: PyTorch trains it, fnmlp improves it without PyTorch, onnxruntime serves it.

`python examples/exchange.py teach digits.safetensors` needs torch; `python examples/exchange.py use digits.safetensors
digits.onnx` needs onnx and onnxruntime in its place.
"""

from functools import partial, reduce
from itertools import chain
from pathlib import Path
import sys
from typing import Any

from imports import import_failure

try:
    import click
    import numpy as np

    from command_line import FILE, data_dir_option, new_file, option, run
    from data_sets import DATASETS, pick_dataset
    import fnmlp as fn
    from fnmlp.interop.torch import from_state_dict, read_safetensors, to_state_dict, write_safetensors
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

HIDDEN, CLASSES, SIZE = 64, 10, 32
NETWORK = fn.chain(fn.linear(HIDDEN), fn.relu(), fn.linear(CLASSES))
"""The layers of the network that `teach` makes of torch's modules: the same names, the same state dict."""

weights_argument = click.argument("weights", type=FILE)
dataset_option = option("--dataset", type=click.Choice(["auto", *DATASETS]), default="auto", help="What to learn.")


def rows_of(images: fn.Batch, white: int) -> fn.Batch:
    """Return images as rows of numbers from 0 to 1, with labels that both libraries take."""
    rows = images.inputs.reshape(len(images), -1) / white
    return fn.Batch(rows.astype(np.float32), images.targets.astype(np.int64))


def correct(outputs: Any, data: fn.Batch) -> str:
    """Say how many rows have their largest output at the label."""
    return f"{int((np.argmax(outputs, axis=1) == data.targets).sum())} of {len(data)} test images right"


@click.group()
def exchange() -> None:
    """Train a model by PyTorch, improve it without PyTorch, and serve it by onnxruntime."""


@exchange.command()
@weights_argument
@dataset_option
@data_dir_option
def teach(weights: Path, dataset: str, data_dir: Path | None) -> None:
    """Train a network by PyTorch, and save its state dict to WEIGHTS."""
    import torch
    from torch.nn import Linear, ReLU, Sequential
    from torch.nn.functional import cross_entropy

    from fnmlp.interop.torch import to_loader

    data = pick_dataset(dataset, data_dir)
    train, test = rows_of(data.train, data.white), rows_of(data.test, data.white)
    torch.manual_seed(0)
    module = Sequential(Linear(train.inputs.shape[1], HIDDEN), ReLU(), Linear(HIDDEN, CLASSES))
    for inputs, targets in to_loader(train, size=SIZE, key=fn.Key(0), epoch=0):
        module.zero_grad()
        cross_entropy(module(inputs), targets).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(parameter.grad, alpha=-0.2)  # type: ignore[arg-type]
    with torch.no_grad():
        print(f"PyTorch:     {correct(module(torch.from_numpy(test.inputs)).numpy(), test)}")
    write_safetensors(weights, module.state_dict())


@exchange.command()
@weights_argument
@click.argument("served", type=FILE, callback=new_file)
@dataset_option
@data_dir_option
def use(weights: Path, served: Path, dataset: str, data_dir: Path | None) -> None:
    """Read WEIGHTS, train further, write them again, and save the model to SERVED, an ONNX file."""
    from onnxruntime import InferenceSession

    from fnmlp.interop.onnx import export_onnx

    data = pick_dataset(dataset, data_dir)
    train, test = rows_of(data.train, data.white), rows_of(data.test, data.white)
    params = from_state_dict(NETWORK, read_safetensors(weights))
    print(f"as read:     {correct(NETWORK.apply(params, test.inputs), test)}")

    params = trained_further(params, train)
    write_safetensors(weights, to_state_dict(NETWORK, params))
    print(f"fine-tuned:  {correct(NETWORK.apply(params, test.inputs), test)}")

    # In the file, the model takes pixels as they are.
    pixels = data.test.inputs
    model = fn.chain(fn.flatten(), fn.scale(1 / data.white), NETWORK, fn.softmax())
    export_onnx(served, model, ((), (), params, ()), example=pixels.shape[1:], dtype=str(pixels.dtype))
    (outputs,) = InferenceSession(served).run(None, {"input": pixels})
    print(f"onnxruntime: {correct(outputs, test)}")
    apart = float(np.abs(outputs - model.apply(((), (), params, ()), pixels)).max())
    print(f"onnxruntime's probabilities and ours differ by {apart:.1e} at most")


def trained_further(params: Any, train: fn.Batch) -> Any:
    """Return the parameters after two more epochs."""
    optimizer = fn.adam(0.002)
    step = partial(fn.train_step, NETWORK, fn.cross_entropy, optimizer)
    batches = (fn.batches(train, size=SIZE, key=fn.Key(1), epoch=epoch) for epoch in range(2))
    start = fn.TrainState(0, params, optimizer.init(params), fn.Key(0), float("nan"))
    return reduce(step, chain.from_iterable(batches), start).params


if __name__ == "__main__":
    run(exchange)
