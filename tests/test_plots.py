"""Claims about figures: what they show, and that their files are whole."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from matplotlib.colors import to_rgb
import numpy as np
from PIL import Image
import pytest

from fnmlp import plots
from fnmlp.errors import DataError, FnmlpError, OptionError, ShapeError
from tests.sweep import each

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "test_loss": 2 / epoch, "test_accuracy": 1 - 1 / epoch}
    for epoch in (1, 2, 3)
]
NOT_TESTED = [{**entry, "test_loss": None, "test_accuracy": None} for entry in HISTORY]
MATRIX = np.array([[5, 0, 1], [2, 3, 0], [0, 0, 9]])
IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


@pytest.fixture(autouse=True, scope="module")
def _own_font_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keep matplotlib's list of fonts out of the user's folders."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        yield


def axes_of(figure: "Figure") -> list[Any]:
    return list(figure.axes)


def lines_of(axes: Any) -> dict[str, list[tuple[float, float]]]:
    return {line.get_label(): list(map(tuple, line.get_xydata().tolist())) for line in axes.lines}


def texts_of(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


# Curves.


def test_curves_go_through_every_loss_and_accuracy() -> None:
    losses, accuracies = axes_of(plots.curves(HISTORY))
    assert lines_of(losses) == {
        "train loss": [(entry["epoch"], entry["train_loss"]) for entry in HISTORY],
        "test loss": [(entry["epoch"], entry["test_loss"]) for entry in HISTORY],
    }
    assert lines_of(accuracies) == {"test accuracy": [(entry["epoch"], entry["test_accuracy"]) for entry in HISTORY]}
    assert [text.get_text() for text in losses.get_legend().get_texts()] == ["train loss", "test loss"]
    assert (losses.get_xlabel(), losses.get_ylabel(), losses.get_title()) == ("epoch", "loss", "Loss")
    assert (accuracies.get_xlabel(), accuracies.get_ylabel()) == ("epoch", "accuracy")


@each("epochs", [1, 2, 3, 15])
def test_epochs_are_marked_by_whole_numbers(epochs: int) -> None:
    figure = plots.curves([{**HISTORY[0], "epoch": epoch} for epoch in range(1, epochs + 1)])
    for axes in figure.axes:
        assert [tick for tick in axes.get_xticks() if tick % 1] == []


@each("history", [NOT_TESTED, [{"epoch": 1, "train_loss": 1.0}]])
def test_a_history_without_tests_says_that_there_were_none(history: list[dict[str, Any]]) -> None:
    losses, accuracies = plots.curves(history).axes
    assert list(lines_of(losses)) == ["train loss"]
    assert lines_of(accuracies) == {}
    assert texts_of(accuracies) == ["not evaluated"]
    assert texts_of(losses) == []
    assert accuracies.get_legend() is None


def test_epochs_that_were_not_tested_are_left_out_of_the_test_curves_alone() -> None:
    losses, accuracies = plots.curves([HISTORY[0], NOT_TESTED[1], HISTORY[2]]).axes
    assert [epoch for epoch, _ in lines_of(losses)["train loss"]] == [1, 2, 3]
    assert [epoch for epoch, _ in lines_of(losses)["test loss"]] == [1, 3]
    assert [epoch for epoch, _ in lines_of(accuracies)["test accuracy"]] == [1, 3]


# The confusion matrix.


def test_a_confusion_matrix_has_its_counts_in_their_cells_and_none_for_0() -> None:
    (axes,) = axes_of(plots.confusion(MATRIX, "abc"))
    cells = {text.get_position()[::-1]: text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "5", (0, 2): "1", (1, 0): "2", (1, 1): "3", (2, 2): "9"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


def test_a_confusion_matrix_is_shaded_by_the_share_of_its_row() -> None:
    (axes,) = axes_of(plots.confusion(MATRIX, "abc"))
    (image,) = axes.images
    assert np.allclose(image.get_array(), [[5 / 6, 0.0, 1 / 6], [2 / 5, 3 / 5, 0.0], [0.0, 0.0, 1.0]])
    assert image.get_clim() == (0, 1)


def test_a_class_that_never_comes_is_a_row_of_nothing() -> None:
    (axes,) = axes_of(plots.confusion(np.array([[4, 0], [0, 0]]), "ab"))
    assert np.array_equal(axes.images[0].get_array(), [[1, 0], [0, 0]])
    assert texts_of(axes) == ["4"]


# Grids of images.


@each(("columns", "places"), [(8, 5), (5, 5), (3, 6), (2, 6), (1, 5)])
def test_samples_show_each_image_under_its_title(columns: int, places: int) -> None:
    grid = axes_of(plots.samples(IMAGES, list("abcde"), columns=columns))
    assert len(grid) == places
    shown, rest = grid[:5], grid[5:]
    assert [axes.get_title() for axes in shown] == list("abcde")
    assert all(np.array_equal(axes.images[0].get_array(), image) for axes, image in zip(shown, IMAGES, strict=True))
    assert [len(axes.images) for axes in rest] == [0] * len(rest)
    assert not any(axes.axison for axes in grid)


def boxes(texts: Iterable[Any]) -> list[Any]:
    """Draw a figure, and return the places of its texts or legends."""
    drawn = list(texts)
    drawn[0].figure.draw_without_rendering()
    return [text.get_window_extent() for text in drawn]


def test_long_titles_stand_beside_each_other_and_within_the_picture() -> None:
    # They ran into each other, and over the edges of the picture.
    titles = [
        "photo-of-the: T-shirt/top",
        "no. 9999: no class, because its outputs are NaN",
        "IMG_20240131: Ankle boot",
    ]
    figure = plots.samples(IMAGES[:3], titles)
    found = boxes(axes.title for axes in figure.axes)
    assert [axes.get_title().split() for axes in figure.axes] == [title.split() for title in titles]
    assert found[0].x0 >= 0
    assert found[-1].x1 <= figure.bbox.x1
    assert all(left.x1 < right.x0 for left, right in pairwise(found))


def test_a_title_of_several_lines_keeps_them() -> None:
    (axes,) = axes_of(plots.samples(IMAGES[:1], ["a\n\nb"]))
    assert axes.get_title() == "a\n\nb"


# The decision boundary.

POINTS, LABELS = np.array([[-1.0, 0.0], [1.0, 1.0], [3.0, 0.5]], np.float32), np.array([0, 1, 1])


def rising(points: Any) -> Any:
    """Give class 1 a probability that rises from 0 at x₁ = -1 to 1 at x₁ = 3, in the dtype of the points."""
    second = np.clip((points[:, 0] + 1) / 4, 0, 1)
    return np.stack([1 - second, second], axis=1)


def constant(share: float) -> Callable[[Any], Any]:
    return lambda points: np.full((len(points), 2), [1 - share, share])


def markers_of(axes: Any) -> dict[str, list[tuple[float, float]]]:
    marks = [mark for mark in axes.collections if mark.get_label().startswith("class ")]
    return {mark.get_label(): list(map(tuple, mark.get_offsets().tolist())) for mark in marks}


def lines_at(axes: Any, levels: list[float]) -> list[Any]:
    """Return the lines that contours of just these levels consist of."""
    contours = [found for found in axes.collections if getattr(found, "levels", None) is not None]
    return [path.vertices for found in contours if list(found.levels) == levels for path in found.get_paths()]


def test_points_lie_on_the_probabilities_of_their_plane_each_class_with_its_own_mark() -> None:
    axes, bar = axes_of(plots.decision_boundary(rising, POINTS, LABELS, title="$x$"))
    assert markers_of(axes) == {"class 0": [(-1.0, 0.0)], "class 1": [(1.0, 1.0), (3.0, 0.5)]}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["class 0", "class 1"]
    assert (axes.get_title(), axes.title.get_parse_math(), axes.get_aspect()) == ("$x$", False, 1)
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("$x_1$", "$x_2$", "probability of class 1")
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert low < -1 < 3 < high
    assert abs((high - low) - (top - bottom)) < 1e-6


def test_the_legend_hides_no_point_of_the_plane() -> None:
    axes, _ = axes_of(plots.decision_boundary(rising, POINTS, LABELS))
    plane, legend, label = boxes([axes, axes.get_legend(), axes.xaxis.label])
    assert legend.y1 < label.y0 < plane.y0
    assert legend.y0 >= 0


def test_the_line_is_where_both_classes_are_equally_probable() -> None:
    axes, _ = axes_of(plots.decision_boundary(rising, POINTS, LABELS))
    (line,) = lines_at(axes, [0.5])
    assert np.abs(line[:, 0] - 1).max() < 1e-5
    (filled,) = [
        found for found in axes.collections if list(getattr(found, "levels", ())) == list(np.linspace(0, 1, 21))
    ]
    assert filled.filled


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_where_one_class_is_always_more_probable_there_is_no_line(share: float, tmp_path: Path) -> None:
    figure = plots.decision_boundary(constant(share), POINTS[:1], LABELS[:1])
    assert lines_at(figure.axes[0], [0.5]) == []
    plots.save_figure(tmp_path / "a.png", figure)


def test_a_model_is_asked_in_the_dtype_of_the_points() -> None:
    asked = []

    def shares(points: Any) -> Any:
        asked.append(points.dtype)
        return rising(points)

    plots.decision_boundary(shares, POINTS, LABELS)
    assert asked == [np.float32]


def test_frames_of_one_plane_stand_side_by_side_each_with_its_own_line_and_title() -> None:
    frames = {"epoch $0$": constant(0.3), "epoch 1": rising}
    first, second = axes_of(plots.decision_boundaries(frames, POINTS, LABELS))
    assert [(axes.get_title(), axes.title.get_parse_math()) for axes in (first, second)] == [
        ("epoch $0$", False),
        ("epoch 1", False),
    ]
    assert lines_at(first, [0.5]) == []
    (line,) = lines_at(second, [0.5])
    assert np.abs(line[:, 0] - 1).max() < 1e-5
    assert markers_of(first) == markers_of(second) == {"class 0": [(-1.0, 0.0)], "class 1": [(1.0, 1.0), (3.0, 0.5)]}
    left, right = boxes([first, second])
    assert left.x1 < right.x0


def test_frames_can_be_read_on_a_light_and_on_a_dark_page(tmp_path: Path) -> None:
    figure = plots.decision_boundaries({"epoch 0": rising}, POINTS, LABELS)
    plots.save_figure(tmp_path / "a.png", figure)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.getchannel("A").getpixel((1, 1)) == 0
    red, green, blue = (((share + 0.055) / 1.055) ** 2.4 for share in to_rgb(figure.axes[0].title.get_color()))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert min(1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05) > 3  # the contrast that WCAG 2 asks of titles


# Wrong arguments are refused.


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        pytest.param(lambda: plots.curves([]), DataError, "at least one epoch, got an empty history", id="no-epochs"),
        pytest.param(lambda: plots.confusion(MATRIX, "ab"), ShapeError, r"\(2, 2\), got \(3, 3\)", id="few-classes"),
        pytest.param(lambda: plots.confusion(MATRIX, "abcd"), ShapeError, r"\(4, 4\), got \(3, 3\)", id="classes"),
        pytest.param(lambda: plots.confusion(MATRIX[:2], "abc"), ShapeError, r"got \(2, 3\)", id="not-square"),
        pytest.param(lambda: plots.confusion(MATRIX[0], "abc"), ShapeError, r"got \(3,\)", id="a-row"),
        pytest.param(lambda: plots.confusion(MATRIX[:0, :0], ""), ShapeError, r"got \(0, 0\)", id="no-classes"),
        pytest.param(lambda: plots.samples(IMAGES, "abcd"), ShapeError, "and 4 titles", id="few-titles"),
        pytest.param(lambda: plots.samples(IMAGES[:0], ""), ShapeError, "and 0 titles", id="no-images"),
        pytest.param(lambda: plots.samples(IMAGES[0], "abcd"), ShapeError, r"\(4, 3\) and 4", id="one-image"),
        pytest.param(lambda: plots.samples(IMAGES, "abcde", columns=0), OptionError, "got 0", id="no-columns"),
        pytest.param(
            lambda: plots.decision_boundary(rising, POINTS[0], LABELS[:1]), ShapeError, r"got \(2,\)", id="a-point"
        ),
        pytest.param(
            lambda: plots.decision_boundary(rising, IMAGES[:, :, 0], LABELS), ShapeError, r"got \(5, 4\)", id="in-4d"
        ),
        pytest.param(
            lambda: plots.decision_boundary(rising, POINTS, LABELS[:2]), ShapeError, r"and \(2,\)", id="few-labels"
        ),
        pytest.param(
            lambda: plots.decision_boundary(rising, POINTS[:0], LABELS[:0]), DataError, "at least one", id="no-points"
        ),
        pytest.param(
            lambda: plots.decision_boundary(rising, POINTS, LABELS + 1), DataError, r"labels\[1\]", id="three-classes"
        ),
        pytest.param(
            lambda: plots.decision_boundary(lambda x: rising(x)[:, 1], POINTS, LABELS),
            ShapeError,
            r"end the model with linear\(2\)",
            id="one-share",
        ),
        pytest.param(
            lambda: plots.decision_boundary(lambda x: 9 * rising(x), POINTS, LABELS), DataError, "softmax", id="logits"
        ),
        pytest.param(lambda: plots.decision_boundary(constant(np.nan), POINTS, LABELS), DataError, "or NaN", id="nan"),
        pytest.param(lambda: plots.decision_boundaries({}, POINTS, LABELS), DataError, "one frame", id="no-frames"),
    ],
)
def test_what_does_not_fit_together_is_not_drawn(
    draw: Callable[[], "Figure"], error: type[FnmlpError], words: str
) -> None:
    with pytest.raises(error, match=words):
        draw()


# Files.


def test_a_saved_figure_is_a_whole_file_of_the_kind_that_its_ending_names(tmp_path: Path) -> None:
    for name in ("a.png", "b.PNG", "c.svg", "d.pdf"):
        plots.save_figure(tmp_path / name, plots.samples(IMAGES[:1], ["a"]))
    for name in ("a.png", "b.PNG"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
            picture.verify()
    assert (tmp_path / "c.svg").read_text().endswith("</svg>\n")
    assert (tmp_path / "d.pdf").read_bytes()[:5] == b"%PDF-"
    assert (tmp_path / "d.pdf").read_bytes().endswith(b"%%EOF\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.PNG", "c.svg", "d.pdf"]


@pytest.mark.parametrize("title", ["a_$x$.png: 7", "$\\frac$", "$", "100 % & <b>", "\\"])
def test_titles_and_classes_are_shown_as_they_are(title: str, tmp_path: Path) -> None:
    grid, matrix = plots.samples(IMAGES[:1], [title]), plots.confusion(MATRIX[:1, :1], [title])
    for figure in (grid, matrix):
        plots.save_figure(tmp_path / "a.png", figure)
    assert grid.axes[0].get_title() == title
    labels = [*matrix.axes[0].get_xticklabels(), *matrix.axes[0].get_yticklabels()]
    assert [label.get_text() for label in labels] == [title, title]
    assert not any(text.get_parse_math() for text in (grid.axes[0].title, *labels))


@each("name", ["a.txt", "a.jpg", "a", ".png", "a.png.gz"])
def test_an_ending_that_names_no_format_is_refused_and_writes_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'\.png' or '\.pdf' or '\.svg'"):
        plots.save_figure(tmp_path / name, plots.samples(IMAGES[:1], ["a"]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nowhere/a.png", "file/a.png", "folder.png", f"{'x' * 300}.png", "null.png"])
def test_a_place_that_can_not_be_written_is_refused_and_all_else_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("earlier")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "null.png").symlink_to("/dev/null")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="a place for a picture") as caught:
        plots.save_figure(tmp_path / name, plots.samples(IMAGES[:1], ["a"]))
    assert str(tmp_path / name) in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "file").read_text() == "earlier"


def test_an_earlier_picture_is_replaced_and_stays_whole_for_those_who_have_it_open(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text("earlier")
    with path.open() as reader:
        plots.save_figure(path, plots.samples(IMAGES[:1], ["a"]))
        assert reader.read() == "earlier"
    assert path.read_text().startswith("<?xml")


def run(*lines: str) -> Sequence[str]:
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_no_global_state_remembers_a_figure(tmp_path: Path) -> None:
    drawn = run(
        "import sys; from fnmlp import plots; print('matplotlib' in sys.modules)",
        f"plots.save_figure({str(tmp_path / 'a.png')!r}, plots.curves({HISTORY!r}))",
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)",
    )
    assert drawn == ["False", "True", "False"]
    assert (tmp_path / "a.png").exists()
