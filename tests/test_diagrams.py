"""The diagrams of the pages on concepts: each is on a page, and its texts can be read."""

from itertools import combinations
from pathlib import Path

from click.testing import CliRunner
from matplotlib.transforms import Bbox
import pytest

from diagrams import DIAGRAMS, WIDTH, Box, Diagram, Note, draw, main

CONCEPTS = Path(__file__).resolve().parents[1] / "docs" / "concepts"
EACH_DIAGRAM = pytest.mark.parametrize("diagram", DIAGRAMS.values(), ids=DIAGRAMS)


def test_each_page_has_one_diagram_and_each_diagram_a_page() -> None:
    pages = [page.read_text("utf-8") for page in CONCEPTS.glob("*.md")]
    shown = [name for text in pages for name in DIAGRAMS if f"]({name}.svg)" in text]
    assert sorted(shown) == sorted(DIAGRAMS) == sorted(place.stem for place in CONCEPTS.glob("*.svg"))
    assert len(pages) == len(shown)
    assert [text.count("![") for text in pages] == [1] * len(pages)


def lines_of(diagram: Diagram) -> list[str]:
    parts: list[Box | Note] = [*diagram.boxes.values(), *diagram.notes]
    return sorted(line for part in parts for line in part.text.split("\n"))


def lines_in(folder: Path) -> dict[str, list[str]]:
    """Each line of text stands in a comment before its glyphs."""
    drawn = {place.stem: place.read_text("utf-8").split("<!-- ")[1:] for place in folder.glob("*.svg")}
    return {name: sorted(part.partition(" -->")[0] for part in parts) for name, parts in drawn.items()}


def test_the_program_draws_what_the_pages_show(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, [str(tmp_path)], catch_exceptions=False).exit_code == 0
    assert lines_in(tmp_path) == lines_in(CONCEPTS) == {name: lines_of(diagram) for name, diagram in DIAGRAMS.items()}


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
