"""What each combinator claims of itself: the formula by hand, the identities between them, and refusals by place."""

from collections.abc import Callable
import pickle
from typing import Any

from attrs import evolve
from hypothesis import given
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.layer import input_pullback
from fnmlp.testing import check_layer
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.optional import optional
from tests.steps import assert_close, draw, everything, point_of, same_bits, seeds

torch = optional("torch")

INNER = fn.chain(fn.linear(5), fn.tanh(), fn.linear(3))


@given(seeds)
def test_residual_adds_x_and_dy(seed: int) -> None:
    params, x, dy = point_of(INNER, (3,), seed, 4)
    y, grads, dx = everything(INNER, params, x, dy)
    assert same_bits(everything(fn.residual(INNER), params, x, dy), (x + y, grads, dy + dx))


@given(seeds)
def test_residual_is_add_of_the_identity(seed: int) -> None:
    params, x, dy = point_of(INNER, (3,), seed, 4)
    added = fn.add(fn.identity(), INNER)
    assert same_bits(everything(added, ((), params), x, dy), everything(fn.residual(INNER), params, x, dy))


@given(seeds)
def test_add_sums_outputs_and_input_gradients(seed: int) -> None:
    model = fn.add(fn.linear(2), fn.linear(2), fn.linear(2, bias=False))
    params, x, dy = point_of(model, (3,), seed, 4)
    parts = [everything(fn.linear(2), own, x, dy) for own in params]
    y, grads, dx = everything(model, params, x, dy)
    assert same_bits(y, parts[0][0] + parts[1][0] + parts[2][0])
    assert same_bits(grads, tuple(leaf for _, leaves, _ in parts for leaf in leaves))
    assert same_bits(dx, parts[0][2] + parts[1][2] + parts[2][2])


@given(seeds)
def test_concat_joins_outputs_and_gives_each_layer_its_part_of_dy(seed: int) -> None:
    model = fn.concat(fn.linear(2), fn.tanh(), fn.linear(1))
    params, x, dy = point_of(model, (3,), seed, 4)
    first = everything(fn.linear(2), params[0], x, dy[:, :2])
    second = everything(fn.tanh(), (), x, dy[:, 2:5])
    third = everything(fn.linear(1), params[2], x, dy[:, 5:])
    y, grads, dx = everything(model, params, x, dy)
    assert same_bits(y, np.concatenate([first[0], second[0], third[0]], axis=1))
    assert same_bits(grads, (*first[1], *third[1]))
    assert same_bits(dx, first[2] + second[2] + third[2])


@given(seeds)
def test_parallel_gives_each_layer_its_part_of_the_features(seed: int) -> None:
    model = fn.parallel(fn.linear(2), fn.softmax(), widths=(3, 4))
    params, x, dy = point_of(model, (7,), seed, 4)
    first = everything(fn.linear(2), params[0], x[:, :3], dy[:, :2])
    second = everything(fn.softmax(), (), x[:, 3:], dy[:, 2:])
    y, grads, dx = everything(model, params, x, dy)
    assert_close(y, np.concatenate([first[0], second[0]], axis=1), eps=4)
    assert_close(grads, first[1], eps=16)
    assert_close(dx, np.concatenate([first[2], second[2]], axis=1), eps=16)


def test_parallel_does_not_let_one_part_see_another() -> None:
    model = fn.parallel(fn.linear(2), fn.linear(2), widths=(1, 2))
    params, x, dy = point_of(model, (3,), 0, 4)
    changed = x.copy()
    changed[:, 0] += 1
    y, moved = model.apply(params, x), model.apply(params, changed)
    assert same_bits(y[:, 2:], moved[:, 2:])
    assert not (y[:, :2] == moved[:, :2]).any()
    _, dx = fn.gradients(model, params, x, dy * [1, 1, 0, 0])
    assert not dx[:, 1:].any()


@given(seeds)
def test_repeat_is_a_chain_of_layers_with_parameters_of_their_own(seed: int) -> None:
    layer = fn.chain(fn.linear(3), fn.tanh())
    repeated, chained = fn.repeat(layer, 3), fn.chain(layer, layer, layer)
    params, x, dy = point_of(repeated, (3,), seed, 4)
    assert fn.tree_equal(repeated.init(fn.Key(seed), (3,)), chained.init(fn.Key(seed), (3,)))
    assert not fn.tree_equal(params[0], params[1])
    assert same_bits(everything(repeated, params, x, dy), everything(chained, params, x, dy))


@given(seeds)
def test_tied_is_a_chain_of_one_tree_whose_gradients_are_added(seed: int) -> None:
    layer = fn.chain(fn.linear(3), fn.tanh())
    tied, chained = fn.tied(layer, layer, layer), fn.chain(layer, layer, layer)
    params, x, dy = point_of(tied, (3,), seed, 4)
    y, grads, dx = everything(tied, params, x, dy)
    chain_y, _, chain_dx = everything(chained, (params,) * 3, x, dy)
    parts, _ = fn.gradients(chained, (params,) * 3, x, dy)
    assert same_bits((y, dx), (chain_y, chain_dx))
    total = tree_map(lambda a, b, c: a + b + c, *parts)
    assert_close(grads, tree_leaves(total), eps=4)


def test_tied_layers_stay_tied_under_every_step() -> None:
    model, optimizer = fn.tied(fn.linear(2), fn.linear(2)), fn.sgd(0.1)
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(2,))
    batch = fn.Batch(draw(0, (8, 2), np.float32), draw(1, (8, 2), np.float32))
    after = fn.train_step(model, fn.mse, optimizer, state, batch)
    assert len(tree_leaves(after.params)) == 2
    assert after.loss > 0
    once = fn.linear(2).apply(after.params, batch.inputs)
    assert same_bits(model.apply(after.params, batch.inputs), fn.linear(2).apply(after.params, once))


def test_layers_of_other_kinds_can_be_tied_if_their_parameters_agree() -> None:
    model = fn.tied(fn.linear(4), fn.maxout(2, 2))
    params, x, dy = point_of(model, (4,), 0, 3)
    y = fn.maxout(2, 2).apply(params, fn.linear(4).apply(params, x))
    assert same_bits(model.apply(params, x), y)
    assert y.shape == dy.shape
    check_layer(model, (4,))


@pytest.mark.parametrize("optimizer", [fn.sgd(0.1, momentum=0.9), fn.adamw(0.1, weight_decay=0.5)])
def test_no_optimizer_moves_what_is_frozen(optimizer: fn.Optimizer) -> None:
    held, _ = fn.linear(4).init(fn.Key(1), (3,))
    model = fn.chain(fn.frozen(fn.linear(4), held), fn.tanh(), fn.linear(2))
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(3,))
    batch = fn.Batch(draw(0, (8, 3), np.float32), draw(1, (8, 2), np.float32))
    before = model.apply(state.params, batch.inputs)
    for _ in range(3):
        state = fn.train_step(model, fn.mse, optimizer, state, batch)
    assert state.params[0] == ()
    assert not same_bits(model.apply(state.params, batch.inputs), before)
    hidden = fn.tanh().apply((), fn.linear(4).apply(held, batch.inputs))
    assert same_bits(model.apply(state.params, batch.inputs), fn.linear(2).apply(state.params[2], hidden))


def test_a_frozen_layer_is_the_layer_and_holds_a_copy_that_nobody_can_write_to() -> None:
    params, x, dy = point_of(fn.linear(2), (3,), 0, 4)
    expected = everything(fn.linear(2), params, x, dy)
    layer = fn.frozen(fn.linear(2), params)
    y, grads, dx = everything(layer, (), x, dy)
    assert same_bits((y, dx), (expected[0], expected[2]))
    assert grads == ()
    params.weight[...] = 7
    assert same_bits(layer.apply((), x), expected[0])
    assert layer.deal is not None
    (held,) = layer.deal(())
    assert not any(leaf.flags.writeable for leaf in tree_leaves(held))
    assert same_bits(pickle.loads(pickle.dumps(layer)).apply((), x), expected[0])  # noqa: S301 (our own bytes)


def test_a_frozen_layer_computes_no_gradient_unless_dx_is_asked_for() -> None:
    asked: list[float] = []

    def pull(dy: NDArray[Any]) -> NDArray[Any]:
        asked.append(float(dy.sum()))
        return dy

    spy = evolve(fn.identity(), vjp=lambda _params, x, _key: (x, input_pullback(pull)))
    _, delayed_dx = fn.frozen(spy, ()).vjp((), np.ones((1, 2)), None)[1](np.ones((1, 2)))
    assert asked == []
    delayed_dx()
    assert asked == [2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_frozen_parameters_follow_the_dtype_and_the_library_of_the_input(dtype: Any) -> None:
    held, _ = fn.linear(2).init(fn.Key(0), (3,))
    layer, x = fn.frozen(fn.linear(2), held), draw(0, (4, 3), dtype)
    y = layer.apply((), x)
    assert y.dtype == dtype
    torch_y: Any = layer.apply((), torch.from_numpy(x))
    assert type(torch_y) is torch.Tensor
    assert_close(torch_y.numpy(), y, eps=8)


def test_a_frozen_table_takes_integers() -> None:
    table = fn.Embedding(np.eye(3, 2, dtype=np.float32))
    assert fn.frozen(fn.embedding(3, 2), table).apply((), np.array([1, 0])).tolist() == [[0, 1], [1, 0]]


def test_a_frozen_layer_has_no_name_that_builds_it() -> None:
    held, _ = fn.linear(2).init(fn.Key(0), (3,))
    layer = fn.frozen(fn.linear(2), held)
    assert layer.name == "frozen(linear(2), params)"
    with pytest.raises(fn.StructureError):
        fn.build(layer.name)


def test_a_residual_that_changes_the_shape_says_how_to_end_it() -> None:
    with pytest.raises(fn.ShapeError) as caught:
        fn.residual(fn.linear(10)).init(fn.Key(0), (128,))
    said = "residual(linear(10)): expected an inner layer that keeps the shape, got (128,) -> (10,); "
    assert str(caught.value) == said + "end it with linear(128)"
    with pytest.raises(fn.ShapeError, match="choose one that does"):
        fn.residual(fn.flatten()).init(fn.Key(0), (2, 3))


@pytest.mark.parametrize(
    ("model", "example", "said"),
    [
        (fn.add(fn.linear(2), fn.linear(3)), (4,), r"layers that give one shape, got \(\(2,\), \(3,\)\)"),
        (fn.concat(fn.identity(), fn.flatten()), (2, 3), "layers whose outputs differ in the last axis only"),
        (fn.concat(fn.identity(), fn.identity()), (), "layers whose outputs differ in the last axis only"),
        (fn.parallel(fn.relu(), fn.relu(), widths=(2, 2)), (5,), r"expected examples of 4 features, got \(5,\)"),
        (fn.parallel(fn.relu(), widths=(2,)), (), r"expected examples of 2 features, got \(\)"),
        (fn.tied(fn.linear(2), fn.linear(2)), (3,), r"params\.weight: expected shape \(3, 2\), got \(2, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_at_init(model: fn.Layer[Any], example: tuple[int, ...], said: str) -> None:
    with pytest.raises(fn.ShapeError, match=said):
        model.init(fn.Key(0), example)


def test_layers_of_other_structure_can_not_be_tied_or_frozen() -> None:
    with pytest.raises(fn.StructureError) as caught:
        fn.tied(fn.linear(3), fn.relu()).init(fn.Key(0), (3,))
    assert caught.value.__notes__ == [
        "in tied; tie layers whose parameters agree",
        "in layer 1 of tied(linear(3), relu())",
    ]
    held, _ = fn.linear(2).init(fn.Key(0), (4,))
    with pytest.raises(fn.ShapeError, match=r"frozen: params\.weight: expected shape \(3, 2\), got \(4, 2\)"):
        fn.frozen(fn.linear(2), held).init(fn.Key(0), (3,))
    with pytest.raises(fn.StructureError, match=r"expected Linear, got a tuple of 0"):
        fn.frozen(fn.linear(2), ()).init(fn.Key(0), (3,))


@pytest.mark.parametrize(
    "make",
    [
        lambda: fn.residual(fn.relu),  # type: ignore[arg-type]
        lambda: fn.concat(fn.relu(), fn.relu),  # type: ignore[arg-type]
        lambda: fn.add([fn.relu()]),  # type: ignore[arg-type]
        lambda: fn.parallel(3, widths=(1,)),  # type: ignore[arg-type]
        lambda: fn.repeat(fn.relu, 2),  # type: ignore[arg-type]
        lambda: fn.tied(fn.relu(), None),  # type: ignore[arg-type]
        lambda: fn.frozen(fn.relu, ()),  # type: ignore[arg-type]
        fn.concat,
        fn.add,
        fn.tied,
        lambda: fn.parallel(widths=()),
    ],
)
def test_what_is_no_layer_and_no_layer_at_all_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(fn.StructureError, match=r"expected (a Layer|at least 1 layer)"):
        make()


@pytest.mark.parametrize("widths", [(1,), (1, 2, 3), (1, 0), (1, 1.5), "ab", 3, None])
def test_widths_that_do_not_belong_to_the_layers_are_refused(widths: Any) -> None:
    with pytest.raises(fn.OptionError, match=r"parallel\(widths\)"):
        fn.parallel(fn.relu(), fn.relu(), widths=widths)


@pytest.mark.parametrize("times", [0, -1, 1.5, True])
def test_repeating_a_layer_less_than_once_is_refused(times: Any) -> None:
    with pytest.raises(fn.OptionError, match=r"repeat\(times\)"):
        fn.repeat(fn.relu(), times)


WRONG = fn.Linear(np.zeros((9, 2), np.float32), np.zeros(2, np.float32))
BAD = fn.linear(2)


@pytest.mark.parametrize(
    ("model", "params", "note"),
    [
        (fn.residual(BAD), WRONG, "in the layer of residual(linear(2))"),
        (fn.concat(fn.relu(), BAD), ((), WRONG), "in layer 1 of concat(relu(), linear(2))"),
        (fn.add(BAD, BAD), (WRONG, WRONG), "in layer 0 of add(linear(2), linear(2))"),
        (fn.parallel(BAD, widths=[2]), (WRONG,), "in layer 0 of parallel(linear(2), widths=(2,))"),
        (fn.repeat(BAD, 2), (WRONG, WRONG), "in layer 0 of repeat(linear(2), 2)"),
        (fn.tied(BAD, BAD), WRONG, "in layer 0 of tied(linear(2), linear(2))"),
        (fn.frozen(BAD, WRONG), (), "in the layer of frozen(linear(2), params)"),
    ],
)
def test_an_error_names_its_place_in_every_combinator(model: fn.Layer[Any], params: Tree, note: str) -> None:
    x = draw(0, (3, 2), np.float32)
    for use in (lambda: model.apply(params, x), lambda: model.vjp(params, x, None)):
        with pytest.raises(fn.ShapeError) as caught:
            use()
        assert caught.value.__notes__ == [note]


@pytest.mark.parametrize("make", [fn.concat, fn.add, fn.tied])
def test_an_error_at_init_names_its_place_too(make: Callable[..., fn.Layer[Any]]) -> None:
    model = make(fn.relu(), fn.linear(2))
    with pytest.raises(fn.ShapeError) as caught:
        model.init(fn.Key(0), (2, 3))
    assert caught.value.__notes__ == [f"in layer 1 of {model.name}"]


@pytest.mark.parametrize("params", [(), ((),), ((), (), ()), None, 3])
def test_parameters_of_another_number_of_layers_are_refused(params: Any) -> None:
    for model in (fn.concat(fn.relu(), fn.relu()), fn.add(fn.relu(), fn.relu())):
        for use in (model.apply, lambda params, x, model=model: model.vjp(params, x, None)):
            with pytest.raises(fn.StructureError, match="a tuple of 2 parameter trees"):
                use(params, np.zeros((1, 2)))


def test_inputs_of_other_features_than_the_widths_are_refused() -> None:
    model = fn.parallel(fn.relu(), fn.relu(), widths=(2, 1))
    for use in (model.apply, lambda params, x: model.vjp(params, x, None)):
        with pytest.raises(fn.ShapeError, match="expected inputs of 3 features"):
            use(((), ()), np.zeros((2, 4)))


@pytest.mark.parametrize(
    "text",
    [
        "residual(chain(layer_norm(), linear(8), gelu(approximate='tanh'), linear(4)))",
        "chain(concat(identity(), linear(2)), add(linear(3), linear(3)), repeat(maxout(3, 2), 2))",
        "parallel(tied(linear(2), linear(2)), dropout(0.5), widths=(2, 1))",
        "chain(embedding(10, 4, table_init=normal(deviation=0.5)), flatten(), rms_norm(epsilon=0.5))",
    ],
)
def test_names_of_combinations_build_them(text: str) -> None:
    assert fn.build(text).name == text
    assert fn.build(fn.build(text).name).name == text


def test_dx_of_side_by_side_layers_is_delayed_until_it_is_asked_for() -> None:
    asked: list[float] = []

    def pull(dy: NDArray[Any]) -> NDArray[Any]:
        asked.append(float(dy.sum()))
        return dy

    spy = evolve(fn.identity(), vjp=lambda _params, x, _key: (x, input_pullback(pull)))
    model = fn.concat(fn.chain(spy, fn.linear(2)), fn.residual(spy))
    params, x, dy = point_of(model, (3,), 0, 4)
    _, delayed_dx = model.vjp(params, x, None)[1](dy)
    assert asked == []
    dx = delayed_dx()
    assert len(asked) == 2
    assert dx.shape == x.shape
