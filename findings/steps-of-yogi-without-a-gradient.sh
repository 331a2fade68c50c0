#!/usr/bin/env bash
# optax 0.2.8, jax 0.10.2 on a CPU.
#
# What it does: takes 1,000 steps of yogi, adam, amsgrad and radam with gradients that are 0, and one step of each for a
# gradient and for the same gradient with its signs changed.
# What one would guess: parameters stay where they are, and a step for −g is minus the step for g: each of these is an odd
# function of the gradients, entry by entry, so that training commutes with a change of signs.
# What is seen: so it is for adam, amsgrad and radam. yogi moves every parameter downwards without any gradient, by the same
# amount, and its step for −g is not minus the step for g: it sets the first moment, and not the second alone, to 1e-6.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check optax==0.2.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import optax

jax.config.update("jax_enable_x64", True)
START = jnp.array([1.0, -2.0, 3.0])
SLOPE = jnp.array([1e-3, -2e-3, 5e-4])
RATE = 1e-2


def walked(optimizer, slope, steps):
    """How far parameters come in some steps with the same gradient."""

    def step(carried, _):
        params, state = carried
        updates, state = optimizer.update(slope, state, params)
        return (optax.apply_updates(params, updates), state), None

    (end, _), _ = jax.lax.scan(step, (START, optimizer.init(START)), length=steps)
    return end - START


for name in ("adam", "amsgrad", "radam", "yogi"):
    optimizer = getattr(optax, name)(RATE)
    idle = walked(optimizer, jnp.zeros(3), 1000)
    there, back = walked(optimizer, SLOPE, 1), walked(optimizer, -SLOPE, 1)
    odd = float(jnp.max(jnp.abs(there + back)) / jnp.max(jnp.abs(there)))
    print(f"{name}: without a gradient by {idle}, the steps for g and −g miss each other by {odd:.1g} of their size")
    if name == "yogi":
        assert jnp.all(idle < 0), "the behaviour has changed: yogi stays where it is without a gradient"
        assert float(jnp.ptp(idle)) < 1e-12, "the behaviour has changed: it moves parameters by different amounts"
        assert odd > 1e-5, "the behaviour has changed: the steps of yogi are odd"
    else:
        assert jnp.all(idle == 0), f"the behaviour has changed: {name} moves without a gradient"
        assert odd < 1e-9, f"the behaviour has changed: the steps of {name} are not odd"
PYTHON
