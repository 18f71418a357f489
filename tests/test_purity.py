"""Nothing changes what it is given, keeps what it must not, or remembers a call."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fnmlp as fn
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.catalogue import INITIALIZERS, LAYERS, LOSSES, METRICS, OPTIMIZERS, Specimen
from tests.purity import assert_pure, forbid_writing
from tests.specimens import LossSpecimen, MetricSpecimen, OptimizerSpecimen
from tests.steps import draw, same_bits
from tests.sweep import each

over_layers = each("specimen", LAYERS)
over_losses = each("specimen", LOSSES)


def all_of(specimen: Specimen) -> Callable[..., Tree]:
    """Return a function that uses a layer in every way, the delayed dx twice."""

    def use(params: Tree, x: NDArray[Any], dy: NDArray[Any]) -> Tree:
        y, pullback = specimen.layer.vjp(params, x, fn.Key(0))
        (grads, delayed_dx), (again, _) = pullback(dy), pullback(dy)
        return specimen.layer.apply(params, x), y, grads, again, delayed_dx(), delayed_dx()

    return use


@over_layers
@each("dtype", [np.float32, np.float64])
@each("size", range(5))
def test_layers_change_nothing_that_they_are_given(specimen: Specimen, dtype: Any, size: int) -> None:
    point = specimen.point(size, size, dtype)
    assert_pure(all_of(specimen), *forbid_writing(point))
    assert_pure(all_of(specimen), *tree_map(np.array, point))


@over_layers
def test_init_is_a_function_of_key_and_shape_and_its_arrays_are_read_only(specimen: Specimen) -> None:
    first, second = (specimen.layer.init(fn.Key(7), specimen.example) for _ in range(2))
    assert fn.tree_equal(first, second)
    assert not any(leaf.flags.writeable for leaf in tree_leaves(first[0]))
    for a in tree_leaves(first[0]):
        assert not any(np.shares_memory(a, b) for b in tree_leaves(second[0]))


@over_layers
def test_an_output_shares_no_memory_with_a_read_only_view_of_a_writable_array(specimen: Specimen) -> None:
    params, x, dy = specimen.point(1, 2)
    views = x.view(), dy.view()
    for view in views:
        view.setflags(write=False)
    y, pullback = specimen.layer.vjp(params, views[0], None)
    for result in (y, specimen.layer.apply(params, views[0])):
        assert not np.shares_memory(result, x)
    assert not np.shares_memory(pullback(views[1])[1](), dy)


@over_layers
def test_writing_to_the_output_of_vjp_can_not_change_its_pullback(specimen: Specimen) -> None:
    params, x, dy = specimen.point(1, 2)
    y, pullback = specimen.layer.vjp(params, x, None)
    if y.flags.writeable:
        y[...] = 0
    grads, delayed_dx = pullback(dy)
    assert same_bits((grads, delayed_dx()), fn.gradients(specimen.layer, params, x, dy))


@over_losses
@each("seed", range(3))
def test_losses_change_nothing_that_they_are_given(specimen: LossSpecimen, seed: int) -> None:
    y = draw(seed, (5, 4), np.float32)
    point = y, specimen.targets(y, seed)
    assert_pure(specimen.loss, *forbid_writing(point))
    assert_pure(specimen.loss, *point)


@each("specimen", METRICS)
def test_metrics_change_nothing_that_they_are_given(specimen: MetricSpecimen) -> None:
    point = specimen.point((4, 3), 0)
    assert_pure(specimen.metric, *forbid_writing(point))
    assert_pure(specimen.metric, *point)


@each("specimen", OPTIMIZERS)
def test_optimizers_change_nothing_that_they_are_given(specimen: OptimizerSpecimen) -> None:
    optimizer = specimen.optimizer
    params, grads = (fn.Linear(draw(0, (3, 2)), draw(1, (2,))),), (fn.Linear(draw(2, (3, 2)), draw(3, (2,))),)
    for point in (forbid_writing((params, grads)), (params, grads)):
        assert_pure(lambda p, g: optimizer.update(p, g, optimizer.init(p)), *point)
    results = optimizer.update(params, grads, optimizer.init(params))
    assert not any(leaf.flags.writeable for leaf in tree_leaves(results) if isinstance(leaf, np.ndarray))


def pulled(params: Tree, x: NDArray[Any], key: fn.Key | None) -> tuple[NDArray[Any], fn.Pullback[Tree]]:
    """Return x, and a pullback whose gradient is the parameters: that of half their square."""
    return x.copy(), lambda dy: (params, lambda: dy)


@each("specimen", OPTIMIZERS)
def test_a_step_leaves_parameters_as_they_are_that_are_their_own_gradient(specimen: OptimizerSpecimen) -> None:
    params, x = (fn.Linear(draw(0, (3, 2)), draw(1, (2,))),), np.ones((2, 3))
    model: fn.Layer[Tree] = fn.Layer("squares", lambda _, shape: (params, shape), lambda _, x: x, pulled)
    before, state = tree_map(np.array, params), specimen.optimizer.init(params)
    fn.train_step(model, fn.mse, specimen.optimizer, fn.TrainState(0, params, state, fn.Key(0), 0.0), (x, x))
    assert fn.tree_equal(params, before)


@each(("name", "initializer"), INITIALIZERS)
def test_initializers_remember_no_call(name: str, initializer: fn.initializers.Initializer) -> None:
    # A default argument that was a live RandomState gave other weights at the second call.
    first, second = (initializer(fn.Key(1), (3, 2), (3, 2)) for _ in range(2))
    assert same_bits(first, second), name
    assert not np.shares_memory(first, second)
    assert not first.flags.writeable


def test_a_step_changes_neither_the_state_nor_the_batch() -> None:
    model = fn.chain(fn.scale(0.5), fn.linear(3), fn.relu())
    state = fn.train_state(model, fn.sgd(0.5), key=fn.Key(0), example=(4,))
    batch = fn.Batch(draw(0, (5, 4), np.float32), draw(1, (5, 3), np.float32))
    assert_pure(
        lambda params, inputs, targets: (
            fn.train_step(
                model, fn.mse, fn.sgd(0.5), fn.TrainState(0, params, (), state.key, 0.0), fn.Batch(inputs, targets)
            ).params
        ),
        tree_map(np.array, state.params),
        batch.inputs,
        batch.targets,
    )


def test_served_batches_and_single_examples_share_no_memory_with_the_data() -> None:
    data = fn.Batch(draw(0, (6, 4)), np.arange(6))
    served = [(batch.inputs, batch.targets) for batch in fn.batches(data, size=4, key=fn.Key(0), epoch=0)]
    for inputs, targets in [*served, data[2]]:
        assert not np.shares_memory(inputs, data.inputs)
        assert not np.shares_memory(targets, data.targets)


@each("example", [(4,), ()])
def test_a_combinator_does_not_keep_or_change_the_list_that_its_layers_came_from(example: tuple[int, ...]) -> None:
    # A library extended the argument's own list of layers, so that a second network grew out of the first.
    layers = [fn.identity(), fn.relu()]
    given_layers = list(layers)
    first = fn.chain(*layers)
    fn.chain(first, *layers)
    assert all(a is b for a, b in zip(layers, given_layers, strict=True))
    layers.append(fn.softmax())
    x = draw(0, (2, *example))
    assert first.name == "chain(identity(), relu())"
    assert same_bits(first.apply(((), ()), x), fn.relu().apply((), x))
