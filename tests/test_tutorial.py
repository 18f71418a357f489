"""The tutorial's pages are notebooks, each with a picture and two exercises; the site's build runs them."""

from pathlib import Path
import re

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "tutorial"
PAGES = ("neuron", "layer", "chain-rule", "fold", "digits")
CELL = re.compile(r"^```\{code-cell\}\n(?P<options>(?::[^\n]*\n)*)\n?(?P<code>.*?)\n```$", re.MULTILINE | re.DOTALL)


def text_of(page: str) -> str:
    return (FOLDER / f"{page}.md").read_text("utf-8")


def test_the_entrance_lists_the_pages_in_their_order() -> None:
    assert re.findall(r"^\| \[[^]]+\]\((\S+)\.md\)", text_of("index"), re.MULTILINE) == [*PAGES]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_a_picture_two_exercises_and_a_link_to_its_notebook(page: str) -> None:
    text = text_of(page)
    exercises = text.partition("\n## Exercises\n")[2]
    cells = [*CELL.finditer(text)]
    pictures = [cell for cell in cells if re.search(r"plt\.subplots|plots\.samples", cell["code"])]
    solutions = [cell for cell in cells if "code_prompt_show: Solution" in cell["options"]]
    assert pictures
    assert re.findall(r"^\*\*(\d)\.\*\*", exercises, re.MULTILINE) == ["1", "2"]
    assert len(solutions) == 2
    assert all("hide-cell" in cell["options"] for cell in solutions)
    assert f"<{page}.ipynb>" in text


@pytest.mark.parametrize("page", PAGES)
def test_a_page_converts_to_a_valid_notebook_of_the_same_cells(page: str) -> None:
    reading = pytest.importorskip("myst_nb.core.read", reason="myst-nb, of the extra docs, reads the pages")
    nbformat = pytest.importorskip("nbformat", reason="comes with myst-nb")
    notebook = reading.read_myst_markdown_notebook(text_of(page), path=FOLDER / f"{page}.md")
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code == [cell["code"] for cell in CELL.finditer(text_of(page))]
    assert reading.is_myst_markdown_notebook(text_of(page))
