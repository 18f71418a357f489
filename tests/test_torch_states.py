"""State dicts and their files without torch: torch's names and layout, every dtype, and what is refused."""

from functools import partial
from pathlib import Path
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.interop.torch import from_state_dict, read_safetensors, to_state_dict, write_safetensors
from fnmlp.tree import tree_equal
from tests.catalogue import LAYERS, Specimen
from tests.optional import optional
from tests.refusals import refusal
from tests.sweep import each

torch, saving = optional("torch"), optional("safetensors.torch")

MODEL = fn.chain(fn.linear(4), fn.relu(), fn.chain(fn.layer_norm(), fn.linear(2, bias=False)))
PARAMS, _ = MODEL.init(fn.Key(0), (3,))
STATE = to_state_dict(MODEL, PARAMS)


@each("specimen", LAYERS)
def test_parameters_come_back_from_a_state_dict_to_the_bit(specimen: Specimen) -> None:
    params, _ = specimen.layer.init(fn.Key(1), specimen.example)
    assert tree_equal(from_state_dict(specimen.layer, to_state_dict(specimen.layer, params)), params)


def test_names_and_layout_are_those_of_torch() -> None:
    shapes = {name: array.shape for name, array in STATE.items()}
    first, inner = {"0.weight": (4, 3), "0.bias": (4,)}, {"2.0.weight": (4,), "2.0.bias": (4,), "2.1.weight": (2, 4)}
    assert shapes == first | inner
    assert all(array.flags.c_contiguous and not array.flags.writeable for array in STATE.values())
    renamed = to_state_dict(MODEL, PARAMS, names=("fc1", "norm", "head.out"))
    assert [*renamed] == ["fc1.weight", "fc1.bias", "norm.weight", "norm.bias", "head.out.weight"]
    assert tree_equal(from_state_dict(MODEL, renamed, names=("fc1", "norm", "head.out")), PARAMS)


def test_wrong_names_of_layers_are_refused() -> None:
    for names in ("abc", ("a", "b"), ("a", "a", "b")):
        refusal(
            partial(to_state_dict, MODEL, PARAMS, names=names), fn.StructureError, "to_state_dict(names)", "3 names"
        )
        refusal(partial(from_state_dict, MODEL, STATE, names=names), fn.StructureError, "from_state_dict(names)")


def without(name: str) -> dict[str, Any]:
    return {key: array for key, array in STATE.items() if key != name}


WRONG: tuple[tuple[Any, type[fn.FnmlpError], tuple[str, ...]], ...] = (
    (without("2.1.weight"), fn.StructureError, ("no 2.1.weight", "it holds 0.weight", "names=")),
    ({}, fn.StructureError, ("no 0.weight", "it holds nothing")),
    (STATE | {"3.bias": np.zeros(2)}, fn.StructureError, ("also '3.bias'",)),
    (STATE | {"2.1.weight": np.zeros((4, 2))}, fn.ShapeError, ("2.1.weight", "(2, n)", "(4, 2)")),
    (STATE | {"0.bias": np.zeros((4, 1))}, fn.ShapeError, ("0.bias", "(4,)", "(4, 1)")),
    (STATE | {"2.0.bias": np.zeros(3)}, fn.ShapeError, ("2.0.bias", "(4,)", "(3,)")),
    (STATE | {"0.bias": np.zeros(4, int)}, fn.DtypeError, ("0.bias", "int64")),
    (STATE | {"0.bias": "text"}, fn.DtypeError, ("0.bias", "str")),
    ([1], fn.StructureError, ("from_state_dict(state)", "a Mapping", "[1]")),
)


@each("state, kind, places", WRONG)
def test_a_state_of_another_model_is_refused_with_the_name_of_the_array(
    state: Any, kind: type[fn.FnmlpError], places: tuple[str, ...]
) -> None:
    refusal(partial(from_state_dict, MODEL, state), kind, *places)


def test_layers_that_share_parameters_need_the_same_ones_and_frozen_layers_keep_theirs() -> None:
    model = fn.tied(fn.linear(3), fn.linear(3))
    state = to_state_dict(model, model.init(fn.Key(0), (3,))[0])
    assert [*state] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    refusal(partial(from_state_dict, model, state | {"1.bias": state["1.bias"] + 1}), fn.StructureError, "tied")
    fixed = fn.frozen(fn.linear(3), model.init(fn.Key(0), (3,))[0])
    held = to_state_dict(fixed, ())
    assert from_state_dict(fixed, held) == ()
    refusal(partial(from_state_dict, fixed, held | {"bias": np.ones(3)}), fn.StructureError, "frozen", "freeze")


def test_parameters_of_your_own_layer_are_read_like_others_of_it() -> None:
    own = fn.Layer[Any]("mine", fn.relu().init, lambda params, x: x * params[0], fn.relu().vjp)
    model, params = fn.chain(own, fn.linear(2)), ((np.ones(3), (np.zeros(()),)), fn.linear(2).init(fn.Key(0), (3,))[0])
    state = to_state_dict(model, params)
    assert [*state] == ["0.0", "0.1.0", "1.weight", "1.bias"]
    assert tree_equal(from_state_dict(model, state, like=params), params)
    refusal(partial(from_state_dict, model, state), fn.StructureError, "also '0.0'", "like=")
    refusal(partial(from_state_dict, model, state | {"0.0": np.ones(2)}, like=params), fn.ShapeError, "0.0", "(3,)")


def test_tensors_of_torch_make_a_state_too() -> None:
    state = {name: torch.tensor(array) for name, array in STATE.items()}
    assert tree_equal(from_state_dict(MODEL, state), PARAMS)


FILE = "a.safetensors"


@each("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_torch_reads_what_was_written_and_writes_what_is_read_to_the_bit(tmp_path: Path, dtype: str) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32).view(np.float32)
    bits[:6] = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0039062])
    state = {"a": bits, "empty": bits[:0], "one": np.float32(3).reshape(()), "turned": bits[:6].reshape(2, 3).T}
    write_safetensors(tmp_path / FILE, state, dtype=dtype)
    found = saving.load_file(tmp_path / FILE)
    kind = getattr(torch, dtype)
    assert {name: tensor.dtype for name, tensor in found.items()} == dict.fromkeys(state, kind)
    for name, array in state.items():
        rounded = torch.from_numpy(np.array(array)).to(kind)
        assert torch.equal(found[name].nan_to_num(7.5), rounded.nan_to_num(7.5)), name
    saving.save_file({name: tensor.contiguous() for name, tensor in found.items()}, tmp_path / FILE)
    wide = kind if dtype == "float64" else torch.float32
    for name, array in read_safetensors(tmp_path / FILE).items():
        expected = found[name].to(wide).numpy()
        assert np.array_equal(array, expected, equal_nan=True), name
        assert np.array_equal(np.signbit(array)[array == 0], np.signbit(expected)[array == 0]), name
        assert not array.flags.writeable


def test_dtypes_are_kept_as_told_where_numpy_has_them(tmp_path: Path) -> None:
    given = {"half": np.ones(3, np.float16), "count": np.arange(3), "flags": np.array([True]), "big": np.ones(2, ">f4")}
    write_safetensors(tmp_path / FILE, given)
    kept = read_safetensors(tmp_path / FILE, widen=False)
    assert {name: str(array.dtype) for name, array in kept.items()} == {
        "big": "float32",
        "count": "int64",
        "flags": "bool",
        "half": "float16",
    }
    assert read_safetensors(tmp_path / FILE)["half"].dtype == np.float32
    write_safetensors(tmp_path / FILE, given, dtype="bfloat16")
    assert read_safetensors(tmp_path / FILE)["count"].tolist() == [0, 1, 2]
    refusal(partial(read_safetensors, tmp_path / FILE, widen=False), fn.CheckpointError, "bfloat16", "widen=True")


@pytest.mark.parametrize("ending", [".pt", ".pth", ".bin", ".ckpt", ".pkl"])
def test_pickles_are_refused_by_name_with_the_two_lines_that_convert_them(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"m{ending}"
    path.write_bytes(b"PK\3\4 whatever")
    lines = f"state = torch.load('m{ending}', weights_only=True); safetensors.torch.save_file(state, 'm.safetensors')"
    refusal(partial(read_safetensors, path), fn.CheckpointError, "pickle", lines)
    refusal(partial(write_safetensors, path, STATE), fn.CheckpointError, ".safetensors", f"got {ending};")


def test_a_pickle_under_another_name_is_refused_too(tmp_path: Path) -> None:
    for content in (b"PK\3\4", b"\x80\x02"):
        (tmp_path / "m").write_bytes(content)
        refusal(partial(read_safetensors, tmp_path / "m"), fn.CheckpointError, "pickle", "'m.safetensors'")


def of(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


HOSTILE: tuple[tuple[bytes, str], ...] = (
    (b"", "an empty file"),
    (b"text", "a text file"),
    (b"\xff" * 8 + b"{}", "header too large"),
    (of(b"{" * 50), "damaged"),
    (of(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', bytes(4)), "damaged"),
    (of(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'), "damaged"),
    (of(b'{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}}', bytes(4)), "damaged"),
    (of(b'{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "damaged"),
    (of(b'{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}', bytes(4)), "F8_E4M3"),
    (of(rb'{"a\n":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "printable"),
    (of(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), "damaged"),
    (of(b'{"\xff":1}'), "damaged"),
)


@each("content, place", HOSTILE)
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes, place: str) -> None:
    (tmp_path / FILE).write_bytes(content)
    refusal(partial(read_safetensors, tmp_path / FILE), fn.CheckpointError, FILE, place)


def test_files_that_are_not_there_and_folders_are_refused(tmp_path: Path) -> None:
    refusal(partial(read_safetensors, tmp_path), fn.CheckpointError, "directory")
    refusal(partial(read_safetensors, tmp_path / "none"), fn.CheckpointError, "expected a file, got none")
    refusal(partial(write_safetensors, tmp_path / "none" / FILE, STATE), fn.CheckpointError, "a place to save to")


UNWRITABLE: tuple[tuple[Any, type[fn.FnmlpError], str], ...] = (
    ({"a": np.ones(2, complex)}, fn.CheckpointError, "complex128"),
    ({"a": "text"}, fn.CheckpointError, "str"),
    ({"a\n": np.ones(2)}, fn.CheckpointError, "printable"),
    ({"__metadata__": np.ones(2)}, fn.CheckpointError, "printable"),
    ({3: np.ones(2)}, fn.CheckpointError, "printable"),
    ([np.ones(2)], fn.StructureError, "write_safetensors(state)"),
)


@each("state, kind, place", UNWRITABLE)
def test_what_can_not_be_written_leaves_the_old_file(
    tmp_path: Path, state: Any, kind: type[fn.FnmlpError], place: str
) -> None:
    write_safetensors(tmp_path / FILE, {"a": np.ones(1)})
    refusal(partial(write_safetensors, tmp_path / FILE, state), kind, place)
    assert read_safetensors(tmp_path / FILE)["a"].tolist() == [1]
    refusal(partial(write_safetensors, tmp_path / FILE, {}, dtype="int8"), fn.OptionError, "bfloat16")


def test_one_state_is_always_one_file(tmp_path: Path) -> None:
    write_safetensors(tmp_path / FILE, STATE)
    write_safetensors(tmp_path / "b", dict(reversed(STATE.items())))
    assert (tmp_path / FILE).read_bytes() == (tmp_path / "b").read_bytes()


WITHOUT_TORCH = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "ml_dtypes"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())

from functools import partial, reduce
import numpy as np
import fnmlp as fn
from fnmlp.interop.torch import from_state_dict, read_safetensors, to_state_dict, write_safetensors

path, model = sys.argv[1], fn.chain(fn.linear(4), fn.relu(), fn.linear(2))
params = from_state_dict(model, read_safetensors(path))
data = fn.Batch(np.eye(3, dtype=np.float32), np.array([0, 1, 0]))
optimizer = fn.adam(0.01)
state = fn.TrainState(0, params, optimizer.init(params), fn.Key(0), 0.0)
step = partial(fn.train_step, model, fn.cross_entropy, optimizer)
state = reduce(step, [data] * 5, state)
write_safetensors(path, to_state_dict(model, state.params), dtype="bfloat16")
try:
    from fnmlp.interop.torch import from_torch
except fn.MissingDependencyError as error:
    print(error)
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("torch", "ml_dtypes")))
"""


def test_torchs_weights_are_trained_further_where_torch_is_not_installed(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).bfloat16()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    saving.save_file(before, tmp_path / FILE)
    program = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / FILE)]
    finished = subprocess.run(program, capture_output=True, text=True, check=False)
    assert finished.stderr == ""
    refused, imported = finished.stdout.splitlines()
    assert refused.startswith("fnmlp.interop.torch: expected torch, got no module torch; pip install 'fnmlp[torch]'")
    assert imported == "[]"
    module.load_state_dict(saving.load_file(tmp_path / FILE), strict=True)
    assert not torch.equal(module[0].weight, before["0.weight"])
