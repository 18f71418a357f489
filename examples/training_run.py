"""One run of the trainer: a fold over the batches of every epoch, and what looks at it from outside."""

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import chain, groupby
import json
import math
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn, TypeAlias

from attrs import evolve, frozen
from tqdm import tqdm

import fnmlp as fn
from fnmlp.data import Dataset
from fnmlp.files import write_whole
from fnmlp.tree import first_not_finite
from image_models import loss_of_probabilities
from recipe_building import Augment, build_augmentation, build_loss, build_model, build_optimizer, classifier
from recipes import Recipe

Entry: TypeAlias = dict[str, Any]


@frozen
class Settings:
    """Where a run takes its data from, on what it is judged, and where its results go."""

    recipe: str | None
    seed: int
    dataset: str
    data_dir: Path | None
    validation: float
    no_eval: bool
    checkpoint: Path | None = None
    checkpoint_every: int = 1000
    checkpoint_seconds: float = 0.0
    checkpoint_keep: int = 1
    resume: bool = False
    overwrite: bool = False
    best: Path | None = None
    output: Path | None = None
    history: Path | None = None
    plot: Path | None = None
    quiet: bool = False

    @property
    def judge(self) -> str:
        """What held-out images are called: the share of the training images that --validation sets aside, or test."""
        return "validation" if self.validation else "test"

    @property
    def purpose(self) -> str:
        """What held-out images are for."""
        return "to validate on" if self.validation else "to test on"

    @property
    def each_epoch(self) -> bool:
        """Whether held-out images are looked at after each epoch: as the lab did, but else the test set only once."""
        return self.recipe == "lab" or self.validation > 0


@frozen(eq=False)
class Member:
    """All that the training of one network is a function of: what its recipe names, its images, and its keys."""

    recipe: Recipe
    train: fn.Batch
    model: fn.Layer[Any]
    loss: fn.Loss
    optimizer: fn.Optimizer
    start_key: fn.Key
    order_key: fn.Key
    augment_key: fn.Key


def members_of(recipe: Recipe, data: Dataset, seed: int) -> list[Member]:
    """Build the networks of a recipe: member m is what the seed `seed * members + m` trains alone."""
    first = seed * recipe.members
    return [member_of(recipe, data, fn.Key(first + place)) for place in range(recipe.members)]


def member_of(recipe: Recipe, data: Dataset, key: fn.Key) -> Member:
    """Build all that a recipe names."""
    start_key, order_key, augment_key = fn.split(key, 3)
    return Member(
        recipe=recipe,
        train=data.train,
        model=build_model(recipe, white=data.white, classes=len(data.classes)),
        loss=build_loss(recipe),
        optimizer=build_optimizer(recipe, steps=steps_of(recipe, data.train) * recipe.epochs),
        start_key=start_key,
        order_key=order_key,
        augment_key=augment_key,
    )


def steps_of(recipe: Recipe, data: fn.Batch) -> int:
    """Count the steps of an epoch."""
    return math.ceil(len(data) / recipe.batch_size)


def first_state(member: Member) -> fn.TrainState:
    """Return the state before the first step."""
    example, dtype = member.train.inputs.shape[1:], member.recipe.dtype
    return fn.train_state(member.model, member.optimizer, key=member.start_key, example=example, dtype=dtype)


def augmentation_of(member: Member) -> Augment | None:
    """Build what varies the images; of one member at a time, because thousands of maps are kept in memory."""
    key, shape = fn.fold_in(member.augment_key, 0), member.train.inputs.shape[1:]
    return build_augmentation(member.recipe, key=key, shape=shape)


def batches_of(member: Member, augment: Augment | None, epoch: int, start: int) -> Iterator[fn.Batch]:
    """Serve the batches of an epoch, from any of them on."""
    size = member.recipe.batch_size
    batches = fn.batches(member.train, size=size, key=member.order_key, epoch=epoch, start=start)
    if augment is None:
        return batches
    from fnmlp.augmentation import augmented

    return augmented(batches, augment, key=fn.fold_in(member.augment_key, epoch + 1), start=start)


def learned(member: Member, state: fn.TrainState) -> Any:
    """Return the parameters to evaluate and to save: their mean over time where the recipe keeps one."""
    return fn.averaged_params(state.optimizer_state) if member.recipe.average else state.params


@frozen(eq=False)
class Progress:
    """How far a run has come: all that it needs to go on.

    `state`     of the network that is being trained.
    `total`     the sum of the losses of its epoch so far.
    `finished`  the parameters of the networks that are trained.
    `history`   what each epoch showed.
    """

    state: fn.TrainState
    total: float
    finished: tuple[Any, ...]
    history: tuple[Entry, ...]


def _epochs(progress: Progress) -> int:
    return len(progress.history)


def beginning(members: Sequence[Member]) -> Progress:
    """Return where a run begins."""
    return Progress(first_state(members[0]), 0.0, (), ())


def training(
    members: Sequence[Member], held_out: fn.Batch, settings: Settings, progress: Progress
) -> Generator[Progress, None, None]:
    """Go on to the end of a run, and yield how far it has come: at first as given, and then after each step."""
    yield progress
    for member in members[len(progress.finished) :]:
        recipe, steps, augment = member.recipe, steps_of(member.recipe, member.train), augmentation_of(member)
        for epoch in range(len(progress.history) % recipe.epochs, recipe.epochs):
            began = perf_counter()
            for batch in batches_of(member, augment, epoch, progress.state.step - epoch * steps):
                given = member.model, member.loss, member.optimizer, progress.state, batch
                state = fn.train_step(*given)
                ends = state.step == (epoch + 1) * steps
                # A loss is that before its step: the next one shows what the step did, and the last one has no next.
                if not math.isfinite(state.loss) or (ends and first_not_finite(state.params)):
                    state = fn.checked_step(*given)  # which names what is not finite
                progress = evolve(progress, state=state, total=progress.total + state.loss)
                if not ends:
                    yield progress
            progress = after_epoch(members, held_out, settings, progress, perf_counter() - began)
            yield progress


def after_epoch(
    members: Sequence[Member], held_out: fn.Batch, settings: Settings, progress: Progress, seconds: float
) -> Progress:
    """Note what an epoch showed, and go on to the next network if it was the last one of its own."""
    member, state = members[len(progress.finished)], progress.state
    recipe, steps = member.recipe, steps_of(member.recipe, member.train)
    so_far = (*progress.finished, learned(member, state))
    ends = state.step == recipe.epochs * steps
    scores: tuple[float | None, ...] = None, None
    if not settings.no_eval and (settings.each_epoch or (ends and len(so_far) == len(members))):
        model, params = classifier(recipe, member.model, so_far)
        scores = fn.evaluate(model, loss_of_probabilities(recipe.loss), params, held_out)
        if not math.isfinite(scores[0]):
            where, remedy = f"step {state.step}: the outputs", "train with a smaller --rate"
            raise fn.DivergenceError(where, f"a finite {settings.judge} loss", scores[0], remedy)
    entry = {
        "epoch": len(progress.history) + 1,
        "train_loss": progress.total / steps,
        f"{settings.judge}_loss": scores[0],
        f"{settings.judge}_accuracy": scores[1],
        "seconds": round(seconds, 3),
        "steps": state.step,
        "parameters_sha256": fn.tree_sha256(state.params),
    }
    history = (*progress.history, entry)
    if not ends:
        return Progress(state, 0.0, progress.finished, history)
    rest = members[len(so_far) :]
    # The next network has no loss yet, and NaN is not saved.
    return Progress(evolve(first_state(rest[0]), loss=0.0) if rest else state, 0.0, so_far, history)


def model_of(members: Sequence[Member], progress: Progress) -> tuple[fn.Layer[Any], Any]:
    """Return the network as it is used after an epoch, and its parameters."""
    place = len(progress.finished)
    begun = place < len(members) and progress.state.step > 0
    so_far = (*progress.finished, learned(members[place], progress.state)) if begun else progress.finished
    return classifier(members[0].recipe, members[0].model, so_far)


def accuracies(settings: Settings, history: Sequence[Entry]) -> list[float]:
    """Return the accuracies of epochs on held-out images, after -inf, which is below them all."""
    found = (entry[f"{settings.judge}_accuracy"] for entry in history)
    return [-math.inf, *(score for score in found if score is not None)]


def follow(
    progresses: Iterator[Progress], members: Sequence[Member], settings: Settings, say: Callable[[str], None]
) -> Iterator[Progress]:
    """Pass a run on, with a bar and a line an epoch, and the history in its file."""
    steps, epochs = steps_of(members[0].recipe, members[0].train), len(members) * members[0].recipe.epochs
    progress = next(progresses, None)
    if progress is None:  # it was stopped before it began
        return
    known = len(progress.history)
    if known and settings.history:  # what was saved may be ahead of what was written
        write_history(settings.history, progress.history)
    for epoch, group in groupby(chain([progress], progresses), key=_epochs):
        progress = next(group)
        if epoch > known:
            say(epoch_line(progress.history[-1]))
            if settings.history:
                write_history(settings.history, progress.history)
        yield progress
        hidden = settings.quiet or epoch == epochs or None
        with tqdm(total=steps, desc=f"epoch {epoch + 1}", unit="step", leave=False, disable=hidden) as bar:
            for progress in group:  # noqa: B031 (the rest of it)
                if progress.state.step % 50 == 0:
                    show(bar, progress, steps)
                yield progress
            show(bar, progress, steps)
            bar.update(steps - bar.n)
            bar.refresh()


def show(bar: "tqdm[NoReturn]", progress: Progress, steps: int) -> None:
    """Bring a bar up to date in the middle of an epoch."""
    done = progress.state.step % steps
    if done:
        bar.set_postfix_str(f"loss {progress.total / done:.5f}", refresh=False)
        bar.update(done - bar.n)


def epoch_line(entry: Entry) -> str:
    """Say what an epoch came to."""
    judge = "validation" if "validation_loss" in entry else "test"
    judged = "not tested"
    if entry[f"{judge}_loss"] is not None:
        judged = f"{judge} loss {entry[f'{judge}_loss']:.5f}  {judge} accuracy {entry[f'{judge}_accuracy']:.4f}"
    return f"epoch {entry['epoch']:2d}  train loss {entry['train_loss']:.5f}  {judged}  {entry['seconds']:.2f} s"


def write_history(path: Path, history: Sequence[Entry]) -> None:
    """Write the history so far, whole at every moment."""
    try:
        write_whole(path, "".join(json.dumps(entry) + "\n" for entry in history).encode())
    except OSError as error:
        remedy = "choose another --history"
        raise fn.DataError(str(path), "a place for the history", error.strerror or error, remedy) from error
