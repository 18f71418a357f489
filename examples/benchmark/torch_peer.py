"""The work in PyTorch."""

from functools import partial
from importlib import import_module
from typing import Any

from benchmark.work import Peer, Weights, Work, hot_targets, rows_of, scaled, start_weights
from fnmlp.data import Dataset


def torch_peer(work: Work, data: Dataset) -> Peer:
    """Run PyTorch eagerly, with autograd and fused optimisers, on images that are already floats in memory."""
    torch: Any = import_module("torch")
    model, noiseless = models_of(torch, work, start_weights(work, data))
    optimizer, loss_of = fused_optimizer(torch, work, model), torch.nn.MSELoss()
    images, hot = torch.from_numpy(scaled(data.train.inputs, data.white)), torch.tensor(hot_targets(data))
    white, rows_in = data.white, partial(rows_of, work, len(images))

    def epoch(_: None, number: int, batches: int | None) -> None:
        for rows in torch.from_numpy(rows_in(number, batches)).split(work.batch_size):
            loss = loss_of(model(images.index_select(0, rows)), hot.index_select(0, rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return Peer(
        start=None,
        epoch=epoch,
        weights=lambda _: weights_of(model),
        hold=lambda pixels: torch.from_numpy(scaled(pixels, white)),
        predict=torch.inference_mode()(lambda _, x: noiseless(x)),
    )


def models_of(torch: Any, work: Work, weights: Weights) -> tuple[Any, Any]:
    """Return the network for training, and without dropout for prediction; both share the parameters."""
    nn, (w1, b1, w2, b2) = torch.nn, weights
    inner, outer = nn.Linear(*w1.shape), nn.Linear(*w2.shape)
    noise = [nn.Dropout(work.dropout)] if work.dropout else []
    model = nn.Sequential(inner, nn.ReLU(), *noise, outer, nn.Softmax(dim=1))
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), (w1.T, b1, w2.T, b2), strict=True):
            parameter.copy_(torch.tensor(value))
    return model, nn.Sequential(inner, nn.ReLU(), outer, nn.Softmax(dim=1))


def weights_of(model: Any) -> Weights:
    """Return the parameters as NumPy arrays."""
    w1, b1, w2, b2 = (parameter.detach().numpy() for parameter in model.parameters())
    return w1.T, b1, w2.T, b2


def fused_optimizer(torch: Any, work: Work, model: Any) -> Any:
    """Return the optimiser of a work, which updates all parameters in one call."""
    if work.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=work.rate, fused=True)
    return torch.optim.SGD(model.parameters(), lr=work.rate, momentum=work.momentum, fused=True)
