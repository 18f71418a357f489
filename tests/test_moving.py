"""`fn.to` moves trees between libraries bit for bit, keys and numbers included, and says what it can't move."""

from functools import partial
from typing import Any, cast

from attrs import frozen
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.moving import as_numpy
from tests.optional import Missing, optional
from tests.refusals import refusal
from tests.sweep import each

jax, torch, strict_namespace = map(optional, ("jax", "torch", "array_api_strict"))
MODEL = fn.chain(fn.linear(3), fn.layer_norm(), fn.relu())
OPTIMIZERS = (
    fn.sgd(0.1),
    fn.adam(0.1),
    fn.compose(
        fn.weight_decay(0.1, only=fn.is_weight),
        fn.accumulated(fn.apply_if_finite(fn.nadam(0.1), max_consecutive_errors=3), steps=2),
    ),
)
LIBRARIES = ("numpy", "jax", "torch", "array_api_strict")


def like(library: str) -> Any:
    """Return an array of a library, or skip the test where it is not installed."""
    made = {"numpy": np, "jax": jax, "torch": torch, "array_api_strict": strict_namespace}[library]
    if isinstance(made, Missing):
        pytest.skip(f"{library} is not installed")
    return (made.numpy if library == "jax" else made).zeros(())


def states() -> list[fn.TrainState]:
    """Return states after some steps, which have numbers in all their fields."""
    random = np.random.default_rng(0)
    batch = fn.Batch(random.random((4, 2), np.float32), random.random((4, 3), np.float32))
    made = []
    for optimizer in OPTIMIZERS:
        state = fn.train_state(MODEL, optimizer, key=fn.Key(2**100 + 3), example=(2,))
        for _ in range(3):
            state = fn.train_step(MODEL, fn.mse, optimizer, state, batch)
        made.append(state)
    return made


@each("library", LIBRARIES)
def test_a_state_comes_back_bit_for_bit(library: str) -> None:
    for state in states():
        moved = fn.to(state, like=like(library))
        back = fn.to(moved, like=np.zeros(()))
        assert fn.tree_equal(back, state)
        kinds = [list(map(type, fn.tree_leaves(tree))) for tree in (back, state)]
        assert kinds[0] == kinds[1]


@each("library", LIBRARIES)
def test_arrays_are_moved_to_the_other_library(library: str) -> None:
    target = like(library)
    for leaf in fn.tree_leaves(fn.to(states()[0].params, like=target)):
        assert type(leaf) is type(target) if library != "jax" else isinstance(leaf, jax.Array)


def test_single_numbers_of_another_library_become_pythons_where_their_field_wants_them() -> None:
    @frozen(eq=False)
    class Kept:
        number: float
        array: Any
        count: Any
        flag: Any

    target = like("torch")
    moved = Kept(*(torch.tensor(value) for value in (0.5, 0.5, 3, True)))
    back = fn.to(moved, like=np.zeros(()))
    assert [type(leaf) for leaf in fn.tree_leaves(back)] == [float, np.ndarray, int, bool]
    assert (back.number, float(back.array), back.count, back.flag) == (0.5, 0.5, 3, True)
    assert fn.to(moved, like=target).number.dtype == torch.float32


def test_keys_become_arrays_on_jax_and_integers_elsewhere() -> None:
    key = fn.fold_in(fn.Key(2**127 + 5), 2**32 - 1)
    moved = fn.to(key, like=like("jax"))
    assert [int(word) for word in moved.entropy] == [5, 0, 0, 2**31]
    assert int(moved.path[0]) == 2**32 - 1
    assert fn.to(moved, like=np.zeros(())) == key
    assert fn.to(moved, like=moved.entropy).path[0].dtype == "uint32"
    if not isinstance(torch, Missing):
        assert fn.to(moved, like=torch.zeros(())) == fn.to(key, like=torch.zeros(())) == key


def test_what_jax_would_round_is_refused() -> None:
    for wide in (np.zeros(2), np.zeros(2, np.int64)):
        refusal(partial(fn.to, (wide,), like=like("jax")), fn.DtypeError, wide.dtype, "jax_enable_x64")


def test_a_key_that_jax_made_is_refused() -> None:
    target = like("jax")
    refusal(lambda: fn.to(jax.random.key(0), like=target), fn.OptionError, "jax.random")


def test_what_is_no_array_is_no_place_to_move_to() -> None:
    refusal(partial(fn.to, (), like=cast("Any", "jax")), fn.DtypeError, "to(like)", "str")


@each("library", LIBRARIES)
def test_numpys_arrays_are_read_only(library: str) -> None:
    x = fn.to(like(library), like=np.zeros(()))
    assert library == "numpy" or not x.flags.writeable
    assert type(as_numpy(like(library))) is np.ndarray


def test_cupys_arrays_are_fetched_by_their_own_method() -> None:
    class OnDevice:
        """Stands for an array of CuPy, which no NumPy function takes."""

        def get(self) -> Any:
            return np.ones(2)

    assert as_numpy(OnDevice()).tolist() == [1, 1]
