"""`python -m tests.mutants` prints how many wrong layers, losses and optimisers the kit catches, and by which law."""

import sys

from tests.mutants.hunt import hunt, table

if __name__ == "__main__":
    sys.stdout.write(table(hunt()) + "\n")
