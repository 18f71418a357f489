"""Training without a trainer: compose functions, in a few lines for each task."""

from functools import partial, reduce
from itertools import accumulate, chain, count, islice, pairwise, takewhile

import fnmlp as fn
from fnmlp.data import digits

data = digits()
model = fn.chain(fn.flatten(), fn.scale(1 / 16), fn.linear(64), fn.relu(), fn.linear(10), fn.softmax())
loss, optimizer = fn.on_labels(fn.mse), fn.sgd(rate=4.0)
start = fn.train_state(model, optimizer, key=fn.Key(0), example=(8, 8))
step = partial(fn.train_step, model, loss, optimizer)
batches = partial(fn.batches, data.train, size=16, key=fn.Key(1))


def test_accuracy(state: fn.TrainState) -> float:
    """Score a state on images that training never sees."""
    return fn.evaluate(model, loss, state.params, data.test)[1]


def main() -> None:
    """Print the result of each composition."""
    # An epoch is a fold.
    state = reduce(step, batches(epoch=0), start)
    print(f"one epoch with reduce:      step {state.step}, test accuracy {test_accuracy(state):.3f}")

    # The same fold, keeping every state. States are values, so you can use any of them later.
    states = list(accumulate(batches(epoch=0), step, initial=start))
    print(f"every state, accumulate:    losses {', '.join(f'{state.loss:.4f}' for state in states[1::22])}")
    print(f"the same end, bit for bit:  {fn.tree_equal(state.params, states[-1].params)}")

    # For several epochs, chain their batches.
    state = reduce(step, chain.from_iterable(batches(epoch=epoch) for epoch in range(5)), start)
    print(f"five epochs, one reduce:    step {state.step}, test accuracy {test_accuracy(state):.3f}")

    # Early stopping is takewhile over pairs of epochs: continue while the test accuracy rises.
    epochs = fn.epochs(step, start, lambda epoch: batches(epoch=epoch))
    scores = map(test_accuracy, epochs)
    rising = takewhile(lambda pair: pair[1] > pair[0], pairwise(scores))
    best = [after for _, after in islice(rising, 50)]
    print(f"early stop with takewhile:  after {len(best) + 1} epochs, test accuracy {best[-1]:.3f}")

    # For a learning-rate schedule, use another step in each epoch.
    rates = (4.0 / (1 + epoch / 4) for epoch in count())
    slower = (partial(fn.train_step, model, loss, fn.sgd(rate)) for rate in rates)
    state = reduce(
        lambda state, pair: reduce(pair[1], batches(epoch=pair[0]), state), islice(enumerate(slower), 5), start
    )
    print(f"five epochs, falling rate:  test accuracy {test_accuracy(state):.3f}")


if __name__ == "__main__":
    main()
