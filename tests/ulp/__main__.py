"""`python -m tests.ulp [STRIDE]` prints the worst errors of all activations over every STRIDE-th float32."""

import sys

from fnmlp.expressions import build
from tests.ulp.measure import worst
from tests.ulp.references import REFERENCES


def main(stride: int) -> None:
    """Print a table in Markdown with a row for each activation."""
    sys.stdout.write("| activation | ULP | at | ULP of the derivative | at |\n| --- | --- | --- | --- | --- |\n")
    for text, reference in REFERENCES.items():
        value, slope = worst(build(text), reference, stride=stride)
        row = f"| `{text}` | {value.ulp:.2f} | {value.x:.8g} | {slope.ulp:.2f} | {slope.x:.8g} |\n"
        sys.stdout.write(row)
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
