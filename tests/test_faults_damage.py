"""A short run of the laboratory's damage to files; `python -m tests.faults damage` and `fuzz` are the long ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
import pytest

from fnmlp.errors import CheckpointError
from tests.faults.damage import harm_file, harms
from tests.faults.doors import doors, feed
from tests.faults.fuzz import feed_reader
from tests.faults.processes import new_folder
from tests.faults.sound import Sound, small_files

FILES = small_files()
DOORS = doors()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.name} of {len(file.content)} bytes")
def test_a_file_cut_anywhere_or_with_any_bit_flipped_is_never_read_as_another(file: Sound) -> None:
    report = harm_file(file)
    assert report.harms == 1 + 9 * len(file.content)
    assert (report.silent, report.foreign, report.greedy) == (0, 0, 0)
    if file.name.endswith(".gz"):
        # All but the file itself: the text flag, the time, the level and the system (RFC 1952, section 2.3), and
        # what fills the last byte of the deflated data.
        assert 1 + 49 <= report.unchanged < 1 + 49 + 8
    else:
        assert report.unchanged == 1
    # A raw file is all that its bytes say; a flipped bit of a size is noticed, as the length is another.
    assert (report.described > 0) == file.name.endswith(".idx")


def _ignoring(path: Path) -> tuple[bytes]:
    return (path.read_bytes()[:-1],)


def _raising(path: Path) -> tuple[int]:
    return (1 // (path.read_bytes() == b"abc"),)


def _hoarding(path: Path) -> tuple[int]:
    return (len(bytes(2**20)) - len(path.read_bytes()),)


@pytest.mark.parametrize(
    ("read", "broken"),
    [(_ignoring, "silent"), (_raising, "foreign"), (_hoarding, "greedy")],
    ids=["ignoring", "raising", "hoarding"],
)
def test_readers_that_do_not_keep_the_promises_are_seen(read: Callable[[Path], Any], broken: str) -> None:
    file = Sound("file", b"abc", 3, read, CheckpointError, lambda _: None)
    assert getattr(harm_file(file), broken) > 0


def test_every_cut_and_every_flipped_bit_is_tried_once() -> None:
    tried = list(harms(b"abc"))
    assert len(set(tried)) == len(tried) == 1 + 3 + 24


@pytest.mark.parametrize("name", DOORS)
def test_a_door_lets_in_the_first_input_that_the_fuzzer_begins_with(name: str, tmp_path: Path) -> None:
    assert feed(DOORS[name], tmp_path, DOORS[name].seeds[0])


@pytest.mark.parametrize("name", DOORS)
@given(data=st.data())
def test_what_anyone_makes_of_such_inputs_is_read_as_it_is_or_refused_in_one_line(
    name: str, data: st.DataObject
) -> None:
    door = DOORS[name]
    content = data.draw(st.sampled_from(door.seeds))
    for _ in range(data.draw(st.integers(1, 4))):
        first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        content = content[:first] + data.draw(st.binary(max_size=6)) + content[last:]
    with new_folder() as folder:
        feed(door, folder, content)


def test_a_reader_that_raises_another_error_is_seen(tmp_path: Path) -> None:
    door = evolve(DOORS["idx"], read=_raising)
    with pytest.raises(ZeroDivisionError):
        feed(door, tmp_path, b"")


def test_atheris_finds_nothing_in_a_short_while() -> None:
    pytest.importorskip("atheris")
    report = feed_reader("gzip-crc", DOORS["gzip-crc"], runs=2_000)
    assert (report.inputs, report.fault) == (2_000, "")


def test_a_fuzzer_that_ends_too_early_is_seen() -> None:
    report = feed_reader("no such door", DOORS["idx"], runs=10)
    assert (report.inputs, report.fault != "") == (0, True)
