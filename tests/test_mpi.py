"""Data parallelism: any number of ranks ends with the same bits, those of the same function on one."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import StringIO
import signal
import sys
from threading import Event
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.interop import mpi
from fnmlp.interop.mpi import ending
from fnmlp.layer import no_parameters
from tests.mpi_bits import MODELS, OPTIMIZERS, data_of, digest, digests, start_of, summary, trained
from tests.mpi_processes import run_on_ranks
from tests.ranks import Exchange, Rank, on_ranks

RANKS = (1, 2, 3, 4, 5)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_any_number_of_ranks_ends_with_the_bits_of_one(model: Any, optimizer: Any) -> None:
    data = data_of(29, weighted=True)
    alone = digest(trained(model, optimizer, data, None))
    for ranks in RANKS:
        assert {digest(state) for state in on_ranks(ranks, partial(trained, model, optimizer, data))} == {alone}


def test_processes_of_mpi_end_with_the_bits_of_one() -> None:
    expected = summary(digests(None))
    done = run_on_ranks(3, "-m", "tests.mpi_bits")
    assert done.stdout == f"1 {expected}\n", done.stderr


def test_a_run_continues_on_another_number_of_ranks() -> None:
    model, optimizer, data = MODELS["deep"], OPTIMIZERS["adam"], data_of(39)
    [before, *_] = on_ranks(3, partial(trained, model, optimizer, data, stop=1))
    [after, _] = on_ranks(2, partial(trained, model, optimizer, data, state=before, start=1))
    assert digest(after) == digest(trained(model, optimizer, data, None))


@pytest.mark.parametrize(
    "loss",
    [
        fn.cross_entropy,
        partial(fn.cross_entropy, class_weights=(1.0, 5.0, 0.5), ignore_label=2),
        fn.on_labels(partial(fn.mse, reduction="sum")),
    ],
    ids=["mean", "class weights", "sum"],
)
@pytest.mark.parametrize("order", ["fixed", "any"])
def test_the_gradient_is_that_of_the_whole_batch(loss: Any, order: str) -> None:
    model, data = fn.chain(fn.linear(7), fn.tanh(), fn.linear(3)), data_of(23, weighted=True)
    data = fn.Batch(data.inputs.astype(np.float64), data.targets, data.weights)
    params = fn.train_state(model, fn.sgd(0.1), key=fn.Key(0), example=(4,), dtype="float64").params
    value, grads = fn.value_and_grad(model, loss, params, data)
    found = on_ranks(3, lambda comm: mpi.parallel_grad(model, loss, params, data, shards=5, comm=comm, order=order))
    for other_value, other in found:
        assert abs(other_value - value) <= 1e-13 * abs(value)
        for one, two in zip(fn.tree_leaves(grads), fn.tree_leaves(other), strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-12 * max(1.0, float(np.abs(one).max())))


def test_one_shard_is_the_plain_gradient_bit_for_bit() -> None:
    model, data = MODELS["normalised"], data_of(20)
    params = start_of(model, fn.sgd(0.1)).params
    assert fn.tree_equal(
        mpi.parallel_grad(model, fn.cross_entropy, params, data, shards=1),
        fn.value_and_grad(model, fn.cross_entropy, params, data),
    )


def _half_square(params: Any, x: Any, _: Any = None) -> tuple[Any, Any]:
    return x + params * params / 2, lambda dy: (params, lambda: dy)


def test_sums_of_gradients_leave_the_parameters_as_they_were() -> None:
    params, data = np.ones(3, np.float32), data_of(8)
    squares: fn.Layer[Any] = fn.Layer("squares", no_parameters, lambda p, x: _half_square(p, x)[0], _half_square)
    data = fn.Batch(data.inputs[:, :3], data.targets)
    for found in on_ranks(2, lambda comm: mpi.parallel_grad(squares, fn.cross_entropy, params, data, comm=comm)):
        assert np.array_equal(found[1], np.full(3, 8.0))
    assert np.array_equal(params, np.ones(3))


OBJECTIVES = {
    "adversarial": partial(fn.adversarial, epsilon=0.1),
    "virtual": partial(fn.virtual_adversarial, epsilon=0.5),
}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("weighted", [False, True])
def test_an_objective_has_the_same_bits_for_any_number_of_ranks(objective: Any, weighted: bool) -> None:
    data, model = data_of(13, weighted=weighted), MODELS["deep"]
    step = partial(mpi.parallel_step, model, fn.cross_entropy, fn.adam(0.01), shards=5, objective=objective)
    state = start_of(model, fn.adam(0.01))
    alone = digest(step(state, data))
    for ranks in RANKS:
        assert {digest(each) for each in on_ranks(ranks, lambda comm: step(state, data, comm=comm))} == {alone}


def test_an_objective_of_shards_is_its_mean_over_all_rows() -> None:
    """Without noise, the sign method of a shard is that of the batch; rows of weight 0 count in no shard."""
    data, model = data_of(12, weighted=True), MODELS["normalised"]
    weights = np.asarray(data.weights, np.float64) * (np.arange(12) >= 4)
    data = fn.Batch(data.inputs.astype(np.float64), data.targets, weights)
    params = fn.train_state(model, fn.sgd(0.1), key=fn.Key(0), example=(4,), dtype="float64").params
    objective = OBJECTIVES["adversarial"]
    value, grads = objective(model, fn.cross_entropy, params, data)
    task = partial(mpi.parallel_grad, model, fn.cross_entropy, params, shards=3, objective=objective)
    found, other = task(data)
    assert abs(found - value) <= 1e-13 * abs(value)
    for one, two in zip(fn.tree_leaves(grads), fn.tree_leaves(other), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-12 * max(1.0, float(np.abs(one).max())))
    with pytest.raises(fn.DataError, match="weights with a sum above 0"):
        task(fn.Batch(data.inputs, data.targets, np.zeros(12)))
    with pytest.raises(fn.StructureError, match="objective"):
        mpi.parallel_grad(model, fn.cross_entropy, params, data, objective=fn.mse)


def _widened(_: tuple[()], x: Any, __: Any = None) -> tuple[Any, Any]:
    return x.astype(np.float64), lambda dy: ((), lambda: dy.astype(np.float32))


def test_parameters_of_two_dtypes_are_summed_each_in_its_own() -> None:
    widen: fn.Layer[Any] = fn.Layer("widen", no_parameters, lambda _, x: x.astype(np.float64), _widened)
    model, data = fn.chain(fn.linear(2), widen, fn.linear(3)), data_of(12)
    first, _, last = start_of(model, fn.sgd(0.1)).params
    params = first, (), fn.Linear(last.weight.astype(np.float64), last.bias.astype(np.float64))
    task = partial(mpi.parallel_grad, model, fn.cross_entropy, params, data, shards=4)
    for found in on_ranks(3, lambda comm: task(comm=comm)):
        assert fn.tree_equal(found, task())


def test_underflow_stops_no_rank_alone() -> None:
    data = fn.Batch(np.full((4, 4), 1e-30, np.float32), np.zeros(4, int))
    model = fn.chain(fn.linear(3), fn.scale(1e-20))
    state = start_of(model, fn.sgd(0.1))
    with np.errstate(under="raise"):
        assert mpi.parallel_step(model, fn.cross_entropy, fn.sgd(0.1), state, data, shards=2).step == 1


def _shifted(key: fn.Key, x: Any) -> Any:
    return x + fn.generator(key).random(x.shape, np.float32)


def _read(read: Callable[..., Any], comm: Any) -> list[mpi.Shards]:
    return [*read(comm=comm)]


@pytest.mark.parametrize("ranks", [2, 5])
def test_ranks_read_the_rows_of_batches_and_augment_them_as_one_does(ranks: int) -> None:
    data = data_of(17, weighted=True)
    read = partial(mpi.parallel_batches, data, size=7, key=fn.Key(3), epoch=2, start=1, shards=5)
    for options in ({}, {"augment": _shifted}, {"augment": _shifted, "augment_key": fn.Key(9)}):
        alone = [*read(**options)]
        each = on_ranks(ranks, partial(_read, partial(read, **options)))
        for place, batch in enumerate(alone):
            parts = [batches[place] for batches in each]
            assert np.array_equal(np.concatenate([part.inputs for part in parts]), batch.inputs)
            assert all(fn.tree_equal(part.targets, batch.targets) for part in parts)
            assert all(fn.tree_equal(part.weights, batch.weights) for part in parts)
    plain = [*fn.batches(data, size=7, key=fn.Key(3), epoch=2, start=1)]
    assert all(np.array_equal(a.inputs, b.inputs) for a, b in zip(read(), plain, strict=True))


@pytest.mark.parametrize("ranks", RANKS)
def test_evaluation_has_the_bits_of_one_process(ranks: int) -> None:
    model, data = MODELS["deep"], data_of(21, weighted=True)
    params = start_of(model, fn.sgd(0.1)).params
    alone = fn.evaluate(model, fn.cross_entropy, params, data, size=4)
    task = partial(mpi.parallel_evaluate, model, fn.cross_entropy, params, data, size=4)
    assert on_ranks(ranks, lambda comm: task(comm=comm)) == [alone] * ranks
    assert task() == alone


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_metric_is_folded_over_ranks_with_the_bits_of_one(ranks: int, weighted: bool) -> None:
    model, data = MODELS["deep"], data_of(21, weighted=weighted)
    params, metric = start_of(model, fn.sgd(0.1)).params, fn.mean_over_rows(fn.accuracy)
    parts = [data[row : row + 4] for row in range(0, 21, 4)]
    pairs = [(model.apply(params, part.inputs), part.targets, *((part.weights,) if weighted else ())) for part in parts]
    alone = fn.fold_metric(metric, pairs)
    found = on_ranks(ranks, lambda comm: fn.fold_metric(metric, mpi.parallel_outputs(model, params, parts, comm=comm)))
    assert found == [alone] * ranks


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "fewer shards than ranks": (
        lambda comm: [*mpi.parallel_batches(data_of(4), size=2, key=fn.Key(0), epoch=0, shards=1, comm=comm)],
        fn.OptionError,
        "at least 2, one for each rank",
    ),
    "an augmentation that is none": (
        lambda comm: mpi.parallel_batches(data_of(4), size=2, key=fn.Key(0), epoch=0, augment=3, comm=comm),  # type: ignore[arg-type]
        fn.StructureError,
        "augment",
    ),
    "another order": (
        lambda comm: mpi.parallel_grad(fn.linear(3), fn.mse, (), data_of(4), order="ring", comm=comm),
        fn.OptionError,
        "order",
    ),
    "rows of other shards": (
        lambda comm: mpi.parallel_grad(
            fn.linear(3),
            fn.mse,
            (),
            next(iter(mpi.parallel_batches(data_of(4), size=4, key=fn.Key(0), epoch=0))),
            comm=comm,
        ),
        fn.StructureError,
        "this rank's 2 rows",
    ),
    "parameters that MPI can't send": (
        lambda comm: mpi.parallel_grad(fn.linear(3), fn.mse, (1.0,), data_of(4), comm=comm),
        fn.StructureError,
        "arrays of NumPy's",
    ),
}


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_misuse_is_refused_on_every_rank(call: Callable[[Any], Any], kind: type[Exception], text: str) -> None:
    def refused(comm: Any) -> bool:
        with pytest.raises(kind, match=text):
            call(comm)
        return True

    assert on_ranks(2, refused) == [True, True]


def test_mpi_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(fn.MissingDependencyError, match="mpi4py"):
        mpi.world()

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("cannot load MPI library\nlibmpi.so: not found")

    monkeypatch.setitem(sys.modules, "mpi4py", Broken())
    with pytest.raises(fn.MissingDependencyError, match="cannot load MPI library; pip install"):
        mpi.world()
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=SimpleNamespace(COMM_WORLD="all ranks")))
    assert mpi.world() == "all ranks"


def aborted(comm: Any) -> list[int]:
    statuses: list[int] = [*comm.exchange.aborted, *comm.exchange.copies[-1].aborted]
    return statuses


def test_ranks_that_end_well_end_together() -> None:
    def work(comm: Any) -> list[int]:
        with mpi.ending_together(comm, silence=0.5):
            time.sleep(0.1 * comm.rank)
        with pytest.raises(SystemExit), mpi.ending_together(comm):
            sys.exit(0)
        return aborted(comm)

    assert on_ranks(3, work) == [[]] * 3


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ranks wait for 0.1 s where they would wait for seconds."""
    monkeypatch.setattr(ending, "GRACE", 0.1)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was printed; threads are not killed by an abort, as processes are, so others may print it again."""
    return [*dict.fromkeys(capsys.readouterr().err.splitlines())]


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.usefixtures("impatient")
def test_an_error_of_one_rank_ends_all_with_one_line(failing: int, capsys: pytest.CaptureFixture[str]) -> None:
    def work(comm: Any) -> list[int]:
        with suppress(fn.DataError), mpi.ending_together(comm, silence=0.5):
            if comm.rank == failing:
                raise fn.DataError("data", "rows", "none", "look again")
        return aborted(comm)

    assert {status for statuses in on_ranks(3, work) for status in statuses} == {1}
    who = "rank 1: " if failing else ""
    assert lines_of(capsys) == [f"error: {who}data: expected rows, got none; look again"]


@pytest.mark.usefixtures("impatient")
def test_what_was_printed_already_is_not_printed_again(capsys: pytest.CaptureFixture[str]) -> None:
    def work(comm: Any) -> list[int]:
        with suppress(SystemExit), mpi.ending_together(comm, silence=0.5):
            if comm.rank == 0:
                sys.exit(143)
        return aborted(comm)

    assert on_ranks(2, work) == [[143]] * 2
    assert not capsys.readouterr().err


@pytest.mark.parametrize("silent", [0, 1])
@pytest.mark.usefixtures("impatient")
def test_a_silent_rank_ends_all_with_one_line(silent: int, capsys: pytest.CaptureFixture[str]) -> None:
    def work(comm: Any) -> None:
        if comm.rank == silent:
            comm.Dup()
        else:
            with mpi.ending_together(comm, silence=0.2):
                pass

    on_ranks(3, work)
    said = "has been silent for 0.2 s: its process is gone or frozen; continue from the last checkpoint"
    assert lines_of(capsys) == [f"error: rank {silent} of 3 {said}"]


@pytest.mark.usefixtures("impatient")
def test_rank_0_says_what_another_asked_it_to_and_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    """mpiexec sends SIGTERM to rank 0 when another rank has aborted: an interruption is not what went wrong."""

    sent = Event()

    def work(comm: Any) -> None:
        with suppress(KeyboardInterrupt), mpi.ending_together(comm, silence=60.0):
            if comm.rank:
                ring = Rank(comm.exchange.copies[-1], 1)
                ring.isend(("rank 1: no space left", 1), dest=0, tag=ending.MAIL)
                sent.set()
            else:
                sent.wait(timeout=30)
                raise KeyboardInterrupt

    on_ranks(2, work)
    assert lines_of(capsys) == ["error: rank 1: no space left"]


def test_only_one_thread_of_a_rank_ends_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ending, "GRACE", 0.0)
    try:
        comm = Rank(Exchange(2), 0)
        ring = ending._Ring(comm, 1.0, sys.stderr)
        ending._end_all(ring, "once", 3)
        ending._end_all(ring, "twice", 4)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (comm.exchange.aborted, capsys.readouterr().err) == ([3], "error: once\n")


@pytest.mark.usefixtures("impatient")
def test_an_output_that_is_full_or_closed_does_not_keep_a_rank_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", Full())

    def work(comm: Any) -> list[int]:
        with suppress(ValueError), mpi.ending_together(comm, silence=0.5):
            if comm.rank == 0:
                raise ValueError
        return aborted(comm)

    assert on_ranks(2, work) == [[1]] * 2
