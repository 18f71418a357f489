"""Replay a step of a run from a checkpoint, and report its batch and what it did in each layer."""

from collections import deque
from collections.abc import Sequence

from attrs import frozen

from engines import Engine, Trainer
import fnmlp as fn
from run_checkpoints import resumed
from run_members import Member, first_state, steps_in_all, steps_of


@frozen(eq=False)
class Seen:
    """A step that was replayed.

    `member`  the network that it trained.
    `begun`   the step of the state that the replay began at.
    `taken`   the step itself.
    `known`   the digest of the parameters after it, if the checkpoint tells it.
    """

    member: Member
    begun: int
    taken: fn.ReplayedStep
    known: str | None


def trained_to(step: int, trainer: Trainer, member: Member, state: fn.TrainState) -> fn.TrainState:
    """Return the state of a network after a step, from any state before it."""
    steps = steps_of(member.recipe, member.train)
    while state.step < step:
        epoch = state.step // steps
        stretches = trainer.epoch(state, epoch, min(steps, step - epoch * steps))
        state, _ = deque(stretches, maxlen=1).pop()
    return state


def rows_of(member: Member, epoch: int, place: int) -> list[int]:
    """Return the indices of the training images in a batch of an epoch."""
    order = fn.epoch_order(len(member.train), key=member.order_key, epoch=epoch)
    rows: list[int] = order[place * member.recipe.batch_size :][: member.recipe.batch_size].tolist()
    return rows


def replayed(engine: Engine, saved: fn.Checkpoint, members: Sequence[Member], step: int) -> Seen:
    """Replay a step: from the saved state, or from the beginning if the step lies before it."""
    progress = resumed(saved, members)
    place = min(len(progress.finished), len(members) - 1)
    member, state = members[place], progress.state
    history = progress.history[place * member.recipe.epochs :]
    known = {entry["steps"]: entry["parameters_sha256"] for entry in history} | {
        state.step: fn.tree_sha256(state.params)
    }
    start = state if state.step < step else first_state(member)
    trainer = engine.trainer(member, 0, 0)
    before = trained_to(step - 1, trainer, member, start)
    batch = trainer.batch(*divmod(step - 1, steps_of(member.recipe, member.train)))
    taken = fn.ReplayedStep(before, batch, trained_to(step, trainer, member, before))
    return Seen(member, start.step, taken, known.get(step))


def report(engine: Engine, seen: Seen, classes: tuple[str, ...]) -> str:
    """Describe a step: its rows and labels, its loss, and each parameter's gradient and update."""
    before, batch, after = seen.taken.before, seen.taken.batch, seen.taken.after
    epoch, place = divmod(before.step, steps_of(seen.member.recipe, seen.member.train))
    grads = engine.grads(seen.member, before, batch)
    moved = dict(fn.update_ratios(before.params, after.params))
    widest = max(map(len, moved))
    place_in_run = f"step {after.step} of {steps_in_all(seen.member)}: epoch {epoch + 1}, batch {place + 1}"
    return "\n".join(
        [
            f"{place_in_run}; replayed from step {seen.begun} on",
            f"rows: {' '.join(map(str, rows_of(seen.member, epoch, place)))}",
            f"labels: {' '.join(classes[label] for label in batch.targets)}",
            f"loss: {after.loss!r}",
            "gradients:",
            fn.statistics_table(fn.tree_statistics(grads)),
            "updates, as shares of the norms of the parameters:",
            *(f"{path.ljust(widest)}  {ratio:.3g}" for path, ratio in moved.items()),
            f"parameters after it: SHA-256 {fn.tree_sha256(after.params)}",
        ]
    )
