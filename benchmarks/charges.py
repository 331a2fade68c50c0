"""Charges: how far they drift along gradient flow while the loss falls by half, by an integrator of its own.

    python -m benchmarks.charges
    python -m benchmarks.charges --match linear --pairs 6

For every catalog entry that is a symmetry with charges, on a few drawn architectures: the loss is the squared error to
the outputs at other parameters, so that it can fall, and the flow is integrated in float64 by SciPy's DOP853 at a
relative tolerance of 1e-12 until the loss is half of what it was. The drift is the largest change of any charge beside
the size of its terms, |Q(t) − Q(0)| / Σ|θᵢkᵢ|. Where an activation has kinks the integrator jumps over them: its own
error is shown beside the drift, as the distance to the end point at a tolerance of 1e-10.

The exit code is 1 where a charge of a smooth network drifts by more than 1e-9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

from eqprop.claims import Pair
from eqprop.engine import generator, inner_magnitude, separated_caches
from eqprop.groups import LieGroup
from eqprop.probes import gaussian, params_of
from eqprop.properties.traits import traits_of
from eqprop.registry import Entry, entries
from eqprop.strategies import ACTIVATIONS

LONGEST = 1e3
ALLOWED = 1e-9
KINKED = frozenset(activation.name for activation in ACTIVATIONS if not activation.smooth)


@dataclass(frozen=True)
class Flow:
    """What became of one pair."""

    halved: bool
    smooth: bool
    drift: float
    integrator: float
    charges: int


def drawn(entry: Entry, count: int) -> list[Pair]:
    """Distinct pairs as a search would draw them, the smallest left out."""
    found: dict[Any, Pair] = {}

    @seed(11)
    @settings(max_examples=8 * count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(entry.pairs)
    def collect(pair: Pair) -> None:
        found.setdefault(pair.key, pair)

    collect()
    return list(found.values())[1 : count + 1]


def charges_of(pair: Pair, unravel: Any) -> Any:
    """θ ↦ (Q_ξ(θ), Σ|θᵢ kᵢ|) for a basis of the ξ with symmetric Dk_ξ."""
    group, symmetric, leaves = pair.transformation.group, traits_of(pair).symmetric, pair.model.param_leaves
    assert isinstance(group, LieGroup)
    flat, algebra = ravel_pytree(group.zero())
    basis = np.eye(flat.size) if symmetric.basis is None else symmetric.basis
    identity = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), group.identity())

    def act(element: Any, theta: Any) -> Any:
        return leaves.split(pair.transformation.on_params(element, leaves.join(theta)))

    def of_one(row: Any, theta: Any) -> tuple[Any, Any]:
        k = generator(act, identity, group.tangent(algebra(row)))
        origin = k(jax.tree.map(jnp.zeros_like, theta))
        terms = jax.tree.map(lambda a, b, c: 0.5 * a * (b + c), theta, k(theta), origin)
        return sum(jnp.sum(leaf) for leaf in terms), inner_magnitude(theta, k(theta))

    return jax.jit(lambda flat: jax.vmap(lambda row: of_one(row, unravel(flat)))(jnp.asarray(basis)))


def flow_of(pair: Pair, number: int) -> Flow:
    """Integrate one pair's gradient flow and follow its charges."""
    rng = np.random.default_rng(number)
    leaves = pair.model.param_leaves
    start, teacher = (tuple(leaf[0] for leaf in params_of(pair.model, "gaussian", rng, 1)) for _ in range(2))
    inputs = jax.tree.map(lambda leaf: gaussian(rng, (1, *np.shape(leaf)))[0], pair.model.inputs)
    theta, unravel = ravel_pytree(start)

    def outputs(flat: Any) -> Any:
        return ravel_pytree(pair.model.apply(leaves.join(unravel(flat)), inputs))[0]

    targets = outputs(ravel_pytree(teacher)[0])
    value = jax.jit(lambda flat: 0.5 * jnp.sum((outputs(flat) - targets) ** 2))
    slope, first = jax.jit(jax.grad(value)), float(value(theta))

    def halved(_: float, flat: np.ndarray) -> float:
        return float(value(flat)) - first / 2

    halved.terminal = True  # pyright: ignore[reportFunctionMemberAccess]

    def run(tolerance: float, until: float, events: Any) -> Any:
        return solve_ivp(
            lambda _, flat: -np.asarray(slope(flat)), (0.0, until), np.asarray(theta), method="DOP853",
            rtol=tolerance, atol=tolerance / 10, events=events,
        )  # fmt: skip

    fine = run(1e-12, LONGEST, halved)
    coarse = run(1e-10, float(fine.t[-1]), None)
    charges = charges_of(pair, unravel)
    values, sizes = (np.stack(found) for found in zip(*(map(np.asarray, charges(y)) for y in fine.y.T), strict=True))
    drift = np.abs(values - values[0]).max(0) / np.maximum(sizes.max(0), np.finfo(float).tiny)
    kinks = any(value in KINKED for value in pair.architecture.values() if isinstance(value, str))
    off = float(np.linalg.norm(fine.y[:, -1] - coarse.y[:, -1]) / np.linalg.norm(fine.y[:, -1]))
    return Flow(bool(fine.t_events[0].size), not kinks, float(drift.max()), off, values.shape[1])


def conserving(pair: Pair) -> bool:
    """Whether the pair is a symmetry with charges."""
    moves = pair.transformation.moves_outputs or pair.transformation.moves_inputs
    lie = isinstance(pair.transformation.group, LieGroup) and pair.target is None
    return lie and not moves and traits_of(pair).symmetric.dimension > 0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--match", default="", help="Only entries whose name contains this.")
@click.option("--pairs", default=4, show_default=True, help="Architectures of each entry.")
def main(*, match: str, pairs: int) -> None:
    """Print the worst drift of each entry's charges."""
    worst = 0.0
    columns = f"{'smooth: drift':>14} {'kinks: drift':>14} {'error':>8}"
    click.echo(f"{'entry':32} {'flows':>5} {'halved':>6} {'charges':>8} {columns}")
    with separated_caches("float64"), jax.enable_x64(True):
        for entry in entries().values():
            found = [] if entry.control or match not in entry.name else drawn(entry, pairs)
            flows = [flow_of(pair, i) for i, pair in enumerate(found) if conserving(pair)]
            if not flows:
                continue
            smooth, kinked = ([flow for flow in flows if flow.smooth == wanted] for wanted in (True, False))
            drifts = [f"{max(f.drift for f in some):14.1e}" if some else f"{'-':>14}" for some in (smooth, kinked)]
            error = f"{max(f.integrator for f in kinked):8.0e}" if kinked else f"{'-':>8}"
            halved, charges = sum(flow.halved for flow in flows), sum(flow.charges for flow in flows)
            click.echo(f"{entry.name:32} {len(flows):5} {halved:6} {charges:8} {drifts[0]} {drifts[1]} {error}")
            worst = max([worst, *(flow.drift for flow in smooth)])
    click.echo(f"\nsmooth networks: no charge drifts by more than {worst:.1e} of its terms")
    if worst > ALLOWED:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
