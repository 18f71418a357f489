"""Specimens of every loss. The first of each name carries its oracles."""

from functools import partial

from fnmlp.losses import (
    binary_cross_entropy,
    binary_focal,
    cross_entropy,
    focal,
    hinge,
    huber,
    kl,
    l1,
    log_cosh,
    mse,
    nll,
    on_labels,
    over_members,
    poisson_nll,
)
from tests.oracles import losses as formulas
from tests.oracles import torch_losses as by_torch
from tests.oracles.torch_losses import F
from tests.specimens import LossSpecimen, by_row_like, counts_like, labels_like, shares_like

WEIGHED = partial(cross_entropy, class_weights=(1.0, 2.0, 0.5, 3.0))

LOSSES = (
    LossSpecimen("mse", mse, formula=formulas.each(formulas.squared), torch=F.mse_loss),
    LossSpecimen("mse(reduction=sum)", partial(mse, reduction="sum")),
    LossSpecimen("mse(reduction=none)", partial(mse, reduction="none"), by_row=True),
    LossSpecimen("on_labels(mse)", on_labels(mse), labels_like, formula=formulas.on_labels),
    LossSpecimen("on_labels(mse(reduction=sum))", on_labels(partial(mse, reduction="sum")), labels_like),
    LossSpecimen("over_members(log_cosh)", over_members(log_cosh), by_row_like, formula=formulas.over_members),
    LossSpecimen("over_members(sum)", over_members(partial(log_cosh, reduction="sum")), by_row_like),
    LossSpecimen("over_members(none)", over_members(partial(log_cosh, reduction="none")), by_row_like, by_row=True),
    LossSpecimen("l1", l1, kinks=(0.0,), formula=formulas.each(formulas.absolute), torch=F.l1_loss),
    LossSpecimen("l1(reduction=none)", partial(l1, reduction="none"), by_row=True, kinks=(0.0,)),
    LossSpecimen("huber", huber, kinks=(-1.0, 1.0), formula=formulas.each(formulas.huber), torch=F.huber_loss),
    LossSpecimen("huber(delta=0.5)", partial(huber, delta=0.5, reduction="sum"), kinks=(-0.5, 0.5)),
    LossSpecimen("log_cosh", log_cosh, formula=formulas.each(formulas.log_cosh), torch=by_torch.log_cosh),
    LossSpecimen("log_cosh(reduction=none)", partial(log_cosh, reduction="none"), by_row=True),
    LossSpecimen(
        "poisson_nll",
        poisson_nll,
        counts_like,
        formula=formulas.each(formulas.poisson),
        torch=F.poisson_nll_loss,
    ),
    LossSpecimen("poisson_nll(reduction=none)", partial(poisson_nll, reduction="none"), counts_like, by_row=True),
    LossSpecimen("cross_entropy", cross_entropy, labels_like, formula=formulas.cross_entropy, torch=F.cross_entropy),
    LossSpecimen("cross_entropy(reduction=none)", partial(cross_entropy, reduction="none"), labels_like, by_row=True),
    LossSpecimen("cross_entropy(label_smoothing=0.1)", partial(cross_entropy, label_smoothing=0.1), labels_like),
    LossSpecimen("cross_entropy(class_weights)", WEIGHED, labels_like),
    LossSpecimen("cross_entropy(both)", partial(WEIGHED, label_smoothing=0.2, reduction="sum"), labels_like),
    LossSpecimen("cross_entropy() on shares", cross_entropy, shares_like, torch=F.cross_entropy),
    LossSpecimen("cross_entropy(both) on shares", partial(WEIGHED, label_smoothing=0.1), shares_like),
    LossSpecimen(
        "binary_cross_entropy",
        binary_cross_entropy,
        shares_like,
        formula=formulas.each(formulas.binary),
        torch=F.binary_cross_entropy_with_logits,
    ),
    LossSpecimen(
        "binary_cross_entropy(none)", partial(binary_cross_entropy, reduction="none"), shares_like, by_row=True
    ),
    LossSpecimen("binary_cross_entropy(pos_weight)", partial(binary_cross_entropy, pos_weight=2.5), shares_like),
    LossSpecimen(
        "binary_focal",
        binary_focal,
        shares_like,
        formula=formulas.each(formulas.binary_focal),
        torch=by_torch.binary_focal,
    ),
    LossSpecimen("binary_focal(alpha=0.5)", partial(binary_focal, alpha=0.5, gamma=1.5), shares_like),
    LossSpecimen("focal", focal, labels_like, formula=formulas.focal, torch=by_torch.focal),
    LossSpecimen("focal(gamma=0.5)", partial(focal, gamma=0.5, class_weights=(1.0, 2.0, 0.5, 3.0)), labels_like),
    LossSpecimen("focal(gamma=0)", partial(focal, gamma=0.0, reduction="none"), labels_like, by_row=True),
    LossSpecimen("nll", nll, labels_like, formula=formulas.nll, torch=F.nll_loss),
    LossSpecimen("nll(class_weights)", partial(nll, class_weights=(1.0, 2.0, 0.5, 3.0)), labels_like),
    LossSpecimen("hinge", hinge, labels_like, kinks=(-1.0,), formula=formulas.hinge, torch=F.multi_margin_loss),
    LossSpecimen(
        "hinge(margin=0.5)", partial(hinge, margin=0.5, reduction="none"), labels_like, by_row=True, kinks=(-0.5,)
    ),
    LossSpecimen("kl", kl, shares_like, formula=formulas.kl, torch=by_torch.kl),
    LossSpecimen("kl(reduction=sum)", partial(kl, reduction="sum"), shares_like),
)

FORMULAS = {one.name.partition("(")[0]: one.formula for one in LOSSES if one.formula is not None}
"""By the name of a loss."""
