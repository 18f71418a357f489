"""Checkpoints: what is read is what was saved, bit for bit, and all else is refused in one line that names the file."""

from collections.abc import Callable, Mapping
import json
import os
from pathlib import Path
import tracemalloc
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest
from safetensors.numpy import save as safetensors_bytes

import fnmlp as fn
from fnmlp.errors import CheckpointError
from fnmlp.storage import format as checkpoint
from fnmlp.storage.environment import environment
from fnmlp.tree import Tree, tree_equal, tree_leaves
from tests.catalogue import OPTIMIZERS
from tests.refusals import refusal
from tests.specimens import OptimizerSpecimen
from tests.steps import draw, same_bits

NAME = "model.safetensors"
TREE = (
    fn.Linear(draw(0, (3, 2), np.float32), draw(1, (2,), np.float32)),
    (),
    fn.Linear(draw(2, (2, 1), np.float32), ()),
)
NOTES = {"model": "any", "epochs": "3", "Größe": '∞ “\n"\\'}


def why_refused(use: Callable[[], object], path: Path) -> str:
    """Say why a file is refused: one CheckpointError, in one line that names the file."""
    return refusal(use, CheckpointError, path)


def reading(path: Path, like: Tree = TREE) -> Callable[[], Tree]:
    return lambda: fn.restore(fn.load(path), like)


def saved(folder: Path, tree: Tree = TREE, notes: Mapping[str, str] = NOTES) -> Path:
    fn.save(folder / NAME, tree, notes)
    return folder / NAME


@pytest.mark.parametrize(
    "tree",
    [
        TREE,
        fn.tree_map(lambda p: p.astype(np.float64), TREE),
        (),
        np.array([1.0, np.nan, np.inf, -0.0, 5e-324]),
        (np.zeros((0, 3), np.float32),),
        (np.array(2.5), np.float32(1.5)),
        (np.asfortranarray(draw(0, (3, 4))), draw(0, (6, 4))[::-2, ::3]),
    ],
    ids=["float32", "float64", "no leaf", "bare leaf", "empty leaf", "no axis", "Fortran and strided"],
)
def test_what_is_read_is_what_was_saved_bit_for_bit(tmp_path: Path, tree: Tree) -> None:
    path = saved(tmp_path, tree)
    found = reading(path, tree)()
    assert same_bits(found, tree)
    assert [np.shape(leaf) for leaf in tree_leaves(found)] == [np.shape(leaf) for leaf in tree_leaves(tree)]
    assert not any(leaf.flags.writeable for leaf in tree_leaves(found))
    assert os.listdir(tmp_path) == [NAME]


def test_the_description_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert fn.load(saved(tmp_path)).description == NOTES


def test_a_file_says_what_it_was_computed_with(tmp_path: Path) -> None:
    assert fn.load(saved(tmp_path)).written_by == environment()


def test_the_same_parameters_give_the_same_file(tmp_path: Path) -> None:
    first = saved(tmp_path).read_bytes()
    assert saved(tmp_path).read_bytes() == first


@pytest.mark.parametrize("key", ["format", "fnmlp 1", "__metadata__"])
def test_a_description_may_have_any_keys(tmp_path: Path, key: str) -> None:
    assert fn.load(saved(tmp_path, TREE, {key: "mine"})).description == {key: "mine"}


NUMBERS = (3, (-(2**200), 1.5), (float("inf"), 5e-324, -0.0), np.float64(2.5))


def test_numbers_are_read_as_they_were_saved(tmp_path: Path) -> None:
    path = saved(tmp_path, NUMBERS)
    like = fn.tree_map(lambda leaf: leaf * 0, NUMBERS[:2]), fn.tree_map(lambda _: 0.0, NUMBERS[2]), NUMBERS[3]
    found = reading(path, (*like[0], *like[1:]))()
    assert tree_equal(found[:3], NUMBERS[:3])
    assert np.isnan(reading(saved(tmp_path, (float("nan"),)), (0.0,))()[0])


@pytest.mark.parametrize(
    ("number", "like"), [(3, 3.0), (3.0, 3), (1, True), (True, 1), (False, 0.0), (3, np.ones(())), (np.ones(()), 3)]
)
def test_a_number_of_another_kind_is_refused(tmp_path: Path, number: Any, like: Any) -> None:
    path = saved(tmp_path, (number,))
    assert "[0]: expected" in why_refused(reading(path, (like,)), path)


@pytest.mark.parametrize("specimen", OPTIMIZERS, ids=repr)
def test_a_whole_train_state_is_read_as_it_was_saved(specimen: OptimizerSpecimen, tmp_path: Path) -> None:
    # Which parameters weight decay is for, AdamW remembers as true or false: its states could once not be saved.
    model, optimizer = fn.chain(fn.linear(2), fn.layer_norm()), specimen.optimizer
    start = fn.train_state(model, optimizer, key=fn.fold_in(fn.Key(2**127), 3), example=(3,))
    batch = fn.Batch(np.ones((4, 3), np.float32), np.ones((4, 2), np.float32))
    state = fn.train_step(model, fn.mse, optimizer, start, batch)
    assert tree_equal(reading(saved(tmp_path, state), start)(), state)


def test_a_description_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    notes: Any = {"epochs": 3}
    assert why_refused(lambda: fn.save(path, TREE, notes), path)
    assert os.listdir(tmp_path) == []


OTHERS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "a folder": lambda path: path.mkdir(),
    "an empty file": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a model\n" * 9),
    "HTML": lambda path: path.write_text("<!doctype html><title>404</title>"),
    "a header that is too large": lambda path: path.write_bytes(b"\xff" * 64),
    "NumPy's format": lambda path: path.write_bytes(b"\x93NUMPY\1\0" + bytes(120)),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, other: str) -> None:
    path = tmp_path / NAME
    OTHERS[other](path)
    assert why_refused(reading(path), path)


FOREIGN: dict[str, tuple[dict[str, NDArray[Any]], dict[str, str] | None]] = {
    "no header": ({"[0].weight": np.ones((3, 2), np.float32)}, None),
    "another header": ({"[0].weight": np.ones((3, 2), np.float32)}, {"format": "pt"}),
    "a later format": ({"[0].weight": np.ones((3, 2), np.float32)}, {"format": "fnmlp 2"}),
    "float16": ({"": np.ones(2, np.float16)}, {"format": "fnmlp 1"}),
    "int64": ({"": np.ones(2, np.int64)}, {"format": "fnmlp 1"}),
    "no digest": ({"": np.ones(2, np.float32)}, {"format": "fnmlp 1"}),
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_safetensors_file_of_others_is_refused(tmp_path: Path, foreign: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(safetensors_bytes(*FOREIGN[foreign]))
    assert why_refused(reading(path, np.ones(2, np.float32)), path)


def test_a_tensor_of_a_type_that_numpy_lacks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    header = b'{"":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"__metadata__":{"format":"fnmlp 1"}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    assert why_refused(reading(path), path)


def test_a_file_that_goes_on_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = path.read_bytes()
    for longer in (whole + b"\0", whole + whole):
        path.write_bytes(longer)
        assert why_refused(reading(path), path)


@pytest.mark.parametrize(
    ("like", "said"),
    [
        ((TREE[0],), r"the 2 parameters of the model, got also [2].weight"),
        ((*TREE, np.ones(1, np.float32)), r"the 4 parameters of the model, got [3] missing"),
        (
            (fn.Linear(TREE[0].weight.T, TREE[0].bias), *TREE[1:]),
            r"[0].weight: expected shape (2, 3), got shape (3, 2)",
        ),
        ((fn.Linear(TREE[0].weight, ()), *TREE[1:]), r"got also [0].bias"),
        (fn.tree_leaves(TREE), "got [0] missing"),
    ],
    ids=["extra", "missing", "other shape", "without bias", "other names"],
)
def test_parameters_of_another_architecture_are_refused(tmp_path: Path, like: Tree, said: str) -> None:
    path = saved(tmp_path)
    message = why_refused(reading(path, like), path)
    assert said in message
    assert "load it with the model that it was saved with" in message


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.complex64, np.bool_])
def test_parameters_of_another_dtype_are_not_saved(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / NAME
    assert "convert the parameters" in why_refused(lambda: fn.save(path, (np.ones(2, dtype),), {}), path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("target", ["missing/model", "folder"])
def test_a_save_that_fails_says_why_and_leaves_nothing(tmp_path: Path, target: str) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / target
    assert "a place to save to" in why_refused(lambda: fn.save(path, TREE, NOTES), path)
    assert [str(found.relative_to(tmp_path)) for found in tmp_path.rglob("*")] == ["folder"]


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), OSError(5, "Input/output error")], ids=str)
def test_a_save_that_fails_leaves_the_earlier_file_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    path = saved(tmp_path)
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        assert str(fault.strerror) in why_refused(lambda: fn.save(path, (np.zeros(5),), {}), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [NAME]


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="pipe"):
        fn.load(tmp_path / "pipe")


# Files made on purpose, with a right digest.


def sealed(header: object, data: bytes = b"") -> bytes:
    """Make a file from any header, with a right digest."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    content = len(text).to_bytes(8, "little") + text + data
    return content[: checkpoint.DIGEST.start] + checkpoint._digest(content) + content[checkpoint.DIGEST.stop :]


def told(**changes: object) -> str:
    return checkpoint.BLANK + json.dumps({"description": {}, "numbers": {}, "written_by": {}} | changes)


def header(text: str, **arrays: object) -> dict[str, object]:
    return {"__metadata__": {checkpoint.FORMAT: text}} | arrays


def of_array(dtype: str, shape: list[int], size: int) -> bytes:
    """Make a file that describes an array of `size` zero bytes like this."""
    return sealed(header(told(), a={"dtype": dtype, "shape": shape, "data_offsets": [0, size]}), bytes(size))


HOSTILE: dict[str, bytes] = {
    "a header that is no JSON": sealed(checkpoint.START + checkpoint.BLANK.encode() + b"..."),
    "JSON of a thousand levels": sealed(header(checkpoint.BLANK + "[" * 100_000)),
    "no text": sealed(header(checkpoint.BLANK)),
    "a list": sealed(header(checkpoint.BLANK + "[]")),
    "no numbers": sealed(header(checkpoint.BLANK + '{"description": {}, "written_by": {}}')),
    "numbers that are texts": sealed(header(told(numbers={"": "3"}))),
    "numbers that are truth values": sealed(header(told(numbers={"": True}))),
    "numbers in a list": sealed(header(told(numbers=[3]))),
    "a description of numbers": sealed(header(told(description={"a": 3}))),
    "an array beyond the end": of_array("F32", [2], 8)[:-4],
    "a shape whose product wraps": of_array("F32", [2**32, 2**32], 0),
    "a negative size": of_array("F32", [-1], 4),
    "another type": of_array("I64", [1], 8),
    "a type that NumPy lacks": of_array("BF16", [1], 2),
    "a type that nobody has": of_array("F33", [1], 4),
    "a name twice": sealed(
        header(told(numbers={"a": 3}), a={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}), bytes(4)
    ),
    "a name that moves the cursor": sealed(header(told(numbers={"\x1b[2J": 3}))),
}


@pytest.mark.parametrize("made", HOSTILE)
def test_what_someone_made_on_purpose_is_refused(tmp_path: Path, made: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(HOSTILE[made])
    assert why_refused(reading(path), path)


@pytest.mark.parametrize(("name", "number"), [(".entropy", -1), (".path[0]", 2**32)])
def test_a_number_that_its_node_refuses_is_refused(tmp_path: Path, name: str, number: int) -> None:
    path, key = tmp_path / NAME, fn.Key(0, (1,))
    numbers = dict(fn.tree_paths(key)) | {name: number}
    path.write_bytes(sealed(header(told(numbers=numbers))))
    assert "Key" in why_refused(reading(path, key), path)


def test_the_digest_of_a_made_up_file_is_right(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(sealed(header(told(numbers={"": 3}))))
    assert fn.load(tmp_path / NAME).leaves == {"": 3}


@pytest.mark.parametrize(
    ("model", "example"),
    [
        ("linear(1000000000)", "(1000000,)"),
        ("chain(linear(1000000000), relu(), linear(1000000000, weight_init=zeros()))", "(3,)"),
        ("repeat(repeat(repeat(identity(), 10000), 10000), 10000)", "(3,)"),
        ("repeat(linear(3), 1000000000000)", "(3,)"),
        ("relu()", "(1000000000, 1000000000)"),
        ("embedding(1000000000, 1000000)", "()"),
    ],
)
def test_a_small_file_can_not_ask_for_much_memory_or_time(tmp_path: Path, model: str, example: str) -> None:
    path = tmp_path / NAME
    fn.save(path, (), {"model": model, "example": example})
    assert why_refused(lambda: fn.load_model(path), path)
    tracemalloc.start()
    why_refused(lambda: fn.load_model(path), path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
