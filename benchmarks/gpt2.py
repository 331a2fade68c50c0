"""A network of the shape of GPT-2 small, 124 million parameters in float32: what a verdict takes in time and memory.

    python -m benchmarks.gpt2                          # 12 layers, 64 tokens, five transformations, orders 0 to 2
    python -m benchmarks.gpt2 --layers 2 --words 1000  # smaller, to try it

Random parameters, a tied head, learned positions, layer norms with gains and shifts, heads of 64 units and the tanh
form of GELU, as the checkpoint has them. Each transformation is one pair in a process of its own, at one probe.
"""

from __future__ import annotations

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups
from eqprop.actions import attention_heads, experts, hidden_units, norm_gain

WIDTH, HEADS, POSITIONS, TOKENS = 768, 12, 1024, 64
UNITS = WIDTH // HEADS
PROPERTIES = ("equivariance", "gradient-covariance", "noether", "hessian-covariance", "hessian-generator")
"""Orders 0, 1 and 2; those along generators of the continuous groups only."""


def gpt2(layers: int, words: int) -> eqprop.Model:
    """Tokens to the logits of the next one, parameters in float32."""

    def normed(p: Any, x: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        return p["gain"] * centred / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) + p["shift"]

    def attention(p: Any, x: Any) -> Any:
        q, k, v = (jnp.reshape(x @ p[name] + p[f"{name}_bias"], (TOKENS, HEADS, UNITS)) for name in "qkv")
        scores = jnp.einsum("ihd,jhd->hij", q, k) / UNITS**0.5
        weights = jax.nn.softmax(jnp.where(np.tri(TOKENS, dtype=bool), scores, -jnp.inf))
        return jnp.reshape(jnp.einsum("hij,jhd->ihd", weights, v), (TOKENS, WIDTH)) @ p["o"] + p["o_bias"]

    def apply(params: Any, tokens: Any) -> Any:
        x = params["wte"][tokens] + params["wpe"][:TOKENS]
        for p in params["h"]:
            x = x + attention(p["attn"], normed(p["ln_1"], x))
            units = jax.nn.gelu(normed(p["ln_2"], x) @ p["mlp"]["fc"] + p["mlp"]["fc_bias"])
            x = x + units @ p["mlp"]["proj"] + p["mlp"]["proj_bias"]
        return normed(params["ln_f"], x) @ params["wte"].T

    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return 0.02 * rng.standard_normal(shape, dtype=np.float32)

    def norm() -> dict[str, np.ndarray]:
        return {"gain": 1 + normal(WIDTH), "shift": normal(WIDTH)}

    def layer() -> dict[str, Any]:
        square = {name: normal(WIDTH, WIDTH) for name in "qkvo"}
        mlp = {"fc": normal(WIDTH, 4 * WIDTH), "fc_bias": normal(4 * WIDTH), "proj": normal(4 * WIDTH, WIDTH)}
        return {
            "ln_1": norm(),
            "attn": square | {f"{name}_bias": normal(WIDTH) for name in "qkvo"},
            "ln_2": norm(),
            "mlp": mlp | {"proj_bias": normal(WIDTH)},
        }

    params = {"wte": normal(words, WIDTH), "wpe": normal(POSITIONS, WIDTH), "h": [layer() for _ in range(layers)]}
    tokens = rng.integers(0, words, TOKENS)
    return eqprop.Model(apply, {**params, "ln_f": norm()}, tokens, name="gpt2")


def transformations() -> dict[str, eqprop.Transformation]:
    """Of the first layer."""
    attn, mlp, pattern = "h/0/attn/", "h/0/mlp/", "d (copies units)"

    def both(name: str) -> dict[str, str]:
        return {attn + name: pattern, f"{attn}{name}_bias": "(copies units)"}

    readers = {f"{attn}{name}": 0 for name in "qkv"}
    heads = {attn + name: "d (units width)" for name in "qkv"} | {attn + "o": "(units width) d"}
    biases = {f"{attn}{name}_bias": "(units width)" for name in "qkv"}
    return {
        "units": hidden_units(
            groups.Permutation(4 * WIDTH), writes={mlp + "fc": 1, mlp + "fc_bias": 0}, reads={mlp + "proj": 0}
        ),
        "query-key": attention_heads(HEADS, UNITS, queries=both("q"), keys=both("k")),
        "value-output": attention_heads(HEADS, UNITS, values=both("v"), outputs={attn + "o": "(copies units) d"}),
        "gain": norm_gain(WIDTH, gains={"h/0/ln_1/gain": 0, "h/0/ln_1/shift": 0}, reads=readers),
        "heads": experts(HEADS, heads | biases),
    }


def verdict(name: str, layers: int, words: int) -> str:
    """What became of one pair, its seconds and its peak of memory."""
    pair = eqprop.Pair(gpt2(layers, words), transformations()[name], name=f"gpt2-{name}")
    start, used = time.perf_counter(), time.process_time()
    report = eqprop.run(
        pair, profile="quick", properties=PROPERTIES, precision="model", probes=1, max_architectures=1, unseen=False
    )
    seconds, used = time.perf_counter() - start, time.process_time() - used
    cells = (f"{cell.property.name} {cell.outcome.value}" for cell in report.verdicts)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30
    return f"{name}: {', '.join(cells)}; {seconds:.0f} s, {used:.0f} s of CPU time, peak {peak:.1f} GiB"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--layers", default=12, show_default=True)
@click.option("--words", default=50257, show_default=True)
@click.option("--match", default="", help="Only transformations whose name contains this.")
def main(*, layers: int, words: int, match: str) -> None:
    """Print a line for each transformation."""
    size = sum(leaf.size for leaf in jax.tree.leaves(gpt2(layers, words).params))
    click.echo(f"{size:,} parameters in float32, {TOKENS} tokens, one probe")
    for name in transformations():
        if match in name:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                click.echo(alone.submit(verdict, name, layers, words).result())


if __name__ == "__main__":
    main()
