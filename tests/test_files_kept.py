"""Every writer keeps links and permissions, and refuses read-only files."""

from collections.abc import Callable
import errno
import os
from pathlib import Path
import stat

import click
import numpy as np
import pytest

from command_line import new_file
import fnmlp as fn
from fnmlp.data import write_idx
from fnmlp.errors import FnmlpError
from fnmlp.whole_files import followed, write_whole
from run_reports import write_history

PARAMS = fn.linear(2).init(fn.Key(0), (3,))[0]


def _draw(path: Path) -> None:
    from fnmlp import plots

    pytest.importorskip("matplotlib")
    plots.save_figure(path, plots.samples(np.zeros((1, 2, 2)), ["a"]))


WRITERS: dict[str, Callable[[Path], object]] = {
    "save": lambda path: fn.save(path, PARAMS, {}),
    "save_model": lambda path: fn.save_model(path, fn.linear(2), PARAMS, example=(3,)),
    "checkpoints": lambda path: list(fn.checkpoints([1, 2, 3], path, steps=1)),
    "checkpoints(keep=2)": lambda path: list(fn.checkpoints([1, 2, 3], path, steps=1, keep=2)),
    "best_checkpoint": lambda path: list(fn.best_checkpoint([(1, 1.0), (2, 2.0)], path)),
    "write_idx": lambda path: write_idx(path, np.zeros(3, np.uint8)),
    "save_figure": _draw,
    "the trainer's history": lambda path: write_history(path, [{"epoch": 1}]),
}
by_writer = pytest.mark.parametrize("writer", WRITERS)


def ending(writer: str) -> str:
    return ".png" if writer == "save_figure" else ""


@by_writer
def test_the_target_of_a_link_is_replaced_and_the_link_stays(writer: str, tmp_path: Path) -> None:
    # The link was once replaced by the file, and its target was stale from then on.
    (tmp_path / "away").mkdir()
    target, link = tmp_path / "away" / f"target{ending(writer)}", tmp_path / f"link{ending(writer)}"
    WRITERS[writer](target)
    whole, old = target.read_bytes(), b"old"
    for before in (old, None):
        link.unlink(missing_ok=True)
        (tmp_path / "away" / "target.1").unlink(missing_ok=True)
        link.symlink_to(Path("away") / target.name)
        target.unlink() if before is None else target.write_bytes(before)
        WRITERS[writer](link)
        assert os.readlink(link) == f"away/{target.name}"
        assert target.stat().st_size == len(whole)
    assert os.listdir(tmp_path) == ["away", link.name] or os.listdir(tmp_path) == [link.name, "away"]


@by_writer
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_file_keeps_its_permissions(writer: str, mode: int, tmp_path: Path) -> None:
    # A file that was its owner's alone was once opened to all by the next save.
    path = tmp_path / f"file{ending(writer)}"
    path.write_bytes(b"old")
    path.chmod(mode)
    WRITERS[writer](path)
    assert path.read_bytes() != b"old"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@by_writer
@pytest.mark.parametrize("through_link", [False, True], ids=["itself", "through a link"])
def test_a_read_only_file_is_refused_and_stays(writer: str, through_link: bool, tmp_path: Path) -> None:
    path = target = tmp_path / f"file{ending(writer)}"
    target.write_bytes(b"old")
    target.chmod(0o444)
    if through_link:
        path = tmp_path / f"link{ending(writer)}"
        path.symlink_to(target)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(FnmlpError, match=r"got a read-only file \(chmod u\+w frees it\)") as caught:
        WRITERS[writer](path)
    assert str(caught.value).startswith(str(path))
    assert target.read_bytes() == b"old"
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert [name for name in sorted(os.listdir(tmp_path)) if not name.endswith(".1")] == before


def test_earlier_states_stand_beside_the_file_that_a_link_leads_to(tmp_path: Path) -> None:
    # A hard link of a symbolic one leads to the newest file too: the earlier states were once lost.
    (tmp_path / "away").mkdir()
    link = tmp_path / "link"
    link.symlink_to("away/state")
    list(fn.checkpoints([0, 1, 2, 3, 4], link, steps=1, keep=3))
    places = (link, *(tmp_path / "away" / name for name in ("state", "state.1", "state.2")))
    assert [fn.resume(place, 0) for place in places] == [4, 4, 3, 2]
    assert sorted(os.listdir(tmp_path)) == ["away", "link"]
    assert sorted(os.listdir(tmp_path / "away")) == ["state", "state.1", "state.2"]


def test_links_are_followed_one_after_another_and_from_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "first").symlink_to("a/second")
    (tmp_path / "a" / "second").symlink_to("b/third")
    (tmp_path / "a" / "b" / "third").symlink_to(tmp_path / "file")
    monkeypatch.chdir(tmp_path / "a")
    write_whole("second", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert followed(tmp_path / "first") == str(tmp_path / "file")
    assert all(link.is_symlink() for link in (tmp_path / "first", tmp_path / "a" / "second"))


def test_a_name_through_a_linked_folder_is_of_the_folder_that_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The temporary file was once made in the folder that the text of the name spells: another one.
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    seen: list[list[str]] = []
    sync = os.fsync

    def look(handle: int) -> None:
        seen.append(os.listdir(tmp_path / "a"))
        sync(handle)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(tmp_path / "link" / ".." / "file", b"content")
    assert (tmp_path / "a" / "file").read_bytes() == b"content"
    assert len(seen[0]) == 2
    assert sorted(os.listdir(tmp_path)) == ["a", "link"]


def test_links_in_a_circle_are_an_error_and_stay(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for look in (followed, lambda path: write_whole(path, b"content")):
        with pytest.raises(OSError, match="symbolic links"):
            look(tmp_path / "a")
    with pytest.raises(FnmlpError, match="symbolic links"):
        list(fn.checkpoints([1, 2], tmp_path / "a", steps=1, keep=2))
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_what_a_link_leads_to_must_be_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with pytest.raises(OSError, match="not a regular file"):
        write_whole(tmp_path / "link", b"content")
    assert (tmp_path / "pipe").is_fifo()


def test_the_content_of_a_private_file_is_private_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "file", []
    path.touch(0o600)
    sync = os.fsync

    def look(handle: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        sync(handle)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(path, b"content")
    assert seen[0] == 0o600


def test_a_program_refuses_before_its_work_what_it_could_not_write_after_it(tmp_path: Path) -> None:
    command, option = click.Context(click.Command("train")), click.Option(["--output"])
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "old").chmod(0o444)
    (tmp_path / "link").symlink_to("missing/file")
    for name, words in (("old", "a read-only file"), ("link", "missing does not exist")):
        with pytest.raises(click.BadParameter, match=words):
            new_file(command, option, tmp_path / name)
    (tmp_path / "missing").mkdir()
    assert new_file(command, option, tmp_path / "link") == tmp_path / "link"


def test_a_link_that_can_not_be_read_is_an_error_and_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Taken for no link, it would be replaced by the file.
    def fail(_: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with monkeypatch.context() as patched:
        patched.setattr(os, "readlink", fail)
        with pytest.raises(OSError, match="Input/output error"):
            write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"old"
