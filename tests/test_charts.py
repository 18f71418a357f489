"""The charts of the pages: each shows the numbers of its table, and its texts can be read."""

from collections.abc import Iterator
from itertools import combinations
import json
from pathlib import Path
from xml.etree import ElementTree as ET

from click.testing import CliRunner
from matplotlib.transforms import Bbox
import pytest

from charts import CHARTS, WIDTH, main, number

DOCS = Path(__file__).resolve().parents[1] / "docs"
EACH_CHART = pytest.mark.parametrize("name", CHARTS)
SVG, DUBLIN_CORE = "{http://www.w3.org/2000/svg}", "{http://purl.org/dc/elements/1.1/}"


def texts_in(folder: Path) -> dict[str, list[str]]:
    """Return the texts of each picture of a folder: those that are seen, and the numbers that it was drawn from."""
    return {place.stem: sorted(_texts(place)) for place in folder.glob("*.svg")}


def _texts(place: Path) -> Iterator[str]:
    root = ET.fromstring(place.read_text("utf-8"))  # noqa: S314 (our own)
    for kind in (f"{SVG}text", f"{DUBLIN_CORE}description"):
        yield from (node.text or "" for node in root.iter(kind))


def test_the_program_draws_what_the_pages_show(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, [str(tmp_path)], catch_exceptions=False).exit_code == 0
    drawn, shown = texts_in(tmp_path), texts_in(DOCS / "charts")
    assert drawn.keys() == shown.keys() == CHARTS.keys()
    assert drawn == shown, "draw them again: python examples/charts.py docs/charts"


@EACH_CHART
def test_a_chart_is_small_and_shows_all_its_names(name: str) -> None:
    place = DOCS / "charts" / f"{name}.svg"
    assert place.stat().st_size < 60_000
    numbers = CHARTS[name].numbers()
    texts = [*_texts(place)]
    assert json.dumps(numbers, ensure_ascii=False) in texts
    assert {*numbers, *(name for row in numbers.values() for name in row)} <= {*texts}


@EACH_CHART
def test_no_text_of_a_chart_touches_another_or_the_edge(name: str) -> None:
    chart = CHARTS[name]
    figure = chart.draw(chart.numbers())
    figure.draw_without_rendering()
    (axes,) = figure.axes
    places = [text.get_window_extent() for text in axes.texts]
    for first, second in combinations(places, 2):
        assert Bbox.intersection(first, second) is None, (first, second)
    for place in places:
        assert 0 <= place.x0 < place.x1 <= WIDTH
        assert 0 <= place.y0 < place.y1 <= figure.bbox.height


@EACH_CHART
def test_each_chart_is_on_a_page(name: str) -> None:
    pages = [*DOCS.parent.glob("*.md"), *DOCS.glob("*.md")]
    assert any(f"charts/{name}.svg" in page.read_text("utf-8") for page in pages)


def test_a_cell_without_a_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="no number in the cell 'none'"):
        number("none")
