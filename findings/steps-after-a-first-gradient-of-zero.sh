#!/usr/bin/env bash
# optax 0.2.8 with jax 0.10.2 on a CPU.
#
# What it does: gives the optimisers of optax.contrib that find their own step size (cocob, dog, dowg, prodigy, dadapt_adamw) three
# gradients at three parameters, of which the first one is 0 everywhere, as of a batch that is masked as a whole; and the
# same with the 0 as the second gradient.
# What one would guess: a gradient of 0 says nothing, so that nothing moves, and the next gradient is the first one.
# What is seen: cocob, dog and dowg do so. prodigy's first step is NaN, and all that follow. dadapt_adamw's first step is 0, as it
# should be, and the steps after it, whose gradients are ordinary, are NaN: its estimate of the step size (estim_lr of the
# state) is NaN from the first step on, which that step does not show. With the 0 in the second place all five go on with finite steps.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check optax==0.2.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import numpy as np
import optax

NOTHING, SOME = jnp.zeros(3), jnp.array([1.0, -1.0, 2.0])


def steps(name, *gradients):
    """What an optimiser moves three parameters by, gradient by gradient."""
    optimizer, params = getattr(optax.contrib, name)(), jnp.ones(3)
    state, moved = optimizer.init(params), []
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        moved.append(np.asarray(updates))
    return moved


def told(moved):
    return ", ".join("NaN" if np.isnan(step).all() else "0" if not step.any() else "finite" for step in moved)


for name in ("cocob", "dog", "dowg", "prodigy", "dadapt_adamw"):
    first, second = steps(name, NOTHING, SOME, SOME), steps(name, SOME, NOTHING, SOME)
    print(f"{name}: {told(first)}; with 0 in the second place {told(second)}")
    assert all(np.isfinite(step).all() for step in second), f"{name}: the behaviour has changed in the second place"
    expected = {"prodigy": "NaN, NaN, NaN", "dadapt_adamw": "0, NaN, NaN"}.get(name, "0, finite, finite")
    assert told(first) == expected, f"{name}: the behaviour has changed"
PYTHON
