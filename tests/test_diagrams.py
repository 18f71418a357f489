"""The diagrams of the pages on concepts: each is on a page, and its texts can be read."""

from itertools import combinations
from pathlib import Path

from matplotlib.transforms import Bbox
import pytest

from diagrams import DIAGRAMS, WIDTH, Diagram, draw

CONCEPTS = Path(__file__).resolve().parents[1] / "docs" / "concepts"
EACH_DIAGRAM = pytest.mark.parametrize("diagram", DIAGRAMS.values(), ids=DIAGRAMS)


def test_each_page_has_one_diagram_and_each_diagram_a_page() -> None:
    pages = [page.read_text("utf-8") for page in CONCEPTS.glob("*.md")]
    shown = [name for text in pages for name in DIAGRAMS if f"]({name}.svg)" in text]
    assert sorted(shown) == sorted(DIAGRAMS) == sorted(place.stem for place in CONCEPTS.glob("*.svg"))
    assert len(pages) == len(shown)
    assert [text.count("![") for text in pages] == [1] * len(pages)


def test_each_file_holds_the_texts_of_its_diagram() -> None:
    for name, diagram in DIAGRAMS.items():
        drawn = (CONCEPTS / f"{name}.svg").read_text("utf-8")  # each line of text stands in a comment before its glyphs
        written = [line for text in (*diagram.boxes.values(), *diagram.notes) for line in text.text.split("\n")]
        assert sorted(written) == sorted(part.partition(" -->")[0] for part in drawn.split("<!-- ")[1:]), name


@EACH_DIAGRAM
def test_no_text_of_a_diagram_touches_another_or_the_edge(diagram: Diagram) -> None:
    figure, texts = draw(diagram)
    figure.draw_without_rendering()
    patches = ((text, text.get_bbox_patch()) for text in texts)
    places = [(text.get_window_extent() if patch is None else patch.get_window_extent()) for text, patch in patches]
    for first, second in combinations(places, 2):
        assert Bbox.intersection(first, second) is None, (first, second)
    for place in places:
        assert 0 <= place.x0 < place.x1 <= WIDTH
        assert 0 <= place.y0 < place.y1 <= diagram.height
