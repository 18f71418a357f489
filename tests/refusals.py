"""How bad input is refused: by one error of ours, in one line that names the place."""

from collections.abc import Callable

import pytest

from fnmlp.errors import FnmlpError, one_line


def refusal(use: Callable[[], object], kind: type[FnmlpError], *places: object) -> str:
    """Claim that a call raises an error of this kind in one line that names these places, and return the line."""
    with pytest.raises(kind) as caught:
        use()
    assert "\n" not in str(caught.value)
    line = one_line(caught.value)
    assert all(str(place) in line for place in places), line
    return line
