"""Every reader names the kind of a wrong file, and says how to read it."""

from collections.abc import Callable
import gzip
import io
from pathlib import Path
import pickle

import numpy as np
import pytest
from safetensors.numpy import save as safetensors_bytes

import fnmlp as fn
from fnmlp.data import write_idx
from fnmlp.errors import CheckpointError
from fnmlp.kinds import kind_of
from fnmlp.storage import format as checkpoint
from image_models import load as load_image_model
from run_checkpoints import check_run, origin_of

ARRAYS = {"weight": np.ones((3, 2), np.float32)}
MODEL = fn.linear(2)
PARAMS = MODEL.init(fn.Key(0), (3,))[0]


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    "safetensors": (safetensors_bytes(ARRAYS), "a safetensors file of another program; read it with fnmlp"),
    "safetensors of torch": (safetensors_bytes(ARRAYS, {"format": "pt"}), r"fnmlp\.interop\.torch\.read_safetensors"),
    "another version": (
        safetensors_bytes(ARRAYS, {"fnmlp 2": "x"}),
        "a file of another version of fnmlp; load",
    ),
    ".npy": (written(lambda file: np.save(file, ARRAYS["weight"])), r"an array of NumPy's .* numpy\.load"),
    ".npz": (written(lambda file: np.savez(file, weight=ARRAYS["weight"])), r"a zip archive, such as \.npz, \.pt"),
    "a pickle": (pickle.dumps([1.0]), "a pickle"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5 file.*h5py"),
    "ONNX": (b"\x08\x08\x12\x07pytorch\x1a\x051.0.0", "an ONNX model"),
    "gzip": (gzip.compress(b"content"), r"a gzip file.*read_idx"),
    "IDX": (bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]), r"an IDX file of data; .*read_idx"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(99), "a picture"),
    "text": ("éin Text\n".encode() * 99, "a text file"),
    "HTML": (b"<!doctype html><title>404</title>", "a text file"),
    "nothing": (b"", "an empty file"),
    "noise": (bytes(range(255, 99, -1)), "a file of another kind"),
}

READERS: dict[str, Callable[[Path], object]] = {
    "load": fn.load,
    "load_model": fn.load_model,
    "resume": lambda path: fn.resume(path, PARAMS),
    "saved_score": fn.saved_score,
    "evaluate": load_image_model,
    "replay": lambda path: origin_of(fn.load(path)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_file_is_called_what_it_is(foreign: str, reader: str, tmp_path: Path) -> None:
    # All of them were once "another kind of file; check the path".
    content, words = FOREIGN[foreign]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        READERS[reader](tmp_path / "file")
    assert caught.value.where == str(tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_the_data_that_fnmlp_writes_itself_is_known(tmp_path: Path) -> None:
    for name, kind in (("x.idx", "IDX"), ("x.idx.gz", "gzip")):
        write_idx(tmp_path / name, np.zeros((2, 3), np.uint8))
        assert kind in kind_of((tmp_path / name).read_bytes())[0]


@pytest.mark.parametrize("length", [9, 20, 8 + len(checkpoint.START), checkpoint.DIGEST.stop - 1])
def test_a_file_of_ours_that_is_cut_short_is_called_that(length: int, tmp_path: Path) -> None:
    fn.save(tmp_path / "whole", PARAMS, {})
    (tmp_path / "file").write_bytes((tmp_path / "whole").read_bytes()[:length])
    with pytest.raises(CheckpointError, match="got only its beginning; restore it from a copy"):
        fn.load(tmp_path / "file")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a model, a state, and a file with the texts of the trainer's checkpoints."""
    fn.save_model(tmp_path / "model", MODEL, PARAMS, example=(3,))
    fn.save(tmp_path / "state", (PARAMS, 3), {})
    fn.save(tmp_path / "run", (PARAMS, 3), {"dataset": "digits", "history": "[]"})
    return tmp_path


@pytest.mark.parametrize(
    ("reader", "name", "words"),
    [
        (
            fn.load_model,
            "state",
            r"expected a model file, got a checkpoint .*, of 3 leaves; .*fnmlp\.resume",
        ),
        (fn.load_model, "run", r"expected a model file, got a checkpoint without a model"),
        (lambda path: fn.resume(path, (PARAMS, 3)), "model", r"a model file, of linear\(2\): .*fnmlp\.load_model"),
        (load_image_model, "state", "a checkpoint without a model"),
        (load_image_model, "run", r"expected a model, got the checkpoint of a run; .*`train --resume`.*`replay`"),
        (lambda path: origin_of(fn.load(path)), "model", "expected the checkpoint of a run, got a model; `evaluate`"),
        (
            lambda path: origin_of(fn.load(path)),
            "state",
            r"checkpoint of another program; .*`train --checkpoint`",
        ),
        (
            lambda path: check_run(fn.load(path), {}),
            "model",
            "expected the checkpoint of a run, got a model; `evaluate`",
        ),
    ],
)
def test_a_file_of_ours_in_the_wrong_place_is_called_what_it_is(
    reader: Callable[[Path], object], name: str, words: str, files: Path
) -> None:
    # `evaluate` of a run's checkpoint once said "got 'model'".
    with pytest.raises(CheckpointError, match=words) as caught:
        reader(files / name)
    assert caught.value.where == str(files / name)
    assert "\n" not in str(caught.value)


def test_parameters_of_a_model_file_are_resumed_where_they_fit(files: Path) -> None:
    assert fn.tree_equal(fn.resume(files / "model", PARAMS), PARAMS)
    with pytest.raises(CheckpointError, match="expected the 3 parameters of the model, got") as caught:
        fn.resume(files / "state", (1.0, 2.0, 3.0))
    assert "model file" not in str(caught.value)
