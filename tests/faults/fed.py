"""`python -m tests.faults.fed DOOR FOLDER [option of libFuzzer ...]` feeds one reader inputs from atheris."""

from pathlib import Path
import sys


def main(name: str, folder: str, *options: str) -> None:
    """Feed the door of this name for ever."""
    import atheris

    with atheris.instrument_imports(include=["fnmlp", "safetensors"]):
        from tests.faults.doors import doors, feed

    door = doors()[name]

    def enter(content: bytes) -> None:  # without an answer, which libFuzzer would take for advice
        feed(door, Path(folder), content)

    atheris.Setup([sys.argv[0], *options], enter)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
