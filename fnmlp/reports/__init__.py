"""Reports as HTML: pure functions from values to text, which you join to one page that needs no other file.

A page has no script and asks for nothing on the network. It suits a screen of any width, light or dark.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
