"""`python -m tests.large_data` trains on 4 GB of shards: peak memory, speed, and a killed run that is resumed.

The files go into a temporary folder. Memory is the peak of the training process's resident set, VmHWM, since ru_maxrss
would count the process that started it. Files are read, not mapped, so that it counts what the process holds and its
libraries, but not the system's cache of files. Beside it stands the peak of its anonymous memory, RssAnon, sampled
once a second. Speed is measured in another process, which holds the same rows in memory too: stretches of steps on
both take turns. Needs Linux.
"""

from collections.abc import Iterator
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.data import ShardedData, array_shards, stream_batches

ROW = 784
"""Bytes of a row of inputs, as in MNIST."""
SHARDS, SIZE, STRETCH = 16, 128, 500
"""The number of files of inputs, the rows of a batch, and the steps between two turns."""

MODEL = fn.chain(fn.scale(1 / 255), fn.linear(128), fn.relu(), fn.linear(10))
OPTIMIZER = fn.adam(1e-3)


def write_shards(folder: Path, gigabytes: float) -> None:
    """Write shards of random bytes, whose label is a function of them."""
    rows = round(gigabytes * 1e9 / SHARDS / (ROW + 1))
    for shard in range(SHARDS):
        x = np.frombuffer(fn.generator(fn.fold_in(fn.Key(0), shard)).bytes(rows * ROW), np.uint8).reshape(rows, ROW)
        np.save(folder / f"x{shard}.npy", x)
        np.save(folder / f"y{shard}.npy", x[:, 0] // 26)


def opened(folder: Path) -> ShardedData:
    """Open the shards."""
    names = range(SHARDS)
    return array_shards([folder / f"x{n}.npy" for n in names], [folder / f"y{n}.npy" for n in names])


def batches_from(data: ShardedData, step: int) -> Iterator[fn.Batch]:
    """Yield the batches of the only epoch from a step on."""
    return stream_batches(data, size=SIZE, key=fn.Key(1), epoch=0, start=step)


def train(folder: Path, checkpoint: Path) -> None:
    """Train for an epoch, or for the rest of it; print the hash of the parameters and the peak of memory."""
    begun = fn.resume(checkpoint, like=first_state())
    states = accumulate(batches_from(opened(folder), begun.step), stepping(), initial=begun)
    for state in fn.checkpoints(states, checkpoint, steps=1000):
        if state.step % 1000 == 0:
            say(state.step)
    peak = memory("self", "VmHWM")
    say(f"steps {state.step} from {begun.step}, sha {fn.tree_sha256(state.params)}, peak {peak / 1e6:.0f} MB")


def first_state() -> fn.TrainState:
    """Return the state before the first step."""
    return fn.train_state(MODEL, OPTIMIZER, key=fn.Key(2), example=(ROW,))


def stepping() -> Any:
    """Return the step."""
    return partial(fn.train_step, MODEL, fn.cross_entropy, OPTIMIZER)


def turns(folder: Path, stretches: int) -> None:
    """Take turns between shards and the same rows in memory, and print the rows a second of each."""
    data, step = opened(folder), stepping()
    pieces = [shard.read(0, shard.rows) for shard in data.shards]
    held = fn.Batch(np.concatenate([p.inputs for p in pieces]), np.concatenate([p.targets for p in pieces]))
    del pieces
    sources = {
        "shards": batches_from(data, 0),
        "memory": fn.batches(held, size=SIZE, key=fn.Key(1), epoch=0),
    }
    states, seconds = dict.fromkeys(sources, first_state()), dict.fromkeys(sources, 0.0)
    ratios = []
    for turn in range(stretches):
        took = {}
        for name in list(sources)[:: 1 if turn % 2 else -1]:
            began = perf_counter()
            for batch in islice(sources[name], STRETCH):
                states[name] = step(states[name], batch)
            took[name] = perf_counter() - began
            seconds[name] += took[name]
        ratios.append(took["memory"] / took["shards"])
    for name, total in seconds.items():
        say(f"{name}: {stretches * STRETCH * SIZE / total:,.0f} rows/s")
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    say(f"speed of shards / memory: median {middle:.3f}, 10 to 90 % {low:.3f} to {high:.3f}, {len(ratios)} turns")


def say(text: object) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)  # noqa: T201 (what this program is for)


def run(*arguments: object) -> list[str]:
    """Run a part of this program in a process of its own, and return its lines."""
    process = start(*arguments)
    out, _ = process.communicate()
    assert process.returncode == 0, out
    return str(out).splitlines()


def start(*arguments: object) -> "subprocess.Popen[str]":
    """Start a part of this program in a process of its own."""
    command = [sys.executable, "-m", "tests.large_data", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def memory(process: object, kind: str) -> float:
    """Return a number of bytes that Linux tells of a process; 0 after its end."""
    try:
        found = re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def killed(folder: Path, checkpoint: Path, step: int) -> None:
    """Start training, and kill it once a step is done."""
    process = start("train", folder, checkpoint)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= step:
            break
    sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()


def main(gigabytes: float) -> None:
    """Write the shards, train over them whole and interrupted, and time them; print what comes of it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        assert shutil.disk_usage(folder).free > 1.5e9 * gigabytes, f"no room for {gigabytes} GB in {folder}"
        write_shards(folder, gigabytes)
        data = opened(folder)
        steps = -(-len(data) // SIZE)
        size = sum(path.stat().st_size for path in folder.iterdir())
        say(f"{size / 1e9:.2f} GB, {len(data):,} rows in {SHARDS} shards, {steps:,} steps of {SIZE} rows")
        process, began, peak = start("train", folder, folder / "whole"), perf_counter(), 0.0
        while process.poll() is None:
            sleep(1)
            peak = max(peak, memory(process.pid, "RssAnon"))
        assert process.stdout is not None
        whole = process.stdout.read().splitlines()[-1]
        say(f"whole:   {whole} (anonymous {peak / 1e6:.0f} MB), {perf_counter() - began:.0f} s")
        killed(folder, folder / "killed", steps // 2)
        rest = run("train", folder, folder / "killed")[-1]
        say(f"resumed: {rest}")
        hashes = {re.search(r"sha (\w+)", line)[1] for line in (whole, rest)}  # type: ignore[index]
        say("the same bits" if len(hashes) == 1 else f"other bits: {hashes}")
        say("\n".join(run("turns", folder, min(40, steps // STRETCH))))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["train", folder, checkpoint]:
            train(Path(folder), Path(checkpoint))
        case ["turns", folder, stretches]:
            turns(Path(folder), int(stretches))
        case rest:
            main(float(rest[0]) if rest else 4.0)
