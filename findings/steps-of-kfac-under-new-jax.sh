#!/usr/bin/env bash
# kfac-jax 0.0.8 with jax 0.10.2, and with jax 0.8.0.
#
# What it does: installs the newest kfac-jax beside two versions of jax, asks pip whether they fit, and takes one step of
# its optimiser on a network of two layers with a squared error.
# What one would guess: that a step can be taken with both, since the metadata ask for jax >= 0.4.27 with no upper bound,
# `pip check` finds no fault, and the package is imported, and its optimiser made and initialised, without a warning.
# What is seen: with jax 0.8.0 the step is taken and the loss falls. With jax 0.10.2 it raises "ValueError: too many values
# to unpack" from kfac_jax/_src/tag_graph_matcher.py: Primitive.get_bind_params gives a dict there, where it gave a pair.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/step.py" <<'PYTHON'
import sys
import traceback
from importlib.metadata import requires

import jax
import jax.numpy as jnp
import kfac_jax


def outputs(params, x):
    return jnp.tanh(x @ params["w"] + params["b"]) @ params["v"]


def loss(params, batch):
    x, targets = batch
    predicted = outputs(params, x)
    kfac_jax.register_squared_error_loss(predicted, targets)
    return jnp.mean(jnp.sum((predicted - targets) ** 2, -1)) / 2


key = jax.random.PRNGKey(0)
params = {"w": jax.random.normal(key, (3, 4)), "b": jnp.zeros(4), "v": jax.random.normal(key, (4, 2))}
batch = (jax.random.normal(key, (8, 3)), jnp.ones((8, 2)))
before = loss(params, batch)
optimizer = kfac_jax.Optimizer(
    jax.value_and_grad(loss), l2_reg=0.0, use_adaptive_learning_rate=False, use_adaptive_momentum=False,
    use_adaptive_damping=False, num_burnin_steps=0, multi_device=False,
)
state = optimizer.init(params, key, batch)
bounds = [needed for needed in requires("kfac-jax") if needed.startswith("jax>")]
says = f"kfac-jax 0.0.8, which asks for {bounds[0]}, with jax {jax.__version__}:"
try:
    params, *_ = optimizer.step(params, state, key, batch=batch, learning_rate=0.1, momentum=0.0, damping=1.0)
except ValueError as error:
    where = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in where if "kfac_jax" in frame.filename][-1]
    print(says, f"{error}, at {ours.line!r} in {ours.name}")
    assert "get_bind_params" in ours.line, "the behaviour has changed: it fails elsewhere"
    seen = "raises"
else:
    after = loss(params, batch)
    print(says, f"a step takes the loss from {before:.4f} to {after:.4f}")
    assert after < before
    seen = "steps"
assert seen == sys.argv[1], f"the behaviour has changed: with jax {jax.__version__} it {seen}"
PYTHON
cd "$work"
for pair in "0.8.0 steps" "0.10.2 raises"; do
    read -r version expected <<<"$pair"
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check kfac-jax==0.0.8 "jax==$version" \
        "jaxlib==$version" distrax==0.1.9 numpy==2.4.6
    "$work/$version/bin/pip" check >"$work/fits" || { cat "$work/fits"; echo "the behaviour has changed: pip check"; exit 1; }
    "$work/$version/bin/python" step.py "$expected"
done
