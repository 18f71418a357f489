"""The site: `sphinx-build -W -n docs build/site`."""

import os
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).parent))

from reference import is_foreign, with_fields, without_last_lines, without_outside, write_pages

import fnmlp

project = "fnmlp"
author = "The fnmlp authors"
copyright = author  # noqa: A001 (Sphinx's own name)
version = release = fnmlp.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "mathml",  # docs/mathml.py: formulas without MathJax, which needs the network
    "sphinx_copybutton",
    "sphinx_design",
]
smartquotes = False  # a quote in an option is code
myst_enable_extensions = ["colon_fence", "dollarmath", "attrs_block"]
html_math_renderer = "mathml"
myst_heading_anchors = 4
default_role = "code"
exclude_patterns = ["build"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the pages' networks are small; more threads only wait
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

if tags.has("online"):  # noqa: F821 (Sphinx gives it)
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "jax": ("https://docs.jax.dev/en/latest", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

html_theme = "furo"
html_title = "fnmlp"
html_static_path = ["_static"]
html_css_files = ["site.css"]

write_pages(Path(__file__).parent / "reference")


def setup(app: object) -> None:
    """Prepare pages and docstrings for Sphinx."""
    app.connect("source-read", without_outside)  # type: ignore[attr-defined]
    app.connect("source-read", without_last_lines)  # type: ignore[attr-defined]
    app.connect("autodoc-skip-member", is_foreign)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", with_fields)  # type: ignore[attr-defined]
