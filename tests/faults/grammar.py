"""Expressions made from bytes: a fuzzer that changes a byte gets another model instead of a typing error."""

from collections.abc import Iterator
from inspect import Parameter, signature

from fnmlp.expressions import constructors

HUGE = "0x" + "f" * 4000
"""An integer that Python refuses to write in decimal."""

LITERALS = (
    *(
        "0",
        "1",
        "2",
        "3",
        "-1",
        "10000",
        "9999999",
        "9" * 25,
        HUGE,
        f"-{HUGE}",
        "0.5",
        "1e-320",
        "1e308",
        "1e999",
        "1j",
    ),
    *("True", "None", "...", "'float32'", "'float64'", "'O'", "'tanh'", r"'\x1b[2J\n'", "'" + "x" * 500 + "'", "b'x'"),
    *("()", "(1,)", "(1.0, 0.0)", "((1, 2), 3)", "[1]", "[[1, 2], [3]]", "{1}", "{1: 2}", "2 ** 3"),
)

SHAPES = ("(3,)", "(1,)", "()", "(0,)", "(2, 3)", "(2, 2, 2)", "(16777216,)", "(1,) * 9", "[3]", "(-1,)")

KNOWN = [(name, [*signature(made).parameters.values()]) for name, made in sorted(constructors().items())]

DEEPEST = 6
"""How deep calls nest."""


def chosen(name: str) -> bytes:
    """Return the bytes that choose a constructor."""
    return bytes([1, [known for known, _ in KNOWN].index(name)])


def expression(content: bytes) -> str:
    """Make an expression from bytes, as if zeros followed them.

    >>> expression(b"\\0\\3"), expression(chosen("chain") + b"\\2"), expression(chosen("relu"))
    ('3', 'chain(0, 0)', 'relu()')
    """
    return _expression(iter(content), DEEPEST)


def description(content: bytes) -> str:
    """Make an expression, and on a second line the shape of an example."""
    return f"{expression(content[1:])}\n{SHAPES[sum(content[:1]) % len(SHAPES)]}"


def _expression(choices: Iterator[int], depth: int) -> str:
    if depth == 0 or next(choices, 0) % 2 == 0:
        return LITERALS[next(choices, 0) % len(LITERALS)]
    name, parameters = KNOWN[next(choices, 0) % len(KNOWN)]
    return f"{name}({', '.join(part for each in parameters for part in _arguments(each, choices, depth - 1))})"


def _arguments(parameter: Parameter, choices: Iterator[int], depth: int) -> Iterator[str]:
    """Yield the arguments for a parameter: up to 3 for a starred one, one or none for an option."""
    number = next(choices, 0) % 4
    if parameter.kind == Parameter.VAR_POSITIONAL:
        yield from (_expression(choices, depth) for _ in range(number))
    elif parameter.kind == Parameter.KEYWORD_ONLY:
        yield from (f"{parameter.name}={_expression(choices, depth)}" for _ in range(number % 2))
    else:
        yield _expression(choices, depth)
