"""Train on files that don't fit in memory: `python examples/large.py FOLDER`, on several ranks with `mpiexec`."""

from functools import partial, reduce
from pathlib import Path
import sys

from imports import import_failure

try:
    import click
    import numpy as np

    from command_line import option, run
    import fnmlp as fn
    from fnmlp.data import ShardedData, array_shards, digits
    from fnmlp.interop import mpi
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")


def write_digits(folder: Path, files: int) -> None:
    """Write the small digits as pairs of files: x0.npy and y0.npy, x1.npy and y1.npy, …."""
    folder.mkdir(parents=True)
    train = digits().train
    for number, rows in enumerate(np.array_split(np.arange(len(train)), files)):
        np.save(folder / f"x{number}.npy", train.inputs[rows])
        np.save(folder / f"y{number}.npy", train.targets[rows])


def opened(folder: Path) -> ShardedData:
    """Open the pairs of files of a folder."""
    if not (inputs := sorted(folder.glob("x*.npy"))):
        raise fn.DataError(str(folder), "files x*.npy and y*.npy", "none", "write some with --write-digits 8")
    return array_shards(inputs, [path.with_name(f"y{path.name[1:]}") for path in inputs])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--write-digits", "files", type=click.IntRange(1, 1000), help="First write digits to it, as N files.")
@option("--epochs", type=click.IntRange(1), default=10, help="Passes over the files.")
@option("--shards", type=click.IntRange(1), default=4, help="Parts of the files and of a batch; the most ranks.")
@option("--size", type=click.IntRange(1), default=32, help="Rows of a batch, a multiple of the shards.")
@click.option("--parallel", is_flag=True, help="Train together with all ranks that mpiexec started.")
def main(folder: Path, files: int | None, epochs: int, shards: int, size: int, parallel: bool) -> None:
    """Train on the pairs of files x*.npy and y*.npy of a FOLDER, of which each rank reads its own alone."""
    if files is not None and (parallel or folder.exists()):
        raise click.UsageError("--write-digits needs a new folder, and no --parallel")
    if files is not None:
        write_digits(folder, files)
    comm = mpi.world() if parallel else None
    with mpi.ending_together(comm):
        data = opened(folder)
        model = fn.chain(fn.flatten(), fn.scale(1 / 16), fn.linear(32), fn.relu(), fn.linear(10))
        state = fn.train_state(model, fn.adam(0.01), key=fn.Key(0), example=data.like.inputs.shape[1:])
        step = partial(mpi.parallel_step, model, fn.cross_entropy, fn.adam(0.01), shards=shards, comm=comm)
        for epoch in range(epochs):
            batches = mpi.parallel_stream(data, size=size, key=fn.Key(1), epoch=epoch, shards=shards, comm=comm)
            state = reduce(step, batches, state)
            if comm is None or comm.rank == 0:
                click.echo(f"epoch {epoch + 1}: loss {state.loss:.4f}, {state.step} steps")
        if comm is None or comm.rank == 0:
            click.echo(f"{len(data):,} rows in {len(data.shards)} files, sha {fn.tree_sha256(state.params)[:16]}")


if __name__ == "__main__":
    run(main)
