"""`python -m tests.mutants` prints how many wrong layers, losses and optimisers each law of the kit catches.

The exit status is 1 if the kit misses one.
"""

import sys

from tests.mutants.hunt import hunt, table

if __name__ == "__main__":
    verdicts = list(hunt())
    sys.stdout.write(table(verdicts) + "\n")
    sys.exit(any(verdict.law is None for verdict in verdicts))
