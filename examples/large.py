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
    from fnmlp.data import array_shards, digits
    from fnmlp.interop import mpi
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")


def write_digits(folder: Path, files: int) -> None:
    """Write the small digits as pairs of files: x0.npy and y0.npy, x1.npy and y1.npy, …."""
    folder.mkdir(parents=True, exist_ok=True)
    train = digits().train
    for number, rows in enumerate(np.array_split(np.arange(len(train)), files)):
        np.save(folder / f"x{number}.npy", train.inputs[rows])
        np.save(folder / f"y{number}.npy", train.targets[rows])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@option("--write-digits", "files", type=click.IntRange(1), help="Write scikit-learn's digits there first, as N files.")
@option("--epochs", type=click.IntRange(1), default=10, help="Passes over the files.")
@option("--shards", type=click.IntRange(1), default=4, help="Parts of the files and of a batch; the most ranks.")
@option("--size", type=click.IntRange(1), default=32, help="Rows of a batch, a multiple of the shards.")
@click.option("--parallel", is_flag=True, help="Train together with all ranks that mpiexec started.")
def main(folder: Path, files: int | None, epochs: int, shards: int, size: int, parallel: bool) -> None:
    """Train on the pairs of files x*.npy and y*.npy of a FOLDER, of which each rank reads its own alone."""
    comm = mpi.world() if parallel else None
    if files is not None and (comm is None or comm.rank == 0):
        write_digits(folder, files)
    with mpi.ending_together(comm):
        if comm is not None:
            comm.Barrier()
        inputs = sorted(folder.glob("x*.npy"))
        data = array_shards(inputs, [path.with_name(f"y{path.name[1:]}") for path in inputs])
        model = fn.chain(fn.flatten(), fn.scale(1 / 16), fn.linear(32), fn.relu(), fn.linear(10))
        optimizer = fn.adam(0.01)
        state = fn.train_state(model, optimizer, key=fn.Key(0), example=data.like.inputs.shape[1:])
        step = partial(mpi.parallel_step, model, fn.cross_entropy, optimizer, shards=shards, comm=comm)
        for epoch in range(epochs):
            batches = mpi.parallel_stream(data, size=size, key=fn.Key(1), epoch=epoch, shards=shards, comm=comm)
            state = reduce(step, batches, state)
            if comm is None or comm.rank == 0:
                click.echo(f"epoch {epoch + 1}: loss {state.loss:.4f}")
    if comm is None or comm.rank == 0:
        digest = fn.tree_sha256(state.params)
        click.echo(f"{len(data):,} rows in {len(data.shards)} files, {state.step} steps, sha {digest[:16]}")


if __name__ == "__main__":
    run(main)
