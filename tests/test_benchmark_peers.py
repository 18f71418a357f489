"""Claims about the peers of `examples/benchmark`: all libraries do the same work."""

from functools import reduce

from attrs import evolve
import numpy as np
import pytest

from benchmark.peers import LIBRARIES
from benchmark.pieces import pieces
from benchmark.report import (
    version,
)
from benchmark.work import WORKS, Peer, Weights, Work, layers_of, start_of, start_weights
import fnmlp as fn
from fnmlp.data import Dataset, digits
from tests.steps import same_bits

DATA = digits()
PEERS = [name for name in LIBRARIES if name not in ("fnmlp", "products")]
TRAINED = [name for name in PEERS if LIBRARIES[name].trains]
SAME = [(name, work) for name in TRAINED for work in LIBRARIES[name].works if name != "sklearn" and work != "dropout"]


def built(name: str, work: Work, data: Dataset = DATA) -> Peer:
    """Build a work in a library, or skip the test if that is not installed."""
    if not version(LIBRARIES[name].package):
        pytest.skip(f"{LIBRARIES[name].package} is not installed")
    return LIBRARIES[name].build(work, data)


def after(peer: Peer, *stretches: int | None) -> Weights:
    """Train for several epochs, of this many batches or all; return copies of the weights."""
    state = reduce(lambda state, stretch: peer.epoch(state, *stretch), enumerate(stretches), peer.start)
    return tuple(np.array(leaf) for leaf in peer.weights(state))


def distance(left: Weights, right: Weights) -> float:
    """Return the largest difference between two sets of weights."""
    return max(float(np.abs(a - b).max()) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(("name", "work"), SAME)
def test_a_peer_ends_with_the_parameters_that_fnmlp_ends_with(name: str, work: str) -> None:
    small = evolve(WORKS[work], hidden=8, batch_size=100)  # 14 batches and one of 38
    ours = after(built("fnmlp", small), None, 4)
    theirs = after(built(name, small), None, 4)
    assert distance(theirs, ours) < distance(start_weights(small, DATA), ours) / 1000


@pytest.mark.parametrize("name", ["fnmlp", "fnmlp-jax", "fnmlp-jax-scan", "torch", "jax", "jax-scan"])
def test_dropping_almost_all_leaves_only_the_last_bias_to_learn(name: str) -> None:
    work = Work(hidden=8, batch_size=50, dropout=1 - 1e-5)
    start = start_weights(work, DATA)
    moved = [not np.array_equal(old, new) for old, new in zip(start, after(built(name, work), 3), strict=True)]
    assert moved == [False, False, False, True]


@pytest.mark.parametrize("name", ["fnmlp", "fnmlp-jax", "fnmlp-jax-scan", "torch", "jax", "jax-scan"])
def test_dropout_changes_what_is_learned_but_not_what_is_predicted(name: str) -> None:
    work = Work(hidden=8, batch_size=50, dropout=0.5)
    peer, images = built(name, work), DATA.test.inputs[:20]
    plain = evolve(work, dropout=1e-9)
    assert distance(after(peer, 3), after(built(name, plain), 3)) > 1e-4
    peer = built(name, work)
    first, second = (np.asarray(peer.predict(peer.start, peer.hold(images))) for _ in range(2))
    assert np.array_equal(first, second)


def test_scikit_learn_takes_the_step_of_cross_entropy_in_place_of_squared_error() -> None:
    rows = slice(64)
    data = evolve(DATA, train=DATA.train[rows])
    work = Work(hidden=8, batch_size=64)  # one batch, whose order does not matter
    model, start = fn.chain(*layers_of(work, data)[:-1]), start_of(work, data)
    params = (*start.params[:-1],)
    _, grads = fn.value_and_grad(model, fn.cross_entropy, params, data.train)
    ours = fn.tree_leaves(fn.sgd_update(params, grads, rate=work.rate))
    theirs = after(built("sklearn", work, data), None)
    assert distance(theirs, ours) < distance(start_weights(work, data), ours) / 1000


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_predicts_what_fnmlp_predicts(name: str) -> None:
    work, images = Work(hidden=8), DATA.test.inputs[:20]
    ours, theirs = built("fnmlp", work), built(name, work)
    expected = ours.predict(ours.start, ours.hold(images))
    np.testing.assert_allclose(theirs.predict(theirs.start, theirs.hold(images)), expected, rtol=1e-5)


@pytest.mark.parametrize(("rows", "batches", "products"), [(100, None, [64, 36]), (100, 1, [64]), (10, None, [10])])
def test_the_floor_takes_five_products_for_each_batch(
    rows: int, batches: int | None, products: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []

    def noted(left: fn.Array, right: fn.Array, *, out: fn.Array) -> fn.Array:
        shapes.append((*left.shape, right.shape[1]))
        return np.dot(left, right, out=out)

    peer = built("products", Work(hidden=8), evolve(DATA, train=DATA.train[:rows]))
    monkeypatch.setattr(np, "matmul", noted)
    peer.epoch(peer.start, 0, batches)
    assert shapes == [shape for n in products for shape in ((n, 64, 8), (n, 8, 10), (8, n, 10), (n, 10, 8), (64, n, 8))]


@pytest.mark.parametrize("work", WORKS)
def test_the_pieces_of_a_profile_come_to_the_step_that_is_timed_bit_for_bit(work: str) -> None:
    small = evolve(WORKS[work], hidden=8)
    state, seconds = pieces(small, DATA, start_of(small, DATA), 0, 5)
    whole = built("fnmlp", small)
    assert state.step == 5
    assert same_bits(state, whole.epoch(whole.start, 0, 5))
    assert {"gather the batch", "keys", "forward linear(8)", "loss", "backward linear(8)", "update"} <= seconds.keys()
    assert "backward scale(0.0625)" not in seconds
    assert all(time > 0 for time in seconds.values())


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_a_library_can_do_is_a_list_of_works(name: str) -> None:
    assert set(LIBRARIES[name].works) <= set(WORKS)
