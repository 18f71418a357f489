"""Claims about reports: what a page says, that text stays text, and what a browser shows of it."""

from html.parser import HTMLParser
from io import BytesIO
from math import inf, nan
from pathlib import Path
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

import fnmlp as fn
from fnmlp import reports
from fnmlp.errors import DataError, ShapeError
from tests.browser import complaints, seen_in_browser

HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "test_loss": 2 / epoch, "test_accuracy": 1 - 1 / epoch}
    for epoch in (1, 2, 3)
]
HOSTILE = "<script>alert('\"&amp;')</script>\udcff"
VOID = {"meta", "img"}


class Outline(HTMLParser):
    """Reads a page strictly: every element is closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and its attributes."""
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)


def full_page(text: str) -> str:
    """Return a page with everything on it, and a text in every place."""
    classes = [text, "1", "2"]
    return reports.page(
        text,
        text,
        reports.section("Curves", reports.curves(HISTORY)),
        reports.section("Matrix", reports.confusion(np.array([[9, 1, 0], [0, 9, 1], [5, 0, 5]]), classes)),
        reports.section("Mistakes", reports.samples(np.eye(8)[None], [text])),
        reports.section(text, reports.facts({text: text, "long": "f" * 300}), reports.verbatim(text + 300 * "-")),
        reports.section("Table", reports.table([text, *range(40)], [[text, *range(40)]], caption=text)),
    )


def test_text_stays_text_wherever_it_stands() -> None:
    outline = Outline(full_page(HOSTILE))
    shown = HOSTILE.encode(errors="backslashreplace").decode()
    assert sum(shown in text for text in outline.texts) >= 12
    assert "script" not in {tag for tag, _ in outline.found}
    assert shown in [attributes.get("alt") for _, attributes in outline.found]
    full_page(HOSTILE).encode()


def test_a_page_needs_no_other_file() -> None:
    page = full_page("text")
    assert "http" not in page.replace("http-equiv", "")
    places = [
        attributes[name] for _, attributes in Outline(page).found for name in ("src", "href") if name in attributes
    ]
    assert places
    assert all(place.startswith("data:image/png;base64,") for place in places if place is not None)


def test_curves_go_through_every_number_and_their_table_holds_them() -> None:
    outline = Outline(reports.curves(HISTORY))
    lines = [dict(attributes)["points"] for tag, attributes in outline.found if tag == "polyline"]
    points = [[tuple(map(float, pair.split(","))) for pair in (line or "").split()] for line in lines]
    assert [len(line) for line in points] == [3, 3, 3]
    for line, sign in zip(points, (1, 1, -1), strict=True):  # y points down
        assert line == sorted(line)
        assert [y for _, y in line] == sorted((y for _, y in line), reverse=sign < 0)
    assert all(52 <= x <= 348 and 12 <= y <= 196 for line in points for x, y in line)
    assert "0.33333" in outline.texts
    assert "epoch 3: test accuracy 0.66667" in outline.texts


STRANGE = [
    [0.5],
    [0.5, 0.5],
    [0.0, 0.0],
    [1e20, 1e20],
    [1e300, -1e300],
    [1e301, 1.0],
    [1e-320, 3e-320],
    [nan, inf, 1.0],
]


@pytest.mark.parametrize("values", STRANGE)
def test_curves_of_any_numbers_stay_in_their_frame(values: list[float]) -> None:
    html = reports.curves([{"epoch": 1 + at, "train_loss": value} for at, value in enumerate(values)])
    [line] = re.findall('polyline class="curve" points="([^"]*)"', html)
    points = [tuple(map(float, pair.split(","))) for pair in line.split()]
    assert len(points) == sum(abs(value) <= 1e300 for value in values)
    assert all(52 <= x <= 348 and 12 <= y <= 196 for x, y in points)


def test_curves_of_many_epochs_have_a_dot_at_their_end_alone() -> None:
    html = reports.curves([{"epoch": epoch, "train_loss": 1 / epoch} for epoch in range(1, 1001)])
    assert html.count("<circle") == 1
    assert html.count('text-anchor="middle"') < 12


def test_what_was_not_evaluated_is_said() -> None:
    html = reports.curves([{"epoch": 1, "train_loss": 0.5, "test_loss": None, "test_accuracy": None}])
    assert "Accuracy: not evaluated" in html
    assert "test loss" not in html
    assert "Loss: not evaluated" in reports.curves([{"epoch": 1}])


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
def test_an_image_has_its_pixels(dtype: str) -> None:
    levels = np.arange(0, 255, 15).reshape(1, 17).repeat(3, axis=0)
    with Image.open(BytesIO(reports.png(levels.astype(dtype)))) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), np.rint(levels * (255 / 240)))


@pytest.mark.parametrize(
    ("image", "levels"),
    [
        (np.full((2, 2), 7.0), [[0, 0], [0, 0]]),
        (np.array([[nan, 1.0], [2.0, inf]]), [[0, 0], [255, 0]]),
        (np.array([[-1.7e308, 1.7e308]]), [[0, 255]]),
        (np.array([[nan]]), [[0]]),
    ],
)
def test_an_image_of_strange_numbers_is_an_image(image: Any, levels: list[list[int]]) -> None:
    with Image.open(BytesIO(reports.png(image))) as found:
        assert np.asarray(found).tolist() == levels


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_the_worst_mistakes_are_the_most_certain_ones(seed: int, most: int) -> None:
    draws = fn.generator(fn.Key(seed))
    outputs, labels = draws.integers(0, 4, (12, 3)) / 4, draws.integers(0, 3, 12)
    outputs[0, 1] = nan
    rows = reports.worst_mistakes(outputs, labels, most=most).tolist()
    wrong = [row for row in range(1, 12) if outputs[row].argmax() != labels[row]]
    assert rows == sorted(wrong, key=lambda row: (-outputs[row].max(), row))[:most]


def test_wrong_values_are_refused_in_one_line(tmp_path: Path) -> None:
    for wrong, error, words in (
        (lambda: reports.curves([]), DataError, "at least one epoch"),
        (lambda: reports.png(np.zeros(3)), ShapeError, "height, width"),
        (lambda: reports.worst_mistakes(np.eye(2), np.zeros(3, int)), ShapeError, "labels"),
        (lambda: reports.table(["a"], [[1, 2]]), ShapeError, "1 cells, one for each head, got 2"),
        (lambda: reports.save_page(tmp_path / "no" / "a.html", "text"), DataError, "No such file"),
    ):
        with pytest.raises(error, match=words):
            wrong()


def test_a_browser_shows_all_of_a_page_in_the_dark_on_a_phone_and_on_a_desk(tmp_path: Path) -> None:
    seen = seen_in_browser(full_page("A text, <b>as it is</b>"), tmp_path, dark=True)
    headings = ["A text, <b>as it is</b>", "Curves", "Matrix", "Mistakes", "A text, <b>as it is</b>", "Table"]
    for shown in seen.values():
        assert shown["headings"] == headings
        assert [(name, size) for name, size, _ in shown["pictures"]] == [(headings[0], 8)]
        assert sum(shown["ground"]) < 100
    assert complaints(seen) == []
