"""Claims about `examples/mnist.py`: what its commands print, write and agree on."""

from functools import reduce
import json
from pathlib import Path
import re
import subprocess
from typing import Any

import numpy as np
from PIL import Image
import pytest

import fnmlp as fn
from fnmlp.data import Fit, digits, fit_drawing
from image_models import doubt
from recipes import RECIPES, Recipe
from tests.data_sets import made_up, write_files, write_set
from tests.trainer import FIELDS, SMALL, command, program, run, succeed

EPOCH_LINE = re.compile(
    r"epoch +\d+  train loss \d\.\d{5}  test loss \d\.\d{5}  test accuracy [01]\.\d{4}  \d+\.\d\d s"
)


def history_of(home: Path, *arguments: object) -> list[dict[str, Any]]:
    succeed(home, "train", "--quiet", "--history", home / "history.jsonl", *arguments)
    return [json.loads(line) for line in (home / "history.jsonl").read_text().splitlines()]


def digest_of(home: Path, *arguments: object) -> str:
    return str(history_of(home, *arguments)[-1]["parameters_sha256"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trained model, its history, and data in the form of MNIST and Fashion-MNIST."""
    folder = tmp_path_factory.mktemp("home")
    succeed(folder, "train", *SMALL, "--output", folder / "model", "--history", folder / "known.jsonl")
    for name in ("mnist", "fashion-mnist"):
        write_set(folder / "data" / name, made_up(200))
    return folder


# Training.


@pytest.mark.parametrize("epochs", [1, 3])
def test_training_prints_one_line_an_epoch_after_the_data_and_the_model(epochs: int, tmp_path: Path) -> None:
    lines = succeed(tmp_path, "train", *SMALL, "--epochs", epochs).splitlines()
    assert lines[0] == "digits: 1438 images to train on, 359 to test on"
    assert lines[1] == "recipe: lab"
    assert [line.split()[0] for line in lines[2:10]] == [
        *("Layer", "flatten()", "scale(0.0625)", "linear(16)", "relu()", "linear(10)", "softmax()", "Total"),
    ]
    assert lines[9].split()[1] == "1,210"
    assert [line for line in lines[10:] if not EPOCH_LINE.fullmatch(line)] == []
    assert [int(line.split()[1]) for line in lines[10:]] == list(range(1, epochs + 1))


@pytest.mark.parametrize("size", [64, 1438, 5000])
def test_the_history_has_one_object_a_line_with_the_documented_fields(size: int, tmp_path: Path) -> None:
    history = history_of(tmp_path, *SMALL, "--epochs", 3, "--batch-size", size)
    assert [list(entry) for entry in history] == [FIELDS] * 3
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    assert [entry["steps"] for entry in history] == [-(-1438 // size) * epoch for epoch in (1, 2, 3)]
    assert all(re.fullmatch("[0-9a-f]{64}", entry["parameters_sha256"]) for entry in history)
    assert len({entry["parameters_sha256"] for entry in history}) == 3
    assert all(0 <= entry["test_accuracy"] <= 1 < entry["seconds"] + 2 for entry in history)


def test_training_learns_the_digits(tmp_path: Path) -> None:
    history = history_of(tmp_path, *SMALL, "--epochs", 5, "--rate", 4, "--batch-size", 16)
    assert history[-1]["test_accuracy"] > 0.9
    losses = [entry["train_loss"] for entry in history]
    assert losses == sorted(losses, reverse=True)


def test_a_seed_decides_every_bit(tmp_path: Path) -> None:
    first, other = (digest_of(tmp_path, *SMALL, "--seed", seed) for seed in (7, 8))
    assert first != other
    line, variables = command(tmp_path, "train", *SMALL, "--seed", 7, "--history", tmp_path / "again.jsonl")
    subprocess.run(line, env=variables, check=True, capture_output=True)
    assert json.loads((tmp_path / "again.jsonl").read_text().splitlines()[-1])["parameters_sha256"] == first


def test_training_is_the_fold_that_the_library_documents(tmp_path: Path) -> None:
    data, (start, order) = digits(), fn.split(fn.Key(3), 2)
    model = fn.chain(fn.flatten(), fn.scale(1 / 16), fn.linear(16), fn.relu(), fn.linear(10), fn.softmax())
    optimizer, loss = fn.sgd(0.5), fn.on_labels(fn.mse)
    state = fn.train_state(model, optimizer, key=start, example=(8, 8))
    for epoch in range(2):
        batches = fn.batches(data.train, size=64, key=order, epoch=epoch)
        state = reduce(lambda before, batch: fn.train_step(model, loss, optimizer, before, batch), batches, state)
    assert fn.tree_sha256(state.params) == digest_of(tmp_path, *SMALL, "--seed", 3)


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    files = ("--output", tmp_path / "model", "--plot", tmp_path / "a.svg")
    assert succeed(tmp_path, "train", *SMALL, "--quiet", *files) == ""
    assert all(path.exists() for path in files[1::2])


def test_no_eval_leaves_the_test_set_out(tmp_path: Path) -> None:
    with_tests, without = history_of(tmp_path, *SMALL), history_of(tmp_path, *SMALL, "--no-eval")
    for entry, tested in zip(without, with_tests, strict=True):
        assert entry == tested | {"test_loss": None, "test_accuracy": None, "seconds": entry["seconds"]}
    assert "not tested" in succeed(tmp_path, "train", *SMALL, "--no-eval")


def test_mnist_is_trained_with_the_labs_network_and_loop_unless_another_recipe_is_named(home: Path) -> None:
    assert RECIPES["lab"] == Recipe(hidden=(512,), epochs=15, batch_size=64, rate=0.5, loss="mse", optimizer="sgd")
    plain, lab, fast = (
        history_of(home, "--epochs", 1, "--output", home / "trained", *typed)
        for typed in ((), ("--recipe", "lab"), ("--recipe", "fast"))
    )
    assert plain[0]["parameters_sha256"] == lab[0]["parameters_sha256"] != fast[0]["parameters_sha256"]
    assert "mnist: 7 images to train on, 5 to test on\nrecipe: lab\n" in succeed(home, "train", "--epochs", 1)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_trained_without_mnist_and_without_options_tells_digits_apart(seed: int, tmp_path: Path) -> None:
    # With the lab's recipe, which these few images don't fit, the first command of the README ended at 0.81.
    done = run(tmp_path, "train", "--seed", seed)
    assert (done.status, done.err.count("\n")) == (0, 1)
    assert "recipe: digits\n" in done.out
    assert float(done.out.splitlines()[-1].split("test accuracy ")[1].split()[0]) >= 0.97


def test_the_help_tells_which_recipe_each_data_set_is_trained_with(tmp_path: Path) -> None:
    text = " ".join(succeed(tmp_path, "train", "--help").split())
    assert "[default: (digits for digits; lab for others)]" in text


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        (("--hidden", 5, "--hidden", 4), ("linear(5)", "relu()", "linear(4)", "relu()", "linear(10)")),
        (("--hidden", "5,4"), ("scale(0.0625)", "linear(5)", "relu()", "linear(4)", "relu()", "linear(10)")),
        (("--hidden", 5, 4), ("scale(0.0625)", "linear(5)", "relu()", "linear(4)", "relu()", "linear(10)")),
        (("--pixels", "raw", "--rate", 0.001), ("scale(1.0)", "linear(512)")),
        (("--dtype", "float64"), ("scale(0.0625, dtype='float64')", "linear(512)")),
        (("--loss", "mse-sum", "--rate", 0.01), ("scale(0.0625)", "linear(512)")),
        (("--dropout", "0.1,0.2"), ("dropout(0.1)", "linear(512)", "relu()", "dropout(0.2)")),
        (("--dropout", 0.1, 0.2), ("dropout(0.1)", "linear(512)", "relu()", "dropout(0.2)")),
        (("--batch-size", 2000), ("scale(0.0625)", "linear(512)")),
    ],
)
def test_options_change_the_model_and_its_training(
    options: tuple[object, ...], layers: tuple[str, ...], tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("plain", "changed")]
    plain = ("train", "--dataset", "digits", "--recipe", "lab", "--epochs", 1, "--no-eval", "--history")
    succeed(tmp_path, *plain, files[0])
    table = [line.split("  ")[0] for line in succeed(tmp_path, *plain, files[1], *options).splitlines()]
    assert "|".join(layers) in "|".join(table)
    digests = {json.loads(file.read_text())["parameters_sha256"] for file in files}
    assert len(digests) == 2


def test_validation_takes_a_share_of_the_training_images_and_leaves_the_test_set_alone(tmp_path: Path) -> None:
    options = (*SMALL, "--recipe", "fast", "--validation", 0.25, "--plot", tmp_path / "a.svg")
    out = succeed(tmp_path, "train", *options)
    assert out.startswith("digits: 1078 images to train on, 360 to validate on\n")
    assert out.count("validation accuracy") == 2
    assert "test accuracy" not in out
    assert [list(entry)[2:4] for entry in history_of(tmp_path, *options)] == [
        ["validation_loss", "validation_accuracy"],
    ] * 2
    assert "validation accuracy" in (tmp_path / "a.svg").read_text()


def test_members_are_trained_one_after_another_and_saved_as_one_model(tmp_path: Path) -> None:
    options = (*SMALL, "--recipe", "fast", "--members", 2, "--output", tmp_path / "model")
    history = history_of(tmp_path, *options)
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4]
    assert [entry["steps"] for entry in history] == [8, 16, 8, 16]
    # The test set is looked at once, by the members together.
    assert [entry["test_loss"] is None for entry in history] == [True, True, True, False]
    saved = fn.load_model(tmp_path / "model")
    assert saved.model.name.startswith("chain(add(chain(chain(flatten()")
    assert saved.model.name.endswith("scale(0.5))")
    test = digits().test
    assert fn.accuracy(fn.predict(saved.model, saved.params, test.inputs), test.targets) == history[-1]["test_accuracy"]
    for member in range(2):
        succeed(tmp_path, "train", *SMALL, "--recipe", "fast", "--seed", member, "--output", tmp_path / "alone")
        assert fn.tree_equal(fn.load_model(tmp_path / "alone").params, saved.params[0][member])


@pytest.mark.parametrize("options", [("--warp", 0.5), ("--average", 0.9)])
def test_warps_and_means_change_what_is_learned_in_the_same_way_at_every_run(
    options: tuple[object, ...], tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("plain", "changed", "again")]
    for file, more in zip(files, ((), options, options), strict=True):
        succeed(tmp_path, "train", *SMALL, "--no-eval", "--output", file, *more)
    plain, changed, again = (fn.load_model(file).params for file in files)
    assert fn.tree_equal(changed, again)
    assert not fn.tree_equal(changed, plain)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_saved_parameters_have_the_dtype_and_digest_of_training(dtype: str, tmp_path: Path) -> None:
    digest = digest_of(tmp_path, *SMALL, "--dtype", dtype, "--output", tmp_path / "model")
    saved = fn.load_model(tmp_path / "model")
    assert {str(leaf.dtype) for leaf in fn.tree_leaves(saved.params)} == {dtype}
    assert fn.tree_sha256(saved.params) == digest


# Data sets.


STAND_IN = "MNIST isn't here (--dataset mnist says why); training on scikit-learn's 8x8 digits instead\n"


@pytest.mark.parametrize("quiet", [False, True])
def test_auto_is_the_bundled_digits_where_mnist_is_not_and_says_so_though_quiet(quiet: bool, tmp_path: Path) -> None:
    """--quiet hid that other data were used."""
    automatic, explicit = (
        run(tmp_path, "train", *SMALL, "--dataset", name, *["--quiet"] * quiet) for name in ("auto", "digits")
    )
    assert (automatic.status, automatic.err, explicit.err) == (0, STAND_IN, "")
    lines = ([line.split("  ")[:5] for line in done.out.splitlines()] for done in (automatic, explicit))
    assert next(lines) == next(lines)
    assert bool(automatic.out) != quiet


def test_auto_is_mnist_where_it_is(home: Path, tmp_path: Path) -> None:
    for folder, options in ((home, ()), (tmp_path, ("--data-dir", home / "data"))):
        out = succeed(folder, "train", *SMALL, "--dataset", "auto", *options)
        assert out.startswith("mnist: 7 images to train on, 5 to test on\n")


def test_auto_is_what_a_named_folder_holds_where_that_is_not_mnist(tmp_path: Path) -> None:
    write_files(tmp_path / "home" / "data", "qmnist")
    for folder, options in ((tmp_path, ("--data-dir", tmp_path / "home" / "data")), (tmp_path / "home", ())):
        out = succeed(folder, "train", *SMALL, "--dataset", "auto", *options)
        assert out.startswith("qmnist: 3 images to train on, 3 to test on\n")


@pytest.mark.parametrize("name", ["kmnist", "qmnist", "emnist-letters"])
def test_the_kin_of_mnist_is_trained_on_and_known_again(name: str, tmp_path: Path) -> None:
    write_files(tmp_path / "data", name)
    succeed(tmp_path, "train", *SMALL, "--dataset", name, "--output", tmp_path / "model")
    assert "3 test images" in succeed(tmp_path, "evaluate", tmp_path / "model")


def test_fashion_mnist_is_trained_on_and_its_classes_are_named(home: Path, tmp_path: Path) -> None:
    succeed(home, "train", *SMALL, "--dataset", "fashion-mnist", "--output", tmp_path / "fashion")
    assert "ankle boot" in succeed(home, "evaluate", tmp_path / "fashion")
    assert "test image 1, label trouser: " in succeed(home, "predict", tmp_path / "fashion", "--index", 1)


# Evaluation and prediction.


def test_evaluation_agrees_with_the_last_epoch_of_training(home: Path) -> None:
    last = json.loads((home / "known.jsonl").read_text().splitlines()[-1])
    first, header, *rows = succeed(home, "evaluate", home / "model").splitlines()
    assert first == f"359 test images  loss {last['test_loss']:.5f}  accuracy {last['test_accuracy']:.4f}"
    assert header.split() == [row.split()[0] for row in rows] == list("0123456789")
    counts = np.array([[0 if cell == "." else int(cell) for cell in row.split()[1:]] for row in rows])
    assert counts.sum() == 359
    assert np.trace(counts) / 359 == last["test_accuracy"]
    assert np.array_equal(counts.sum(axis=1), np.bincount(digits().test.targets))


@pytest.mark.parametrize("invert", [False, True])
def test_a_picture_is_read_as_the_image_of_the_test_set_that_it_shows(invert: bool, home: Path, tmp_path: Path) -> None:
    test, places = digits().test, (0, 100, 358)
    levels = np.rint(test.inputs * (255 / 16)).astype(np.uint8)
    names = [tmp_path / f"{place}.png" for place in places]
    for name, place in zip(names, places, strict=True):
        Image.fromarray(255 - levels[place] if invert else levels[place]).save(name)
    options = [part for place in places for part in ("--index", place)] + ["--invert"] * invert
    lines = succeed(home, "predict", home / "model", *names, *options).splitlines()
    files, indices = ([line.split(": ", 1) for line in half] for half in (lines[:3], lines[3:]))
    assert [name for name, _ in files] == list(map(str, names))
    assert [name for name, _ in indices] == [f"test image {i}, label {test.targets[i]}" for i in places]
    assert [guess for _, guess in files] == [guess for _, guess in indices]


@pytest.mark.parametrize("invert", [False, True])
def test_an_image_drawn_larger_elsewhere_is_fitted_and_read_as_before(invert: bool, home: Path, tmp_path: Path) -> None:
    test, places = digits().test, range(0, 60, 4)
    names: list[Path] = []
    for place in places:
        digit = test.inputs[place] * np.uint8(15)
        large = np.pad(np.kron(digit, np.ones((20, 20), np.uint8)), ((40 + place, 7), (30, 50 + place)))
        small = np.rint(fit_drawing(np.pad(digit, 1), (8, 8), Fit(box=8, beyond=0.0))).astype(np.uint8)
        for kind, levels in (("small", small), ("large", large)):
            names.append(tmp_path / f"{kind}{place}.png")
            Image.fromarray(255 - levels if invert else levels).save(names[-1])
    options = ["--invert"] * invert
    plain = succeed(home, "predict", home / "model", *names[::2], *options).splitlines()
    fitted = succeed(home, "predict", home / "model", "--fit", *names[1::2], *options).splitlines()
    assert [line.split(": ")[1] for line in plain] == [line.split(": ")[1] for line in fitted]


DOUBTFUL = {
    "blank": (np.zeros((8, 8)), "", "nothing is drawn: levels 0 to 0 of 0 to 16; do dark strokes need --invert?"),
    "white": (np.full((8, 8), 255), "--invert", "nothing is drawn: levels 0 to 0 of 0 to 16"),
    "levels to 16": (np.eye(8) * 16, "", "next to nothing is drawn: levels 0 to 1 of 0 to 16; do dark strokes need"),
    "light": (
        255 - np.eye(8) * 255,
        "",
        "the ground is light, but the model expects light strokes on a dark one; does it need",
    ),
    "dark": (
        np.eye(8) * 255,
        "--invert",
        "the ground is light, but the model expects light strokes on a dark one; is --invert",
    ),
    "fitted": (np.zeros((50, 90)), "--fit", "nothing is drawn"),
}


@pytest.mark.parametrize(("levels", "option", "words"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_doubtful_picture_is_classified_with_a_warning(
    levels: fn.Array, option: str, words: str, home: Path, tmp_path: Path
) -> None:
    """A blank picture, and one whose ground is light, were classified without a word."""
    Image.fromarray(levels.astype(np.uint8)).save(tmp_path / "a.png")
    done = run(home, "predict", home / "model", tmp_path / "a.png", *option.split())
    assert done.status == 0
    assert done.out.startswith(f"{tmp_path / 'a.png'}: ")
    assert done.err.startswith(f"warning: {tmp_path / 'a.png'}: {words}")
    assert done.err.count("\n") == 1


def test_no_image_of_the_digits_is_doubtful() -> None:
    assert {doubt(image, 16, invert=False) for image in digits().test.inputs} == {""}


def test_probabilities_sum_to_1_and_the_guess_is_the_largest(home: Path) -> None:
    for line in succeed(home, "predict", home / "model", "--index", 3, "--index", 4).splitlines():
        guess, shares = re.fullmatch(r"test image \d, label \d: (\d)  \((.*)\)", line).groups()  # type: ignore[union-attr]
        chances = {share.split()[0]: float(share.split()[1]) for share in shares.split("  ")}
        assert list(chances) == list("0123456789")
        assert abs(sum(chances.values()) - 1) < 0.006
        assert chances[guess] == max(chances.values())


def test_outputs_of_nan_are_no_class_and_not_class_0(home: Path, tmp_path: Path) -> None:
    saved = fn.load_model(home / "model")
    params = fn.tree_map(lambda leaf: np.full_like(leaf, 3e38), saved.params)
    notes = {name: text for name, text in saved.notes.items() if name not in ("model", "example")}
    fn.save_model(tmp_path / "huge", saved.model, params, example=saved.example, notes=notes)
    with np.errstate(over="ignore", invalid="ignore"):
        told = succeed(home, "predict", tmp_path / "huge", "--index", 3)
        judged = succeed(home, "evaluate", tmp_path / "huge")
    assert re.fullmatch(r"test image 3, label \d: no class, because its outputs are NaN  \(0 nan .*\)\n", told)
    assert judged.startswith("359 test images  loss nan  accuracy 0.0000\n")


def test_the_model_of_an_epoch_whose_outputs_are_nan_is_not_kept_as_the_best(home: Path, tmp_path: Path) -> None:
    options = "--rate", "1e37", "--batch-size", 2000, "--validation", 0.2, "--best", tmp_path / "best"
    with np.errstate(all="ignore"):
        done = run(home, "train", *SMALL, *options)
    assert done.status == 1
    assert "expected a finite validation loss, got nan" in done.err
    assert not (tmp_path / "best").exists()


@pytest.mark.parametrize("arguments", [("train", *SMALL), ("evaluate", "model"), ("predict", "model", "--index", 1)])
def test_each_command_draws_a_whole_picture(arguments: tuple[str, ...], home: Path, tmp_path: Path) -> None:
    given = [home / "model" if argument == "model" else argument for argument in arguments]
    assert f"drawn to {tmp_path / 'a.png'}\n" in succeed(home, *given, "--plot", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        picture.verify()
        assert picture.format == "PNG"


# Help.


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "replay"])
def test_the_help_of_each_command_names_its_options_and_arguments(name: str, tmp_path: Path) -> None:
    text = succeed(tmp_path, name, "--help")
    for parameter in program.cli.commands[name].params:
        if parameter.param_type_name == "option":
            assert parameter.opts[-1] in text
            assert parameter.help.split()[0] in text
        else:
            assert parameter.name.upper() in text
    assert name in succeed(tmp_path, "--help")
