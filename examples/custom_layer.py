"""A layer of your own is three functions: this one raises each number to a power that it learns."""

from functools import partial, reduce

import numpy as np

import fnmlp as fn

Powers = fn.Array  # the parameters: one exponent for each feature


def power() -> fn.Layer[Powers]:
    """Map positive numbers feature by feature: y = x ** p, where the exponents p start at 1."""
    return fn.Layer("power()", _power_init, _power_apply, _power_vjp)


def _power_init(key: fn.Key, shape: fn.Shape) -> tuple[Powers, fn.Shape]:
    return np.ones(shape, np.float32), shape


def _power_apply(exponents: Powers, x: fn.Array) -> fn.Array:
    y: fn.Array = x**exponents
    return y


def _power_vjp(exponents: Powers, x: fn.Array, key: fn.Key | None) -> tuple[fn.Array, fn.Pullback[Powers]]:
    def pullback(dy: fn.Array) -> tuple[Powers, partial[fn.Array]]:
        exponents_gradient = (dy * x**exponents * np.log(x)).sum(axis=0)
        return exponents_gradient, partial(_power_dx, exponents, x, dy)

    return _power_apply(exponents, x), pullback


def _power_dx(exponents: Powers, x: fn.Array, dy: fn.Array) -> fn.Array:
    dx: fn.Array = dy * exponents * x ** (exponents - 1)
    return dx


def main() -> None:
    """Find the law behind data: Kepler's third, (period in years) = (distance in astronomical units) ** 1.5."""
    distance = np.array([0.387, 0.723, 1.0, 1.524, 5.203, 9.537, 19.19, 30.07], np.float32)[:, None]
    period = np.array([0.241, 0.615, 1.0, 1.881, 11.86, 29.45, 84.02, 164.8], np.float32)[:, None]
    model, optimizer = fn.chain(power()), fn.sgd(rate=1e-5)
    step = partial(fn.train_step, model, fn.mse, optimizer)
    start = fn.train_state(model, optimizer, key=fn.Key(0), example=(1,))
    state = reduce(step, [fn.Batch(distance, period)] * 200, start)
    print(f"the exponent, learned from eight planets: {state.params[0][0]:.3f}")


if __name__ == "__main__":
    main()
