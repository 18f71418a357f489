"""Claims about bad input to `examples/mnist.py`: one line on stderr, status 1 or 2, and nothing half-written."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
import pytest
from safetensors.numpy import save_file

import fnmlp as fn
from fnmlp.storage import format as checkpoint
from tests.data_sets import PARTS, made_up, write_files, write_set
from tests.trainer import SMALL, run, succeed

LONG = "x" * 300
FILES = ("--output", "model", "--history", "history.jsonl", "--plot", "a.svg")
NOTES = {"dataset": "digits", "loss": "mse", "classes": json.dumps(list("0123456789")), "white": "16"}


@pytest.fixture(scope="module")
def good_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a model that was trained on the digits."""
    folder = tmp_path_factory.mktemp("good")
    succeed(folder, "train", *SMALL, "--output", folder / "model")
    return (folder / "model").read_bytes()


@pytest.fixture
def home(tmp_path: Path, good_model: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a good model, a picture of its size, and data in the form of MNIST."""
    monkeypatch.chdir(tmp_path)
    Path("good").write_bytes(good_model)
    Path("folder").mkdir()
    Image.fromarray(np.diag(np.full(8, 255, np.uint8))).save("8x8.png")
    Image.new("L", (28, 28)).save("28x28.png")
    Path("text.png").write_text("a text, whatever its name says")
    write_set(tmp_path / "data" / "mnist", made_up(100))
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts)
    return {path: path.read_bytes() for path in files}


def refusal(home: Path, status: int, *arguments: object) -> str:
    """Run the program on bad input, and return its one line; nothing is written, and nothing claims so."""
    before = contents(home)
    done = run(home, *arguments)
    assert done.status == status, arguments
    assert done.err.startswith("error: "), arguments
    assert done.err.endswith("\n"), arguments
    assert len(done.err.splitlines()) == 1, arguments
    assert "saved" not in done.out, arguments
    assert "drawn" not in done.out, arguments
    assert contents(home) == before, arguments
    return done.err


# Options.


BAD_OPTIONS: tuple[tuple[str, tuple[str, ...], int, str], ...] = (
    ("--rate", ("-1", "0", "-0.0", "nan", "inf", "-inf", "1e999", "1e-999"), 2, "a finite number above 0"),
    ("--rate", ("abc", "", "0,5"), 2, "expected a number, got"),
    ("--hidden", ("0", "-5", "4,0"), 2, "an integer of at least 1"),
    ("--hidden", ("1" + "0" * 12, "1" + "0" * 40), 2, "an integer of at most 2147483647"),
    ("--hidden", ("abc", "1.5", "", "4,", ",4", "4x4"), 2, "expected integers such as 64,32, got"),
    (
        "--dropout",
        ("0.1", "0.1,0.2,0.3", "", "0.1,"),
        2,
        "the shares of the input and of the hidden layers, such as",
    ),
    ("--dropout", ("0.1,1", "-0.1,0", "nan,0"), 2, "a number of at least 0 and below 1"),
    ("--betas", ("0.9",), 2, "two numbers, the decays of both averages, such as 0.9,0.99, got '0.9'"),
    ("--warp", ("-1", "11", "nan", "1e300"), 2, "a"),
    ("--members", ("0", "1001", "1" + "0" * 40), 2, "an integer of at"),
    ("--mean", ("nan", "inf"), 2, "a finite number"),
    ("--pieces", ("0", "-5"), 2, "an integer of at least 1"),
    ("--batch-size", ("0", "-1"), 2, "an integer of at least 1"),
    ("--epochs", ("0", "-1"), 2, "an integer of at least 1"),
    ("--seed", ("-1", str(2**32)), 2, "0<=x<=4294967295"),
    ("--dtype", ("float16", "int8", "object"), 2, "'float32' or 'float64'"),
    ("--pixels", ("centred",), 2, "'unit' or 'raw'"),
    ("--loss", ("crossentropy",), 2, "'mse' or 'mse-sum'"),
    ("--dataset", ("cifar",), 2, "'digits'"),
    ("--no-such-option", ("1",), 2, "No such option"),
    ("--epochs", ("1", "stray"), 2, "unexpected extra argument"),
    ("--output", ("nowhere/model",), 2, "does not exist; create it first"),
    ("--output", ("8x8.png/model",), 2, "does not exist; create it first"),
    ("--output", ("folder", "/dev/full", "/dev/null", "."), 2, "is not a regular file; choose another name"),
    ("--output", (LONG, f"{LONG}/model"), 2, "choose another name"),
    ("--history", ("nowhere/h.jsonl",), 2, "does not exist"),
    ("--history", ("folder", "/dev/full"), 2, "is not a regular file"),
    ("--plot", ("a.txt", "a", "a.jpg", "a.png.txt"), 2, "must end in .png, .pdf or .svg"),
    ("--plot", ("nowhere/a.png",), 2, "does not exist"),
    ("--data-dir", ("nowhere", LONG), 1, "nothing of this name"),
    ("--data-dir", ("8x8.png",), 1, "got a file"),
)
"""Option, values, the status that each ends with, and words of its line."""


@pytest.mark.parametrize("option", dict.fromkeys(row[0] for row in BAD_OPTIONS))
def test_a_bad_option_is_refused_by_name(option: str, home: Path) -> None:
    dataset = "mnist" if option == "--data-dir" else "digits"
    for _, values, status, words in (row for row in BAD_OPTIONS if row[0] == option):
        for call in [values] if "stray" in values else [(value,) for value in values]:
            text = refusal(home, status, "train", "--dataset", dataset, *FILES, option, *call)
            assert words in text, call
            assert option.strip("-") in text or status == 1 or "stray" in call, call


BAD_LINES: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "Missing command"),
    (("fit",), "No such command 'fit'"),
    (("evaluate",), "Missing argument 'MODEL'"),
    (("predict",), "Missing argument 'MODEL'"),
    (("predict", "good"), "give at least one IMAGE, or --index N"),
    (("predict", "good", "--index", "1", "--invert"), "--invert and --fit need an IMAGE"),
    (("predict", "good", "--index", "1", "--fit"), "--invert and --fit need an IMAGE"),
    (("predict", "good", "8x8.png", "--data-dir", "data"), "--data-dir needs --index N"),
    (("predict", "good", "--index", "-1"), "--index"),
    (("predict", "good", "--index", "one"), "--index"),
    (("predict", "good", "--index", "359"), "--index 359: the test images are 0 to 358"),
    (("predict", "good", "--index", "0", "--index", "1" + "0" * 40), "the test images are 0 to 358"),
    (("predict", "good", "8x8.png", "--plot", "a.txt"), "must end in"),
    (("evaluate", "good", "--plot", "nowhere/a.png"), "does not exist"),
    (("predict", "good", "8x8.png", "--plot", "8x8.png"), "--plot and IMAGES name the same file, 8x8.png"),
    (("train", "--no-eval", "--validation", "0.2"), "--no-eval contradicts --validation"),
    (("train", "--checkpoint", "c", "--resume", "--overwrite"), "--resume contradicts --overwrite"),
    (("evaluate", "good", "--dataset", "auto"), "'mnist', 'fashion-mnist', 'kmnist'"),
)


def test_a_bad_command_line_is_refused_with_status_2(home: Path) -> None:
    for arguments, words in BAD_LINES:
        text = refusal(home, 2, *arguments)
        assert words in text, arguments
        assert len(text) < 250, arguments


def hard_links(path: str, other: str) -> None:
    Path(path).write_text("something")
    Path(other).hardlink_to(path)


SAME: dict[str, Callable[[], None]] = {
    "plainly": lambda: None,
    "by a symbolic link": lambda: Path("b").symlink_to("a"),
    "by a link that leads nowhere yet": lambda: Path("b").symlink_to(Path("folder", "..", "a")),
    "by a hard link": lambda: hard_links("a", "b"),
    "by a folder's link": lambda: Path("there").symlink_to("."),
}
OTHERS = ("./a", "b", "b", "b", "there/a")
PAIRS = (("--output", "--history"), ("--checkpoint", "--history"), ("--best", "--output"), ("--checkpoint", "--best"))


@pytest.mark.parametrize(("make", "other"), [*zip(SAME.values(), OTHERS, strict=True)], ids=SAME)
def test_two_options_that_name_one_file_are_refused_before_training(
    make: Callable[[], object], other: str, home: Path
) -> None:
    # The last writer won, and the program said that both were saved.
    make()
    options = ("train", *SMALL, "--validation", 0.2, "--overwrite", "--checkpoint", "c")
    for first, second in PAIRS:
        text = refusal(home, 2, *options, first, "a", second, other)
        assert "name the same file" in text, (first, second)
        assert first in text
        assert second in text


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(("keep", "refused"), [(1, False), (2, False), (3, True)])
def test_an_earlier_file_of_a_run_is_no_place_for_another(there: bool, keep: int, refused: bool, home: Path) -> None:
    if there:
        Path("c.2").write_text("something")
    options = ("train", *SMALL, "--checkpoint", "c", "--overwrite", "--checkpoint-keep", keep, "--history", "c.2")
    if refused:
        assert "--history and --checkpoint-keep name the same file, c.2" in refusal(home, 2, *options)
    else:
        succeed(home, *options)


def test_no_result_takes_the_place_of_the_data(home: Path) -> None:
    for path in (home / "data" / "mnist").iterdir():
        text = refusal(home, 2, "train", "--dataset", "mnist", "--output", path)
        assert "holds data (gzip or IDX); choose another name" in text


# Numbers that run away.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rate", "1e30"), "step 2: [4] linear(10): expected finite outputs, got infinities or NaN; train with a"),
        (("--rate", "1e308", "--dtype", "float64", "--pixels", "raw", "--loss", "mse-sum"), "step 1: [2] linear(16): "),
        (("--rate", "1e300", "--batch-size", "2000"), "step 1: [2] linear(16): expected finite parameters"),
        (("--rate", "1e37", "--batch-size", "2000"), "step 1: the outputs: expected a finite test loss, got nan"),
    ],
)
def test_a_run_that_diverges_names_the_step_and_leaves_the_earlier_model(
    options: tuple[str, ...], words: str, home: Path
) -> None:
    assert words in refusal(home, 1, "train", *SMALL, *FILES, "--output", "good", *options)


def test_a_model_beyond_all_memory_is_refused_with_a_remedy(home: Path) -> None:
    hidden = ("--hidden", 10_000, "--hidden", 2**31 - 1)
    text = refusal(home, 1, "train", "--dataset", "digits", *hidden, *FILES)
    assert "not enough memory" in text
    assert "use a smaller model" in text


# Data.


def _label_10(folder: Path) -> None:
    arrays = made_up(100)
    arrays[PARTS[3]] = np.array([0, 10, 1, 2, 3], np.uint8)
    write_set(folder, arrays)


def _cut(folder: Path) -> None:
    path = write_set(folder, made_up(100)) / f"{PARTS[0]}.gz"
    path.write_bytes(path.read_bytes()[:-5])


def _incomplete(folder: Path) -> None:
    (write_set(folder, made_up(100)) / f"{PARTS[1]}.gz").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(_label_10, "labels[1]: expected 0 to 9, got 10"), (_cut, PARTS[0]), (_incomplete, f"no {PARTS[1]}")],
)
def test_spoiled_data_are_refused_and_never_passed_over(spoil: Callable[[Path], None], words: str, home: Path) -> None:
    spoil(home / "spoiled" / "mnist")
    for dataset in ("auto", "mnist"):
        text = refusal(home, 1, "train", "--dataset", dataset, "--data-dir", "spoiled", *FILES)
        assert words in text, dataset
        assert str(Path("spoiled", "mnist")) in text, dataset


def test_mnist_that_is_nowhere_is_an_error_that_says_where_it_looked(home: Path) -> None:
    (home / "data").rename(home / "elsewhere")
    text = refusal(home, 1, "train", "--dataset", "mnist", *FILES)
    places = ["cache/fnmlp/mnist", "storage.googleapis.com", "ossci-datasets", "refused"]
    assert [place for place in places if place not in text] == []
    assert "pass --data-dir DIR or set FNMLP_DATA_DIR=DIR" in text


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("nowhere", "expected a folder with data sets in it, got nothing of this name"),
        ("folder", "got an empty folder"),
        ("other", "got letter.txt; correct"),
    ],
)
def test_a_named_folder_without_data_is_refused_and_never_passed_over(named: str, words: str, home: Path) -> None:
    """The small digits were trained, or a download began, with exit status 0."""
    Path("other").mkdir()
    Path("other", "letter.txt").touch()
    datasets = ("auto", "mnist", "fashion-mnist", "qmnist", "emnist-digits")
    calls = [
        ("train", *SMALL, "--dataset", name, *["--quiet"] * quiet, *FILES) for name in datasets for quiet in (0, 1)
    ]
    for call in calls:
        assert words in refusal(home, 1, *call, "--data-dir", named), call
    (home / "data").rename(home / "elsewhere")
    (home / "data").symlink_to(named)
    for call in calls:
        assert f"FNMLP_DATA_DIR={home / 'data'}: expected" in refusal(home, 1, *call), call


def test_a_folder_with_several_kin_of_mnist_needs_a_choice(home: Path) -> None:
    for name in ("emnist-digits", "emnist-letters"):
        write_files(home / "several", name)
    text = refusal(home, 2, "train", *SMALL, "--dataset", "auto", "--data-dir", "several", *FILES)
    assert "--dataset: choose one of the data sets in the folder: emnist-digits, emnist-letters" in text


def test_a_folder_that_is_named_for_the_bundled_digits_is_refused(home: Path) -> None:
    """The folder was ignored."""
    for arguments in (
        ("train", "--dataset", "digits", *FILES),
        ("evaluate", "good"),
        ("evaluate", "good", "--dataset", "digits"),
        ("predict", "good", "--index", "0"),
    ):
        text = refusal(home, 1, *arguments, "--data-dir", "data")
        words = "digits: expected no folder: they come with scikit-learn, got data; leave out --data-dir"
        assert words in text, arguments


# Model files.


def _other_program(path: Path) -> None:
    save_file({"weight": np.ones(3, np.float32)}, path)


def _other_architecture(path: Path) -> None:
    saved = checkpoint.load("good")
    params = tuple(saved.leaves[name] for name in sorted(saved.leaves))
    checkpoint.save(path, params, {"model": "chain(linear(3))", "example": "(8, 8)"})


def _save(notes: dict[str, str], model: fn.Layer[Any] | None = None) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        layers = model or fn.chain(fn.flatten(), fn.scale(1 / 16), fn.linear(10))
        fn.save_model(path, layers, layers.init(fn.Key(0), (8, 8))[0], example=(8, 8), notes=notes)

    return make


BAD_MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.parent, "expected a file, got none; check the path"),
    "folder": (lambda path: path.mkdir(), "directory"),
    "empty": (lambda path: path.write_bytes(b""), "a file that fnmlp saved (format 'fnmlp 1')"),
    "text": (lambda path: path.write_text("not a model at all\n" * 99), "a file that fnmlp saved (format 'fnmlp 1')"),
    "picture": (
        lambda path: path.write_bytes(Path("8x8.png").read_bytes()),
        "a file that fnmlp saved (format 'fnmlp 1')",
    ),
    "link to itself": (lambda path: path.symlink_to(path), "symbolic links"),
    "cut in the length": (lambda path: path.write_bytes(Path("good").read_bytes()[:5]), "a file that fnmlp saved"),
    "cut in the header": (lambda path: path.write_bytes(Path("good").read_bytes()[:100]), "that were saved, got other"),
    "cut in the data": (lambda path: path.write_bytes(Path("good").read_bytes()[:-1]), "that were saved, got other"),
    "one byte changed": (
        lambda path: path.write_bytes(Path("good").read_bytes()[:-1] + b"\x55"),
        "that were saved, got other",
    ),
    "another program's": (_other_program, "'fnmlp 1'"),
    "another architecture": (_other_architecture, "bad"),
    "no notes": (_save({}), "`train --output`"),
    "no such data set": (_save(NOTES | {"dataset": "cifar"}), "`train --output`"),
    "no such loss": (_save(NOTES | {"loss": "hinge"}), "`train --output`"),
    "white of 0": (_save(NOTES | {"white": "0"}), "`train --output`"),
    "white of words": (_save(NOTES | {"white": "all"}), "`train --output`"),
    "classes of numbers": (_save(NOTES | {"classes": json.dumps(list(range(10)))}), "`train --output`"),
    "classes too few": (_save(NOTES | {"classes": '["a", "b"]'}), "`train --output`"),
    "classes not JSON": (_save(NOTES | {"classes": "0123456789"}), "`train --output`"),
    "outputs are images": (_save(NOTES, fn.chain(fn.scale(1 / 16))), "`train --output`"),
}


@pytest.mark.parametrize(("make", "words"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_file_that_is_no_model_of_images_is_refused_by_name(
    make: Callable[[Path], object], words: str, home: Path
) -> None:
    make(home / "bad")
    for arguments in (("evaluate", "bad", "--plot", "a.png"), ("predict", "bad", "8x8.png")):
        text = refusal(home, 1, *arguments)
        assert text.startswith("error: bad"), arguments
        assert words in text, arguments


MISFITS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("predict", "good", "28x28.png"), "28x28.png: expected 8 x 8 pixels, got 28 x 28; resize the"),
    (("predict", "good", "28x28.png"), "let a drawing be fitted (predict --fit)"),
    (("predict", "good", "8x8.png", "text.png"), "text.png: expected a picture"),
    (("predict", "good", "nowhere.png"), "nowhere.png: expected a file, got none; check the path"),
    (("predict", "good", "folder"), "folder: expected a picture, got a folder"),
    (("predict", "good", "good"), "good: expected a picture"),
    (("evaluate", "good", "--dataset", "mnist"), "expected images of shape (8, 8) with pixels up to 16"),
    (("evaluate", "good", "--dataset", "mnist", "--data-dir", "nowhere"), "nowhere: expected a folder"),
)


def test_what_does_not_fit_a_good_model_is_refused(home: Path) -> None:
    for arguments, words in MISFITS:
        assert words in refusal(home, 1, *arguments, "--plot", "a.png"), arguments


def test_pictures_of_clothes_are_not_fitted_like_handwriting(home: Path) -> None:
    write_files(home / "clothes", "fashion-mnist")
    options = ("--dataset", "fashion-mnist", "--data-dir", "clothes")
    succeed(home, "train", *SMALL, *options, "--output", "fashion")
    text = refusal(home, 2, "predict", "fashion", "--fit", "8x8.png")
    assert "--fit is for handwriting, and fashion was trained on fashion-mnist" in text
