"""Adversarial and virtual adversarial training: gradients, perturbations, keys, libraries, and steps that use them."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import array_api_strict as strict
import attrs
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp import draws
from fnmlp.key import INDEX_LIMIT
from fnmlp.testing.numeric import difference, random_like
from fnmlp.tree import tree_leaves, tree_map
from tests.optional import optional
from tests.purity import assert_pure, forbid_writing
from tests.refusals import refusal
from tests.steps import assert_close, draw, same_bits
from tests.sweep import each

torch = optional("torch")

KEY = fn.Key(3)
MODEL = fn.chain(fn.linear(6), fn.tanh(), fn.linear(3))
NOISY = fn.chain(fn.dropout(0.25), fn.linear(6), fn.relu(), fn.dropout(0.5), fn.linear(3))
PARAMS = tree_map(lambda leaf: leaf.astype(np.float64), MODEL.init(fn.Key(0), (5,))[0])
X, LABELS, WEIGHTS = draw(0, (7, 5)), np.arange(7) % 3, np.array([1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 0.25])
DATA, WEIGHED = fn.Batch(X, LABELS), fn.Batch(X, LABELS, WEIGHTS)
SINGLE = fn.Batch(X.astype(np.float32), LABELS)
SMOOTHED = partial(fn.cross_entropy, label_smoothing=0.125)
EPS = float(np.finfo(np.float64).eps)

BY_SIGN = partial(fn.adversarial, epsilon=0.125)
BY_NORM = partial(fn.adversarial, epsilon=0.5, norm="l2", clean_weight=0.25)
WORST_ALONE = partial(fn.adversarial, epsilon=0.25, clean_weight=0.0)
VIRTUAL = partial(fn.virtual_adversarial, epsilon=1.5)
REFINED = partial(fn.virtual_adversarial, epsilon=0.5, weight=0.75, iterations=3, xi=0.5)
OBJECTIVES = (BY_SIGN, BY_NORM, WORST_ALONE, VIRTUAL, REFINED)
over_objectives = each("objective", OBJECTIVES)


def recording(model: fn.Layer[Any], seen: list[Any]) -> fn.Layer[Any]:
    """Return a model that writes down the inputs and the key of each pass in training."""

    def vjp(params: Any, x: Any, key: Any) -> Any:
        seen.append((x, key))
        return model.vjp(params, x, key)

    return attrs.evolve(model, vjp=vjp)


def passes(objective: fn.Objective, batch: fn.Batch = DATA, params: Any = PARAMS, model: Any = MODEL) -> list[Any]:
    seen: list[Any] = []
    objective(recording(model, seen), SMOOTHED, params, batch, KEY)
    return seen


def torch_unit(g: Any) -> tuple[Any, float]:
    """Return rows of norm 1, and by how much that may multiply the errors of the rows: 1 / the smallest norm."""
    norms = torch.linalg.vector_norm(g, dim=1, keepdim=True)
    safe = torch.where(norms == 0, torch.ones_like(norms), norms)
    return g / safe, float(1 / safe.min())


def written_out(objective: Any, weights: NDArray[Any]) -> tuple[Any, list[Any], float]:
    """Return torch's value and gradients of the formulas of the papers, and a factor for errors."""
    options = {"clean_weight": 0.5, "norm": "linf", "weight": 1.0, "iterations": 1, "xi": 0.1} | objective.keywords
    first, _, last = PARAMS
    leaves = [torch.tensor(leaf).requires_grad_() for leaf in (first.weight, first.bias, last.weight, last.bias)]
    x, labels, shares = torch.tensor(X), torch.tensor(LABELS), torch.tensor(weights / weights.sum())

    def logs(x: Any) -> Any:
        return torch.log_softmax(torch.tanh(x @ leaves[0] + leaves[1]) @ leaves[2] + leaves[3], 1)

    def loss(x: Any) -> Any:
        one_hot = torch.nn.functional.one_hot(labels, 3).double()
        return -(shares[:, None] * (one_hot * (1 - 0.125) + 0.125 / 3) * logs(x)).sum()

    def slope(function: Callable[[Any], Any], x: Any) -> Any:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x), x)[0]

    factor, epsilon = 1.0, options["epsilon"]
    if objective.func is fn.adversarial:
        g = slope(loss, x)
        r, factor = (torch.sign(g), 1.0) if options["norm"] == "linf" else torch_unit(g)
        value = options["clean_weight"] * loss(x) + (1 - options["clean_weight"]) * loss(x + epsilon * r)
    else:
        clean = logs(x).detach()

        def divergence(x: Any) -> Any:
            return (shares[:, None] * clean.exp() * (clean - logs(x))).sum()

        d, _ = torch_unit(torch.tensor(draws.normal(fn.fold_in(KEY, INDEX_LIMIT - 1), X.shape, 1.0)))
        for _ in range(options["iterations"]):
            d, grown = torch_unit(slope(divergence, x + options["xi"] * epsilon * d))
            factor *= grown
        value = loss(x) + options["weight"] * divergence(x + epsilon * d)
    return value, list(torch.autograd.grad(value, leaves)), factor


@over_objectives
@each("batch", [DATA, WEIGHED])
def test_value_and_gradients_are_those_of_autograd_for_the_papers_formulas(objective: Any, batch: fn.Batch) -> None:
    weights = WEIGHTS if batch is WEIGHED else np.ones(7)
    value, grads = objective(MODEL, SMOOTHED, PARAMS, batch, KEY)
    expected, torch_grads, factor = written_out(objective, weights)
    # Rounding moves a direction by that of its gradient, whose terms are near 1, divided by its norm.
    eps = 64 * (1 + factor)
    assert_close(value, expected.item(), eps=eps, at_least=1)
    for found, oracle in zip(tree_leaves(grads), torch_grads, strict=True):
        assert_close(found, oracle.numpy(), eps=eps, at_least=1)


@over_objectives
@each("batch", [DATA, WEIGHED])
def test_the_gradient_is_that_of_the_value_with_the_perturbation_held_constant(objective: Any, batch: fn.Batch) -> None:
    inputs, clean = passes(objective, batch)[-1][0], MODEL.apply(PARAMS, X)
    along = random_like(PARAMS, fn.Key(5))

    def frozen_value(params: Any) -> Any:
        options = objective.keywords
        own, _ = fn.value_and_grad(MODEL, SMOOTHED, params, batch)
        if objective.func is fn.adversarial:
            other, _ = fn.value_and_grad(MODEL, SMOOTHED, params, attrs.evolve(batch, inputs=inputs))
            share = options.get("clean_weight", 0.5)
            return share * own + (1 - share) * other
        shares = fn.softmax().apply((), clean)
        y = fn.log_softmax().apply((), MODEL.apply(params, inputs))
        divergence, _ = fn.kl(y, shares, sample_weights=batch.weights)
        return own + options.get("weight", 1.0) * divergence

    value, grads = objective(MODEL, SMOOTHED, PARAMS, batch, KEY)
    assert_close(value, frozen_value(PARAMS), at_least=1)
    slope = sum(float((g * v).sum()) for g, v in zip(tree_leaves(grads), tree_leaves(along), strict=True))
    assert abs(slope - float(difference(frozen_value, PARAMS, along))) <= 1e-8 * (1 + abs(slope))


def test_the_sign_method_moves_each_input_by_epsilon_uphill() -> None:
    (x, _), (worse, _) = passes(WORST_ALONE)
    slopes = fn.gradients(MODEL, PARAMS, X, SMOOTHED(MODEL.apply(PARAMS, X), LABELS)[1])[1]
    assert x is X
    assert same_bits(worse, X + 0.25 * np.sign(slopes))


@each("objective", [BY_NORM, VIRTUAL, REFINED])
@each("scale", [1.0, 1e-30])
@each("dtype", [np.float32, np.float64])
def test_each_row_moves_by_epsilon_however_small_the_gradient_is(objective: Any, scale: float, dtype: Any) -> None:
    params = tree_map(lambda leaf: leaf.astype(dtype), (*PARAMS[:2], PARAMS[2]))
    model = fn.chain(MODEL, fn.scale(scale)) if objective.func is fn.adversarial else MODEL
    batch = fn.Batch(X.astype(dtype), LABELS)
    seen = passes(objective, batch, (params, ()) if objective.func is fn.adversarial else params, model)
    lengths = np.linalg.norm(seen[-1][0].astype(np.float64) - X.astype(dtype), axis=1)
    # Each number of x + r is rounded once, and so are the norm's.
    rounding = 16 * float(np.finfo(dtype).eps) * (1 + 1.5)
    np.testing.assert_allclose(lengths, objective.keywords["epsilon"], rtol=0, atol=rounding)
    assert seen[-1][0].dtype == dtype


@over_objectives
def test_a_row_of_weight_0_stays_where_it_is_and_counts_nothing(objective: Any) -> None:
    inputs = passes(objective, WEIGHED)[-1][0]
    assert same_bits(inputs[3], X[3])
    kept = WEIGHTS > 0
    found, expected = (
        objective(MODEL, SMOOTHED, PARAMS, batch, None if objective.func is fn.adversarial else KEY)
        for batch in (WEIGHED, fn.Batch(X, np.where(kept, LABELS, (LABELS + 1) % 3), WEIGHTS))
    )
    assert same_bits(found, expected)


@each("objective", [partial(fn.virtual_adversarial, epsilon=1e-3, iterations=200)])
def test_power_iteration_finds_the_direction_of_the_largest_curvature(objective: Any) -> None:
    # For a linear model the Hessian of KL is W (diag p - p pᵀ) Wᵀ at x.
    model, params = fn.linear(3), fn.Linear(draw(1, (5, 3)), draw(2, (3,)))
    inputs = passes(objective, params=params, model=model)[-1][0]
    for x, worst in zip(X, inputs, strict=True):
        p = fn.softmax().apply((), (x @ params.weight + params.bias)[None])[0]
        values, vectors = np.linalg.eigh(params.weight @ (np.diag(p) - np.outer(p, p)) @ params.weight.T)
        assert values[-2] < 0.9 * values[-1]  # or 200 iterations would not be enough
        assert abs(vectors[:, -1] @ (worst - x)) >= (1 - 1e-4) * 1e-3  # terms of order epsilon turn it a little


@over_objectives
def test_every_pass_has_the_key_of_the_step_and_so_the_same_noise(objective: Any) -> None:
    seen = passes(objective)
    assert len(seen) == 2 + objective.keywords.get("iterations", int(objective.func is fn.virtual_adversarial))
    assert {key for _, key in seen} == {KEY}


@each("objective", [fn.adversarial, fn.virtual_adversarial])
@each("options", [{}, {"clean_weight": 0.3}, {"norm": "l2"}, {"iterations": 2}, {"weight": 0.0, "epsilon": 0.5}])
@each("batch", [DATA, WEIGHED])
def test_without_epsilon_a_step_is_the_clean_one_bit_for_bit(objective: Any, options: Any, batch: fn.Batch) -> None:
    if ({"clean_weight", "norm"} if objective is fn.virtual_adversarial else {"iterations", "weight"}) & {*options}:
        return
    state = fn.train_state(NOISY, fn.adam(0.1), key=KEY, example=(5,), dtype="float64")
    step = partial(fn.train_step, NOISY, SMOOTHED, fn.adam(0.1), state, batch)
    found, expected = step(objective=partial(objective, **{"epsilon": 0.0, **options})), step()
    assert same_bits((found.params, found.loss), (expected.params, expected.loss))


@over_objectives
def test_a_step_minimises_its_objective_and_differs_from_the_clean_one(objective: Any) -> None:
    state = attrs.evolve(fn.train_state(MODEL, fn.sgd(0.5), key=KEY, example=(5,)), params=PARAMS)
    after = fn.train_step(MODEL, SMOOTHED, fn.sgd(0.5), state, WEIGHED, objective=objective)
    value, grads = objective(MODEL, SMOOTHED, PARAMS, WEIGHED, fn.fold_in(state.key, 0))
    assert same_bits(after.params, fn.sgd_update(PARAMS, grads, rate=0.5))
    assert after.loss == float(value)
    assert not same_bits(after.params, fn.train_step(MODEL, SMOOTHED, fn.sgd(0.5), state, WEIGHED).params)
    checked = fn.checked_step(MODEL, SMOOTHED, fn.sgd(0.5), state, WEIGHED, objective=objective)
    assert same_bits((checked.params, checked.loss), (after.params, after.loss))
    (rate, loss), _ = fn.rate_range(
        MODEL, SMOOTHED, fn.sgd, state, [WEIGHED] * 2, lowest=1e-3, highest=1e-2, steps=2, objective=objective
    )
    assert (rate, loss) == pytest.approx((1e-3, after.loss), rel=4 * EPS)


def test_training_against_the_sign_method_makes_a_network_harder_to_fool() -> None:
    x = draw(8, (64, 5))
    data = fn.Batch(x, (x[:, 0] + 0.25 * x[:, 1:].sum(axis=1) > 0).astype(np.int64))
    attack = partial(fn.adversarial, epsilon=0.25, clean_weight=0.0)

    def fooled(objective: fn.Objective) -> float:
        step = partial(fn.train_step, MODEL, fn.cross_entropy, fn.sgd(0.5), objective=objective)
        state = fn.train_state(MODEL, fn.sgd(0.5), key=KEY, example=(5,), dtype="float64")
        state = reduce(step, [data] * 200, state)
        return float(attack(MODEL, fn.cross_entropy, state.params, data)[0])

    assert fooled(attack) < 0.75 * fooled(fn.value_and_grad)


def test_rows_without_a_label_count_in_the_smoothness_alone() -> None:
    loss = partial(fn.cross_entropy, ignore_label=-100)
    some = np.where(np.arange(7) < 4, LABELS, -100)
    found, _ = VIRTUAL(MODEL, loss, PARAMS, fn.Batch(X, some), KEY)
    own, both = loss(MODEL.apply(PARAMS, X), some)[0], VIRTUAL(MODEL, loss, PARAMS, DATA, KEY)[0]
    smoothness = both - loss(MODEL.apply(PARAMS, X), LABELS)[0]
    assert_close(found, own + smoothness, at_least=1)


@over_objectives
def test_pixels_become_floats_and_units_are_grey_levels(objective: Any) -> None:
    pixels = np.arange(14, dtype=np.uint8).reshape(7, 2) * 17
    model = fn.chain(fn.scale(1 / 255), fn.linear(3))
    params = model.init(fn.Key(0), (2,))[0]
    strong = partial(objective.func, **(objective.keywords | {"epsilon": 16.0}))
    found, expected = (
        strong(model, SMOOTHED, params, fn.Batch(x, LABELS), KEY) for x in (pixels, pixels.astype(np.float32))
    )
    assert {leaf.dtype for leaf in tree_leaves(found[1])} == {np.dtype(np.float32)}
    assert_close(found, expected, at_least=1)


@over_objectives
@each("dtype", [np.float32, np.float64])
def test_gradients_have_the_structure_and_the_dtypes_of_the_parameters(objective: Any, dtype: Any) -> None:
    params = tree_map(lambda leaf: leaf.astype(dtype), PARAMS)
    value, grads = objective(MODEL, SMOOTHED, params, fn.Batch(X.astype(dtype), LABELS), KEY)
    assert value.dtype == dtype
    assert [leaf.dtype for leaf in tree_leaves(tree_map(np.add, params, grads))] == [np.dtype(dtype)] * 4
    assert_pure(
        lambda params, x: objective(MODEL, SMOOTHED, params, fn.Batch(x, LABELS), KEY),
        *forbid_writing((params, X.astype(dtype))),
    )


@over_objectives
def test_underflow_is_no_error(objective: Any) -> None:
    params = tree_map(lambda leaf: leaf.astype(np.float32) * np.float32(1e-30), PARAMS)
    batch = fn.Batch((1e-30 * X).astype(np.float32), LABELS)
    with np.errstate(under="raise"):
        objective(MODEL, SMOOTHED, params, batch, KEY)


@over_objectives
@each("make", [lambda x: torch.tensor(np.array(x)), lambda x: strict.asarray(np.array(x))])
def test_other_libraries_find_what_numpy_finds(objective: Any, make: Callable[[Any], Any]) -> None:
    expected = objective(MODEL, SMOOTHED, PARAMS, WEIGHED, KEY)
    params, x, labels, weights = (tree_map(make, one) for one in (PARAMS, X, LABELS, WEIGHTS))
    found = objective(MODEL, SMOOTHED, params, fn.Batch(x, labels, weights), KEY)
    assert {type(leaf) for leaf in tree_leaves(found)} == {type(x)}
    assert_close(found, expected, eps=2**14, at_least=1)  # as above, with a factor of at most 2**8


REFUSED = [
    (
        partial(fn.adversarial, epsilon=-0.1),
        r"adversarial\(epsilon\): expected .* at least 0, got -0.1",
    ),
    (partial(fn.adversarial, epsilon=0.1, clean_weight=1), r"adversarial\(clean_weight\): expected .* below 1, got 1"),
    (partial(fn.adversarial, epsilon=0.1, norm="l1"), r"adversarial\(norm\): expected 'linf' or 'l2', got 'l1'"),
    (partial(fn.virtual_adversarial, epsilon=float("inf")), r"virtual_adversarial\(epsilon\): expected .*, got inf"),
    (partial(VIRTUAL, weight=-1), r"virtual_adversarial\(weight\): expected a finite number of at least 0, got -1"),
    (partial(VIRTUAL, iterations=0), r"virtual_adversarial\(iterations\): expected an integer of at least 1, got 0"),
    (partial(VIRTUAL, xi=0), r"virtual_adversarial\(xi\): expected a finite number above 0, got 0"),
]


@each("objective, message", REFUSED)
def test_wrong_options_are_refused_in_one_line(objective: Any, message: str) -> None:
    with pytest.raises(fn.OptionError, match=message):
        objective(MODEL, SMOOTHED, PARAMS, DATA, KEY)


def test_what_an_objective_can_not_use_is_refused_in_one_line() -> None:
    with pytest.raises(fn.OptionError, match=r"virtual_adversarial\(key\): expected a key, got None; pass one, as"):
        VIRTUAL(MODEL, SMOOTHED, PARAMS, DATA)
    with pytest.raises(fn.ShapeError, match=r"adversarial\(loss\): expected one number for the batch, got \(7,\)"):
        VIRTUAL(MODEL, partial(fn.cross_entropy, reduction="none"), PARAMS, DATA, KEY)
    single = fn.Batch(SINGLE.inputs, SINGLE.inputs[:, :1])
    with pytest.raises(fn.ShapeError, match=r"adversarial: expected outputs of at least 2 classes, got \(7, 1\)"):
        VIRTUAL(fn.linear(1), fn.mse, fn.linear(1).init(KEY, (5,))[0], single, KEY)
    with pytest.raises(fn.StructureError, match=r"adversarial\(loss\): expected a value and its gradient, got"):
        BY_SIGN(MODEL, fn.accuracy, PARAMS, DATA)  # type: ignore[arg-type] # a metric
    codes = fn.Batch(LABELS[:, None] % 2, LABELS)
    words = fn.chain(fn.embedding(2, 4), fn.flatten(), fn.linear(3))
    with pytest.raises(fn.DtypeError, match="embedding: expected integers"):
        BY_SIGN(words, SMOOTHED, words.init(KEY, (1,))[0], codes)


@each("objective", [fn.adversarial, fn.mse, None, 3, lambda model: model])
@each("step", [fn.train_step, fn.checked_step])
def test_an_objective_that_takes_other_arguments_is_refused_in_one_line(step: Any, objective: Any) -> None:
    state = fn.train_state(MODEL, fn.sgd(0.5), key=KEY, example=(5,))
    refusal(
        lambda: step(MODEL, SMOOTHED, fn.sgd(0.5), state, SINGLE, objective=objective),
        fn.StructureError,
        "train_step(objective): expected a function of 5 arguments",
        "bind options, as in partial(adversarial, epsilon=0.1)",
    )
