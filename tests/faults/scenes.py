"""The scenes that faults interrupt, and their judgement: a save over earlier ones, or a whole run of the trainer."""

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
from tests.faults.processes import FILES, RUN, files_in, new_folder, repeatable

Contents: TypeAlias = Mapping[str, Any]


@frozen
class Scene:
    """What happens in a folder, and what must come of it.

    `prepare`  writes the files that are there before.
    `act`      saves, or continues from what was saved. If it can't, it says so in one line and ends with status 1 or 2.
    `names`    the files that may be there; all others are strays.
    `read`     reads the part of a file that no fault may change; raises unless the file is whole.
    `end`      what `read` must return for each file in the end.
    `intact`   tells from what was read, at any moment, whether nothing is lost.
    """

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    names: tuple[str, ...]
    read: Callable[[Path], Any]
    end: Contents
    intact: Callable[[Contents], bool]


@frozen
class Report:
    """The outcomes of faults; all counts but the first four must be 0.

    `trials`       faults that were tried.
    `killed`       processes that a signal ended.
    `reported`     processes that named the error in one line and ended with a status other than 0.
    `harmless`     processes with status 0 that left every file whole and new.
    `missed`       faults that did not happen.
    `damaged`      trials that left a file missing or not whole.
    `strays`       trials that left too many temporary files: two after a kill, or one otherwise.
    `claimed`      processes that claimed a success: status 0 with an old file or after a fault that must be reported,
                   or a message that something was saved when it was not.
    `unexplained`  processes that ended with a traceback, or never.
    `different`    scenes that ended differently when they continued without a fault.
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
        """Add up the counts that must be 0."""
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
    """Run a scene with a fault, judge what it left, and run it again without the fault.

    `vital` says that status 0 is wrong because the fault is at a call that makes the file durable. The file can't show
    now whether it would survive a power cut.
    `reached` is in the trace if the fault happened.
    `standing` are the files that were in place before the fault.
    """
    with new_folder() as folder:
        scene.prepare(folder)
        end = harm(partial(scene.act, folder))
        killed, done = end.status == -signal.SIGKILL, end.status == 0
        told = end.status in (1, 2) and end.err.startswith("error: ") and len(end.err.splitlines()) == 1
        found, strays = _contents(scene, folder), _strays(scene, folder)
        new = found == scene.end
        told_saved = {name for name in scene.names if f"saved to {folder / name}\n" in end.out}
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
        claimed=(done and (vital or not new)) or any(found.get(name) != scene.end[name] for name in told_saved),
        unexplained=not (killed or told or (done and not end.err)),
        different=not same,
    )


def _strays(scene: Scene, folder: Path) -> int:
    return len(set(os.listdir(folder)) - set(scene.names))


def _contents(scene: Scene, folder: Path) -> Contents:
    return {name: _read(scene, folder / name) for name in scene.names if (folder / name).exists()}


def _read(scene: Scene, path: Path) -> Any:
    """Read a file; return None unless it is whole."""
    try:
        return scene.read(path)
    except (OSError, ValueError, fn.FnmlpError):
        return None


# One save over earlier ones.

NAME = "state"


def saves(keep: int) -> Scene:
    """Save state `keep + 1` over the earlier states, of which `keep` remain."""
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
    """Continue from the saved state to the last one, or from the first; report an error in one line."""
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
    """Tell whether the latest state is in place, and each earlier one to keep has some name."""
    in_place = found.get(NAME) in (before[NAME], after[NAME])
    known, kept = {*before.values(), *after.values()}, {*before.values()} & {*after.values()}
    return in_place and kept <= {*found.values()} <= known


# A whole run of the trainer.


def runs(program: Any) -> Scene:
    """Train to the end, from the beginning or from the checkpoint, and save three checkpoints."""
    with new_folder() as folder:
        # Run once in this process, so that forked children find everything loaded.
        program.cli.main([*_arguments(folder), "--quiet"], standalone_mode=False)
        end = {name: _read_file(folder / name) for name in FILES}
    return Scene(
        prepare=lambda _: None,
        act=partial(_train, program),
        names=FILES,
        read=_read_file,
        end=end,
        intact=lambda _: True,  # every file that can be read is intact, by its checksum
    )


def _arguments(folder: Path) -> list[str]:
    told = [word for word in RUN if word != "--quiet"]
    return [*told, "--checkpoint-every", "46", "--resume", *files_in(folder)]


def _train(program: Any, folder: Path) -> None:
    sys.argv = ["mnist.py", *_arguments(folder)]
    program.run(program.cli)


def _read_file(path: Path) -> Any:
    """Return the part of a file that no fault may change: all but the seconds of each epoch."""
    if path.name == "history":
        return repeatable(path)
    saved = fn.load(path)
    leaves = {name: np.asarray(leaf).tobytes() for name, leaf in saved.leaves.items()}
    history = json.loads(saved.description.get("history", "[]"))
    repeated = [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]
    return {**saved.description, "history": repeated}, leaves
