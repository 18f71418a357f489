"""Check that every link of the built site leads to a page, and to a place on it: `python docs/links.py build/site`."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
import sys
from urllib.parse import unquote, urlsplit

import click

LEADS = ("href", "src")
MADE_BY_SPHINX = ("_modules", "genindex.html", "search.html", "py-modindex.html")
"""Pages whose links nobody wrote."""


class Page(HTMLParser):
    """The links of a page, and the places on it that a link may name."""

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 (HTMLParser's)
        """Take down what an element leads to, and its own names."""
        for name, value in attrs:
            if name in LEADS and value:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def broken(site: Path) -> Iterator[str]:
    """Yield each link within a site that leads nowhere, with its page."""
    pages = {page.resolve(): Page(page.read_text("utf-8")) for page in site.rglob("*.html")}
    for page, read in pages.items():
        if page.relative_to(site.resolve()).parts[0] in MADE_BY_SPHINX:
            continue
        for link in sorted(read.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            goal = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not goal.exists():
                yield f"{page.relative_to(site.resolve())}: {link} leads to no file"
            elif goal in pages and unquote(parts.fragment) not in pages[goal].places:
                yield f"{page.relative_to(site.resolve())}: {link} leads to no place on its page"


@click.command()
@click.argument("site", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(site: Path) -> None:
    """Print the links of a built SITE that lead nowhere; the status is 1 if there are some."""
    found = [*broken(site)]
    click.echo("\n".join([*found, f"{len(found)} broken links"]))
    sys.exit(bool(found))


if __name__ == "__main__":
    main(prog_name="python docs/links.py")
