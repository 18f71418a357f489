"""Arguments of the wrong kind in the rooms beside the core: data, augmentation and pictures of training."""

from functools import partial
from inspect import getmembers, isfunction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fnmlp import augmentation, data, plots, reports
from tests.data_sets import made_up, write_set
from tests.misuse import called, faults
from tests.right_calls import KEY, Call, call, fn

IMAGES = np.ones((4, 6, 6), np.float32)
WARPING = {"pixels": 1.0, "degrees": 1.0, "factor": 1.1, "slope": 0.1, "displacement": 0.1, "smoothing": 4.5}
WARPS = augmentation.random_warps(KEY, 4, (6, 6), pixels=1.0)


def halves(x: Any) -> Any:
    """Return one half for each of two classes."""
    return np.full((len(x), 2), 0.5)


ROWS = fn.Batch(np.zeros((6, 2)), np.zeros(6))
SHARDS = data.ShardedData([data.Shard("six", rows=6, like=ROWS[:0], read=lambda first, stop: ROWS[first:stop])])

DATA_CALLS: dict[str, Call] = {
    "array_shards": call(inputs="pixels", targets="pixels", weights=(), block=4),
    "data_sets_in": call(data_dir="."),
    "fit_drawing": call(levels=255 * np.eye(6), shape=(8, 8), fit=data.Fit(box=6)),
    "load_dataset": call(name="mnist", data_dir="."),
    "mnist": call(data_dir=".", mirrors=()),
    "prefetch": call(items=(1, 2), buffer=1),
    "read_idx": call(path="pixels", limit=1000),
    "read_image": call(path="eye.png", shape=(8, 8), white=255, invert=False, fit=None),
    "split_by_rank": call(data=SHARDS, rank=0, ranks=1),
    "stream_batches": call(data=SHARDS, size=4, key=KEY, epoch=0, start=0, window=100),
    "table_shards": call(paths="table.parquet", inputs=["a"], targets="b", weights="", dtype="float32"),
    "write_idx": call(path="written", array=np.zeros((3, 2), np.uint8)),
}

AUGMENTATION_CALLS: dict[str, Call] = {
    "apply_warps": call(warps=WARPS, key=KEY, images=IMAGES),
    "as_warps": call(points=np.zeros((2, 2, 6, 6))),
    "augmented": call(
        batches=[fn.Batch(IMAGES, np.zeros(4))], augment=partial(augmentation.shift, pixels=1.0), key=KEY, start=0
    ),
    "cutout": call(key=KEY, images=IMAGES, size=2),
    "elastic": call(key=KEY, images=IMAGES, displacement=1.0, smoothing=2.0),
    "mirror": call(key=KEY, images=IMAGES),
    "mixup": call(key=KEY, batch=fn.Batch(IMAGES, np.ones((4, 2), np.float32)), alpha=0.5),
    "random_warps": call(key=KEY, number=3, shape=(6, 6), **WARPING),
    "resample": call(images=IMAGES, warps=WARPS),
    "rotate": call(key=KEY, images=IMAGES, degrees=3.0),
    "shear": call(key=KEY, images=IMAGES, slope=0.1),
    "shift": call(key=KEY, images=IMAGES, pixels=1.0),
    "warp": call(key=KEY, images=IMAGES, **WARPING),
    "zoom": call(key=KEY, images=IMAGES, factor=1.1),
}

PLOT_CALLS: dict[str, Call] = {
    "confusion": call(matrix=np.eye(2, dtype=int), classes=("a", "b")),
    "curves": call(history=[{"epoch": 1, "train_loss": 0.5}]),
    "decision_boundaries": call(frames={"one": halves}, points=np.eye(2, dtype=np.float32), labels=np.array([0, 1])),
    "decision_boundary": call(shares=halves, points=np.eye(2, dtype=np.float32), labels=np.array([0, 1]), title="two"),
    "samples": call(images=IMAGES, titles=list("abcd"), columns=2),
}

REPORT_CALLS: dict[str, Call] = {
    "confusion": PLOT_CALLS["confusion"],
    "curves": PLOT_CALLS["curves"],
    "facts": call(values={"rate": 0.5}),
    "page": call("A run", "text"),
    "png": call(image=np.eye(3)),
    "samples": call(images=IMAGES, titles=list("abcd")),
    "save_page": call(path="page.html", html="<p>text</p>"),
    "section": call("Result", "text"),
    "table": call(heads=["epoch", "loss"], rows=[[1, 0.5]], caption="Losses"),
    "verbatim": call(text="a line"),
    "worst_mistakes": call(y=np.eye(2), labels=np.array([0, 0]), most=3),
}

TAKEN: dict[str, dict[str, set[str]]] = {
    "confusion": {"classes": {"an array"}},
    "prefetch": {"items": {"'abc'", "[1]", "an array", "a batch"}},
    "samples": {"titles": {"a batch"}},
    "table": {"heads": {"an array"}, "rows": {"an array", "a batch"}},
}
"""Items, two classes, four titles, and two heads above rows of two cells may be any values."""

OTHERS = {"digits", "emnist", "fashion_mnist", "kmnist", "qmnist"}
"""Take what `mnist` takes, or nothing."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder with the files that the right calls read."""
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path, made_up(100))
    data.write_idx("pixels", np.zeros((3, 2), np.uint8))


@pytest.mark.parametrize("name", DATA_CALLS)
def test_data_refuse_a_wrong_kind_in_one_line(name: str) -> None:
    if name == "read_image":
        image = pytest.importorskip("PIL.Image", reason="Pillow reads pictures")
        image.fromarray(np.diag(np.full(8, 255, np.uint8))).save("eye.png")
    if name == "table_shards":
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow writes Parquet")
        arrow = pytest.importorskip("pyarrow", reason="pyarrow writes Parquet")
        parquet.write_table(arrow.table({"a": [1.0, 2.0], "b": [0, 1]}), "table.parquet")
    assert called(getattr(data, name), *DATA_CALLS[name]) == "taken"
    assert faults(getattr(data, name), DATA_CALLS[name], TAKEN.get(name, {})) == []


@pytest.mark.parametrize("name", AUGMENTATION_CALLS)
def test_augmentations_refuse_it(name: str) -> None:
    assert called(getattr(augmentation, name), *AUGMENTATION_CALLS[name]) == "taken"
    assert faults(getattr(augmentation, name), AUGMENTATION_CALLS[name], TAKEN.get(name, {})) == []


@pytest.mark.parametrize("name", PLOT_CALLS)
def test_pictures_refuse_it(name: str) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws figures")
    assert called(getattr(plots, name), *PLOT_CALLS[name]) == "taken"
    assert faults(getattr(plots, name), PLOT_CALLS[name], TAKEN.get(name, {})) == []


@pytest.mark.parametrize("name", REPORT_CALLS)
def test_reports_refuse_it(name: str) -> None:
    assert called(getattr(reports, name), *REPORT_CALLS[name]) == "taken"
    assert faults(getattr(reports, name), REPORT_CALLS[name], TAKEN.get(name, {})) == []


def test_saving_a_picture_refuses_it() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws figures")
    right = call(path="figure.svg", figure=plots.curves([{"epoch": 1, "train_loss": 0.5}]))
    assert called(plots.save_figure, *right) == "taken"
    assert faults(plots.save_figure, right, {}) == []


def test_every_function_of_these_rooms_is_called_wrong() -> None:
    def functions(room: ModuleType) -> set[str]:
        inside = (name for name, made in getmembers(room, isfunction) if made.__module__.startswith(room.__name__))
        return {name for name in inside if not name.startswith("_")}

    assert functions(data) == {*DATA_CALLS, *OTHERS}
    assert functions(augmentation) == {*AUGMENTATION_CALLS}
    assert functions(plots) == {*PLOT_CALLS, "save_figure"}
    assert functions(reports) == {*REPORT_CALLS}
