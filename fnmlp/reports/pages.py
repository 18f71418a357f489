"""A page of a report: sections of tables, texts and figures, in one HTML file with its own style."""

from collections.abc import Iterable, Mapping
from html import escape
import os
from typing import Any

from fnmlp.checks import as_iterator, as_path, check_kind
from fnmlp.errors import DataError, ShapeError
from fnmlp.whole_files import write_whole

__all__ = ["Html", "facts", "page", "save_page", "section", "table", "verbatim"]

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2430; --faint: #5b6675; --line: #d5dbe3; --panel: #f5f7fa;
  --first: #0b62c4; --second: #b3410e; --right: 11 98 196; --wrong: 200 62 20; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12161c; --ink: #e6eaf0; --faint: #9aa6b5; --line: #333c48; --panel: #1a2028;
    --first: #6db1ff; --second: #ff9d66; --right: 70 150 255; --wrong: 255 120 60; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { margin: .5rem 0; font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 .7rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); font-size: 1.2rem; }
p { max-width: 45rem; margin: .5rem 0; overflow-wrap: anywhere; }
figure { margin: 0; }
figcaption, caption { color: var(--faint); font-size: .875rem; }
caption { padding-bottom: .4rem; text-align: left; }
pre { margin: 0; padding: .8rem; border-radius: 6px; background: var(--panel);
  font: .82rem/1.45 ui-monospace, monospace; }
pre, .wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; font-weight: normal; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 0 2.5rem; }
.facts div { display: flex; gap: 1rem; justify-content: space-between; padding: .25rem 0;
  border-bottom: 1px solid var(--line); }
.facts dt { flex: none; max-width: 60%; color: var(--faint); overflow-wrap: anywhere; }
.facts dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
dl { margin: 0; }
.numbers th, .numbers td { padding: .2rem .8rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
summary { width: fit-content; margin-top: .6rem; color: var(--faint); cursor: pointer; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.5rem; }
.charts svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--faint); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.first { --own: var(--first); } .second { --own: var(--second); }
.curve { stroke: var(--own); } .dot { fill: var(--own); }
.second .curve, .key.second { stroke-dasharray: 6 4; border-top-style: dashed; }
.key { display: inline-block; width: 1.6rem; margin: 0 .4rem .25rem 0; border-top: 2px solid var(--own); }
figcaption span + span.key { margin-left: 1.2rem; }
.confusion th, .confusion td { min-width: 2.6rem; padding: .3rem .45rem; text-align: center; }
.confusion thead th, .confusion tbody th { color: var(--faint); }
.confusion tbody th { text-align: right; }
.confusion td { border: 1px solid var(--line); background: rgb(var(--wrong) / calc(var(--share) * .6)); }
.confusion td.right { background: rgb(var(--right) / calc(var(--share) * .4)); }
@media (max-width: 32rem) {
  .confusion th, .confusion td { min-width: 1.85rem; padding: .3rem .1rem; font-size: .78rem; } }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); gap: 1rem; margin: 0;
  padding: 0; list-style: none; }
.pictures img { display: block; width: 100%; border: 1px solid var(--line); border-radius: 4px; background: #000;
  image-rendering: pixelated; }
.pictures figcaption { margin-top: .3rem; line-height: 1.3; white-space: pre-line; overflow-wrap: anywhere; }
""".strip()
"""The style of every page. Colours are variables, so that a dark screen changes them in one place."""

HEAD = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{title}}</title>
<style>
{STYLE.replace("{", "{{").replace("}", "}}")}
</style>
</head>
<body>
<main>
<header><h1>{{title}}</h1></header>
{{content}}
</main>
</body>
</html>
"""


class Html(str):
    """Text that is HTML already. Any other text is escaped where it enters a page.

    >>> section("A & B", "1 < 2", Html("<hr>")).splitlines()[1:4]
    ['<h2>A &amp; B</h2>', '<p>1 &lt; 2</p>', '<hr>']
    """

    __slots__ = ()


def escaped(value: object) -> str:
    r"""Write a value as HTML shows it; letters that no file can hold become escapes.

    >>> escaped("<b> & \udcff")
    '&lt;b&gt; &amp; \\udcff'
    """
    return escape(str(value).encode(errors="backslashreplace").decode())


def page(title: str, *contents: str) -> Html:
    """Return a whole page with a title and contents, mostly sections; text that isn't `Html` becomes a paragraph.

    Raises:   StructureError unless the title and the contents are texts.

    >>> html = page("A run", section("Result", "The accuracy is 0.98."))
    >>> html.startswith("<!doctype html>"), "<p>The accuracy is 0.98.</p>" in html
    (True, True)
    """
    check_kind("page(title)", title, str, "'A run on MNIST'")
    return Html(HEAD.format(title=escaped(title), content=_joined("page(contents)", contents)))


def section(heading: str, *contents: str) -> Html:
    """Return a part of a page under a heading of its own.

    Raises:   StructureError unless the heading and the contents are texts.

    >>> print(section("Result", "The accuracy is 0.98."))
    <section>
    <h2>Result</h2>
    <p>The accuracy is 0.98.</p>
    </section>
    """
    check_kind("section(heading)", heading, str, "'Result'")
    return Html(f"<section>\n<h2>{escaped(heading)}</h2>\n{_joined('section(contents)', contents)}\n</section>")


def _joined(where: str, contents: tuple[str, ...]) -> str:
    for content in contents:
        check_kind(where, content, str, "'The accuracy is 0.98.'")
    return "\n".join(text if isinstance(text, Html) else f"<p>{escaped(text)}</p>" for text in contents)


def facts(values: Mapping[str, Any]) -> Html:
    """Return names with their values, such as settings, in as many columns as the screen has room for.

    Raises:   StructureError for anything but a mapping.

    >>> print(facts({"rate": 0.5}))
    <dl class="facts">
    <div><dt>rate</dt><dd>0.5</dd></div>
    </dl>
    """
    check_kind("facts(values)", values, Mapping, "{'rate': 0.5}")
    rows = [f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>" for name, value in values.items()]
    return Html("\n".join(['<dl class="facts">', *rows, "</dl>"]))


def table(heads: Iterable[object], rows: Iterable[Iterable[object]], *, caption: str = "") -> Html:
    """Return a table of numbers with a line of heads. A table wider than the screen scrolls by itself.

    Raises:   ShapeError unless each row has one cell for each head.

    >>> "<td>0.5</td>" in table(["epoch", "loss"], [[1, 0.5]])
    True
    """
    check_kind("table(caption)", caption, str, "'Losses'")
    names, lines = [*as_iterator("table(heads)", heads, "texts")], []
    for row in as_iterator("table(rows)", rows, "rows"):
        cells = [*as_iterator("table(rows)", row, "cells")]
        if len(cells) != len(names):
            raise ShapeError("table(rows)", f"{len(names)} cells, one for each head", len(cells), "fill the row")
        lines.append("<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in cells) + "</tr>")
    top = "".join(f'<th scope="col">{escaped(name)}</th>' for name in names)
    told = [f"<caption>{escaped(caption)}</caption>"] if caption else []
    head, body = f"<thead><tr>{top}</tr></thead>", "\n".join(lines)
    parts = ['<div class="wide" tabindex="0">', '<table class="numbers">', *told, head, "<tbody>", body, "</tbody>"]
    return Html("\n".join([*parts, "</table>", "</div>"]))


def verbatim(text: str) -> Html:
    """Return text as it is, line by line, such as a `summary`. Lines wider than the screen scroll.

    >>> print(verbatim("a < b"))
    <pre tabindex="0">a &lt; b</pre>
    """
    check_kind("verbatim(text)", text, str, "summary(model, example)")
    return Html(f'<pre tabindex="0">{escaped(text)}</pre>')


def save_page(path: str | os.PathLike[str], html: str) -> None:
    """Write a page to a file atomically.

    Raises:   DataError if the file can't be written.
    """
    check_kind("save_page(html)", html, str, "page('A run', …)")
    place = as_path(path)
    try:
        write_whole(place, html.encode())
    except OSError as error:
        remedy = "choose a file in a folder that exists and may be written to"
        raise DataError(place, "a place for a report", error.strerror or error, remedy) from error
