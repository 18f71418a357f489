"""Measure the sentences of the pages: `python docs/prose.py`, which prints the longest.

It ends with status 1 if a sentence has more than 40 words, or if a page's sentences have more than 20 on average.
"""

from collections.abc import Iterator
from pathlib import Path
import re
from statistics import mean
import sys

from attrs import frozen
import click
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

ROOT = Path(__file__).resolve().parents[1]
LONGEST, AVERAGE, SHOWN = 40, 20, 10
PARSER = (
    MarkdownIt("commonmark").enable("table").use(colon_fence_plugin).use(dollarmath_plugin).use(front_matter_plugin)
)
HOLDS_TEXT = ("dropdown", "note", "tip", "warning", "admonition", "grid", "card", "tab")
END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(`]*[A-Z0-9`])")
WORD = re.compile(r"[^\s]*\w[^\s]*")


@frozen
class Sentence:
    """A sentence, and the page that has it."""

    page: Path
    text: str

    @property
    def words(self) -> int:
        """The number of words; code and a formula count as one each."""
        return len(WORD.findall(self.text))


def pages() -> list[Path]:
    """Return the pages that people write: those of docs/, the README and CONTRIBUTING."""
    built = ROOT / "docs" / "reference"
    found = [page for page in sorted((ROOT / "docs").rglob("*.md")) if built not in page.parents]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *found]


def sentences(text: str) -> Iterator[str]:
    r"""Yield the sentences of a page's paragraphs and lists; headings, tables and code have none.

    >>> list(sentences("# A\n\nOne `x = 1. Y` here. Two.\n\n- Three\n\n```\ncode. Code.\n```\n"))
    ['One X here.', 'Two.', 'Three']
    """
    tokens = PARSER.parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline" and before is not None and before.type == "paragraph_open":
            yield from END.split(" ".join(_prose(token).split()))
        elif token.type in ("colon_fence", "fence") and any(
            f"{{{kind}" in token.info or f"-{kind}" in token.info for kind in HOLDS_TEXT
        ):
            yield from sentences(token.content)


def _prose(token: Token) -> str:
    """Return the text of a paragraph, with `X` for each piece of code or formula, and without pictures."""
    return "".join(
        "X" if part.type in ("code_inline", "math_inline") else " " if part.type.endswith("break") else part.content
        for part in token.children or ()
        if part.type not in ("image", "html_inline")
    )


def measured() -> dict[Path, list[Sentence]]:
    """Return the sentences of each page that has some."""
    found = {page: [Sentence(page, text) for text in sentences(page.read_text("utf-8")) if text] for page in pages()}
    return {page: said for page, said in found.items() if said}


def main() -> int:
    """Print the longest sentences and the average of each page; return 1 if one is too long."""
    by_page = measured()
    everything = sorted((one for said in by_page.values() for one in said), key=lambda one: -one.words)
    long = [one for one in everything if one.words > LONGEST]
    for one in everything[: max(SHOWN, len(long))]:
        click.echo(f"{one.words:3} words  {one.page.relative_to(ROOT)}: {one.text[:100]}")
    averages = {page: mean(one.words for one in said) for page, said in by_page.items()}
    heavy = {page: average for page, average in averages.items() if average > AVERAGE}
    for page, average in heavy.items():
        click.echo(f"{average:.1f} words on average  {page.relative_to(ROOT)}")
    click.echo(
        f"{len(everything)} sentences of {mean(one.words for one in everything):.1f} words on {len(by_page)} pages"
    )
    return int(bool(long or heavy))


if __name__ == "__main__":
    sys.exit(main())
