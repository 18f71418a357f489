"""What faults are done to: one save over earlier ones, or a whole run of the trainer; and the judgement of each."""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from functools import partial
import json
import os
from pathlib import Path
import signal
import sys
from typing import Any, TypeAlias

from attrs import astuple, frozen
import numpy as np

import fnmlp as fn
from fnmlp.storage import runs as saving
from tests.faults.forks import Act, End, forked
from tests.faults.processes import FILES, RUN, new_folder, repeatable

Contents: TypeAlias = Mapping[str, Any]


@frozen
class Scene:
    """What is done in a folder, and what it must come to.

    `prepare`  puts there what stood there before.
    `act`      saves, or goes on from what was saved; it says why it can't in a line, and then its status is 1 or 2.
    `names`    the files that may stand there: all others are strays.
    `read`     reads what no fault may change of a file; it raises where the file is no whole one.
    `end`      what is read of each file in the end.
    `intact`   tells from what is read of each file whether nothing is lost, in the middle too.
    """

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    names: tuple[str, ...]
    read: Callable[[Path], Any]
    end: Contents
    intact: Callable[[Contents], bool]


@frozen
class Report:
    """What faults came to; all but the first four must be 0.

    `trials`       faults that were tried.
    `killed`       processes that a signal ended.
    `reported`     processes that said what went wrong in one line, with a status that is not 0.
    `harmless`     processes with status 0, after which each file is whole and new.
    `missed`       faults that did not come about.
    `damaged`      trials after which a file was not a whole one, old or new, or was gone.
    `strays`       trials that left too many temporary files: two by a process that was killed, or one by another.
    `claimed`      processes with status 0 where a file is not new, or where the fault was one that must be told;
                   and those that said that something is saved which was not.
    `unexplained`  processes that ended in another way: with a traceback, or never.
    `different`    scenes that went on without a fault, and did not come to the same end.
    """

    trials: int = 0
    killed: int = 0
    reported: int = 0
    harmless: int = 0
    missed: int = 0
    damaged: int = 0
    strays: int = 0
    claimed: int = 0
    unexplained: int = 0
    different: int = 0

    def broken(self) -> int:
        """Count what must be 0."""
        return sum(astuple(self)[4:])


def total(reports: list[Report]) -> Report:
    """Add up reports."""
    return Report(*map(sum, zip(*map(astuple, reports), strict=True)))


def trial(
    scene: Scene,
    harm: Callable[[Act], End],
    *,
    vital: bool = False,
    reached: str = "",
    standing: Collection[str] = (),
) -> Report:
    """Do a scene with a fault, look at what it left, and do it again without.

    `vital` says that a status of 0 is wrong, because the fault is at a call that makes the file durable: nothing
    that is seen of the file now shows whether it will survive a power cut.
    `reached` is what a trace shows if the fault came about.
    `standing` are the files that were there before the fault.
    """
    with new_folder() as folder:
        scene.prepare(folder)
        end = harm(partial(scene.act, folder))
        killed, done = end.status == -signal.SIGKILL, end.status == 0
        told = end.status in (1, 2) and end.err.startswith("error: ") and len(end.err.splitlines()) == 1
        found, strays = _contents(scene, folder), _strays(scene, folder)
        new = found == scene.end
        again = forked(partial(scene.act, folder))
        same = again.status == 0 and _contents(scene, folder) == scene.end and _strays(scene, folder) == 0
    return Report(
        trials=1,
        killed=killed,
        reported=told,
        harmless=done,
        missed=reached not in end.trace,
        damaged=None in found.values() or not scene.intact(found) or not set(standing) <= set(found),
        strays=strays > killed,
        claimed=(done and (vital or not new)) or (not done and not new and "saved to" in end.out),
        unexplained=not (killed or told or (done and not end.err)),
        different=not same,
    )


def _strays(scene: Scene, folder: Path) -> int:
    return len(set(os.listdir(folder)) - set(scene.names))


def _contents(scene: Scene, folder: Path) -> Contents:
    return {name: _read(scene, folder / name) for name in scene.names if (folder / name).exists()}


def _read(scene: Scene, path: Path) -> Any:
    """Read a file; None where it is no whole one."""
    try:
        return scene.read(path)
    except (OSError, ValueError, fn.FnmlpError):
        return None


# One save over earlier ones.

NAME = "state"


def saves(keep: int) -> Scene:
    """Save state `keep + 1` over the states before it, of which as many are kept."""
    names = (NAME, *(f"{NAME}.{number}" for number in range(1, keep)))
    with new_folder() as folder:
        _save_up_to(0, keep, keep, folder)
        before = {name: (folder / name).read_bytes() for name in names}
        _save_up_to(keep, keep + 1, keep, folder)
        after = {name: (folder / name).read_bytes() for name in names}
    return Scene(
        prepare=partial(_save_up_to, 0, keep, keep),
        act=partial(_save_up_to, keep, keep + 1, keep),
        names=names,
        read=Path.read_bytes,
        end=after,
        intact=partial(_none_is_lost, before, after),
    )


def _save_up_to(first: int, last: int, keep: int, folder: Path) -> None:
    """Go on to the last state from the one that was saved, the first at least; say in a line what goes wrong."""
    try:
        start = saving.resume(folder / NAME, like=_state(0))
        assert start[1] >= first, "what was saved is passed over"
        states = map(_state, range(start[1], last + 1))
        deque(saving.checkpoints(states, folder / NAME, steps=1, keep=keep), maxlen=0)
    except fn.FnmlpError as error:
        sys.stderr.write(f"error: {fn.one_line(error)}\n")
        sys.exit(1)


def _state(number: int) -> tuple[Any, int]:
    return np.full((32, 256), number, np.float32), number


def _none_is_lost(before: Contents, after: Contents, found: Contents) -> bool:
    """Tell whether the latest state is in its place, and each earlier one that is to be kept is under some name."""
    in_place = found.get(NAME) in (before[NAME], after[NAME])
    known, kept = {*before.values(), *after.values()}, {*before.values()} & {*after.values()}
    return in_place and kept <= {*found.values()} <= known


# A whole run of the trainer.


def runs(program: Any) -> Scene:
    """Train from the beginning, or go on from the checkpoint, to the end; three times a checkpoint is saved."""
    with new_folder() as folder:
        # In this process, so that all that is loaded or worked out once is there before its children are forked.
        program.cli.main([*_arguments(folder), "--quiet"], standalone_mode=False)
        end = {name: _read_file(folder / name) for name in FILES}
    return Scene(
        prepare=lambda _: None,
        act=partial(_train, program),
        names=FILES,
        read=_read_file,
        end=end,
        intact=lambda _: True,  # a file that can be read is: its checksum says so
    )


def _arguments(folder: Path) -> list[str]:
    arguments = [word for word in RUN if word != "--quiet"] + ["--checkpoint-every", "46", "--resume"]
    for option, name in zip(("--checkpoint", "--history", "--output"), FILES, strict=True):
        arguments += [option, str(folder / name)]
    return arguments


def _train(program: Any, folder: Path) -> None:
    sys.argv = ["mnist.py", *_arguments(folder)]
    program.run(program.cli)


def _read_file(path: Path) -> Any:
    """Return what no fault may change of a file: all but the seconds that each epoch took."""
    if path.name == "history":
        return repeatable(path)
    saved = fn.load(path)
    leaves = {name: np.asarray(leaf).tobytes() for name, leaf in saved.leaves.items()}
    history = json.loads(saved.description.get("history", "[]"))
    repeated = [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]
    return {**saved.description, "history": repeated}, leaves
