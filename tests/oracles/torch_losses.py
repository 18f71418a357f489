"""Losses as torch computes them, whose gradients are autograd's: each takes outputs, targets and the reduction."""

from typing import Any

from tests.optional import optional

torch = optional("torch")
F = optional("torch.nn.functional")


def reduced(terms: Any, reduction: str) -> Any:
    """Reduce what torch has no loss of its own for."""
    return {"none": lambda: terms, "sum": terms.sum, "mean": terms.mean}[reduction]()


def log_cosh(y: Any, target: Any, reduction: str) -> Any:
    return reduced(torch.log(torch.cosh(y - target)), reduction)


def focal(y: Any, target: Any, reduction: str, gamma: float = 2.0) -> Any:
    logarithm = -F.cross_entropy(y, target, reduction="none")
    return reduced(-((1 - torch.exp(logarithm)) ** gamma) * logarithm, reduction)


def binary_focal(y: Any, target: Any, reduction: str) -> Any:
    share = torch.sigmoid(y)
    hit = share * target + (1 - share) * (1 - target)
    entropy = F.binary_cross_entropy_with_logits(y, target, reduction="none")
    return reduced((0.25 * target + 0.75 * (1 - target)) * (1 - hit) ** 2 * entropy, reduction)


def kl(y: Any, target: Any, reduction: str) -> Any:
    return F.kl_div(y, target, reduction="batchmean" if reduction == "mean" else reduction)
