"""Write formulas as MathML when the site is built: no script, no network, and a formula with a mistake is a warning."""

from importlib.resources import as_file, files
from pathlib import Path
import re
import shutil
from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.util import logging

CONVERTER = LatexToMathML(fancy_error=False)
OPENING, CLOSING = re.compile(r"[(\[“]+$"), re.compile(r"[,.;:!?)\]”’%-]+\S*")
"""What touches a formula before and after it: opening brackets; other marks, with the letters that follow them."""
FONT = "STIXTwoMath-Regular.ttf"
FONTS = files("ziamath") / "fonts"
STYLE = f"""@font-face {{
  font-family: "STIX Two Math";
  src: local("STIX Two Math"), url("{FONT}");
}}
.joined {{ white-space: nowrap; }}
math {{ font-family: "STIX Two Math", math; font-size: 1.1em; }}
div.formula {{ overflow-x: auto; overflow-y: hidden; margin: 1em 0; padding: 0.2em 0; }}
"""


def setup(app: Any) -> dict[str, bool]:
    """Offer the renderer "mathml", and add its style and font to the site."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.add_css_file("mathml.css")
    app.connect("doctree-resolved", _join_marks)
    app.connect("build-finished", _add_style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _join_marks(app: Any, doctree: nodes.document, page: str) -> None:
    """Move punctuation that touches a formula into its node: a browser would break the line between them."""
    for node in list(doctree.findall(nodes.math)):
        place, siblings = node.parent.index(node), node.parent.children
        before, after = siblings[max(place - 1, 0)], siblings[min(place + 1, len(siblings) - 1)]
        if isinstance(before, nodes.Text) and (found := OPENING.search(before)):
            node["before"] = found[0]
            node.parent.replace(before, nodes.Text(before[: found.start()]))
        if isinstance(after, nodes.Text) and (found := CLOSING.match(after)):
            node["after"] = found[0]
            node.parent.replace(after, nodes.Text(after[found.end() :]))


def _inline(translator: Any, node: nodes.math) -> None:
    before, after = (translator.encode(node.get(side, "")) for side in ("before", "after"))
    formula = f"{before}{_mathml(node, displayed=False)}{after}"
    translator.body.append(f'<span class="joined">{formula}</span>' if before or after else formula)
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formula">{_mathml(node, displayed=True)}</div>')
    raise nodes.SkipNode


def _mathml(node: Any, *, displayed: bool) -> str:
    try:
        return str(CONVERTER.convert_with_local_state(node.astext(), displaystyle=displayed))
    except LatexError as error:
        logging.getLogger(__name__).warning("formula: %s", error, location=node)
        return ""


def _add_style(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        (static / "mathml.css").write_text(STYLE, encoding="utf-8")
        with as_file(FONTS / FONT) as font:
            shutil.copy(font, static / FONT)
