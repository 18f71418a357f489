"""Scripts that import each other by their bare names, run as files or as modules (`python -m examples.mnist`)."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent))
