"""Laws of training beside what training does: small networks on scikit-learn's handwritten digits, in float64.

    python -m benchmarks.laws            # print the figures
    python -m benchmarks.laws --write    # and write docs/laws.md with its pictures

Each law is one of the properties, which eqprop judges one step or one point at a time; here a whole training is run, by
code of its own, and what the law predicts from the gradients alone is drawn beside what happened. The exit code is 1
where an identity misses by more than ``ALLOWED`` of its size, or an inequality is violated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from sklearn.datasets import load_digits

from eqprop.reports import line_plot

COMMAND = "python -m benchmarks.laws --write"
ALLOWED = 1e-9
IMAGES, CLASSES, HIDDEN, NARROW = 1437, 10, 16, 8
CHECKPOINTS, POINTS = 40, 200
PAGE = Path(__file__).parents[1] / "docs" / "laws.md"

Params = tuple[jax.Array, ...]
"""The matrices of a network of ReLU layers without biases, each of shape (in, out)."""


@dataclass(frozen=True)
class Law:
    """What one law says, and what training did.

    Attributes:
        title: of its section.
        claim: the law, in the symbols of the reference, and where it is judged.
        found: what was seen, with its figures.
        miss: of an identity how far both sides were apart at most, relative to its size; of an inequality 0, or
            infinity where it was violated.
        pictures: SVG by the name of their file.
    """

    title: str
    claim: str
    found: str
    miss: float
    pictures: dict[str, str] = field(default_factory=dict)


def digits() -> tuple[jax.Array, jax.Array]:
    """Images of mean 0 and deviation 1, shape (1437, 64), and their labels."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))[:IMAGES]
    return jnp.asarray(((images - images.mean()) / images.std())[order]), jnp.asarray(labels[order])


def network(*widths: int, seed: int = 0) -> Params:
    """Matrices with He's variances."""
    draw = np.random.default_rng(seed).normal
    return tuple(jnp.asarray(draw(size=s) * math.sqrt(2 / s[0])) for s in pairwise(widths))


def outputs(params: Params, images: jax.Array) -> jax.Array:
    """(batch, 64) → (batch, classes): homogeneous in each matrix."""
    for matrix in params[:-1]:
        images = jax.nn.relu(images @ matrix)
    return images @ params[-1]


def cross_entropy(params: Params, images: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean over the images."""
    chances = jax.nn.log_softmax(outputs(params, images))
    return -jnp.mean(jnp.take_along_axis(chances, labels[:, None], axis=1))


def batches(steps: int, size: int) -> jax.Array:
    """Which images are in the batch of each step."""
    return jnp.asarray(np.random.default_rng(1).integers(IMAGES, size=(steps, size)))


def rows(matrix: jax.Array, axis: int) -> jax.Array:
    """Squared lengths."""
    return jnp.sum(matrix**2, axis=axis)


def thinned(across: np.ndarray, up: jax.Array | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line of some POINTS points, for a picture of a few kilobytes."""
    stride = max(len(across) // POINTS, 1)
    return across[::stride], np.asarray(up)[::stride]


# -- the laws ---------------------------------------------------------------------------------------------------------


def charges(steps: int, rate: float = 0.4, size: int = 32, wrong: float = 0.3) -> Law:
    """charge-drift: what minibatches do to ½(‖w_in‖² − ‖w_out‖²) of each unit; wrong labels keep the noise up."""
    images, labels = digits()
    steps *= 5  # the balance is slow
    draw = np.random.default_rng(6)
    others, replaced = draw.integers(CLASSES, size=(steps, size)), draw.uniform(size=(steps, size)) < wrong
    run = (batches(steps, size), jnp.asarray(others), jnp.asarray(replaced))

    def step(params: Params, at: tuple[jax.Array, ...]) -> tuple[Params, tuple[jax.Array, ...]]:
        batch, other, replaced = at
        gradient = jax.grad(cross_entropy)(params, images[batch], jnp.where(replaced, other, labels[batch]))
        ins, outs = rows(gradient[0], 0), rows(gradient[1], 1)
        moved = tuple(matrix - rate * g for matrix, g in zip(params, gradient, strict=True))
        return moved, (0.5 * (rows(moved[0], 0) - rows(moved[1], 1)), 0.5 * rate**2 * (ins - outs), ins, outs)

    start = network(64, HIDDEN, CLASSES)
    _, (charge, drift, ins, outs) = jax.jit(lambda p: jax.lax.scan(step, p, run))(start)
    before = 0.5 * (rows(start[0], 0) - rows(start[1], 1))[None]
    law = before + jnp.cumsum(drift, axis=0)
    at = np.arange(1, steps + 1)
    units = np.argsort(-np.abs(np.asarray(charge[-1] - before[0])))[:2]
    lines = {f"unit {i}": thinned(at, charge[:, i]) for i in units}
    told = {f"unit {i} by the law": thinned(at, law[:, i]) for i in units}
    window = max(steps // CHECKPOINTS, 1)
    total = [np.asarray(jnp.sum(x, axis=1)).reshape(-1, window).mean(1) for x in (ins, outs)]
    balance = {"incoming": (at[::window], total[0]), "outgoing": (at[::window], total[1])}
    moved = float(jnp.max(jnp.abs(charge - before)))
    return Law(
        "Charges under stochastic gradient descent, and the balance of noise",
        "For a ReLU unit with incoming weights u and outgoing v, Q = ½(‖u‖² − ‖v‖²) is conserved by gradient flow. "
        "A step of size η on a batch changes it by ½η²(‖∂L/∂u‖² − ‖∂L/∂v‖²), exactly "
        "([`charge-drift`](properties.md#charge-drift)); so it rests where incoming and outgoing gradients are equally "
        "large on average "
        "([`noise-equilibrium`](properties.md#noise-equilibrium)).",
        f"{steps} steps of size {rate} on batches of {size}, with three labels of ten drawn anew at each step. The "
        f"charges move by up to {moved:.3g}, and the sum of the law's drifts says where to within "
        f"{_miss(charge, law, before):.1e} of that. The mean squared gradients of the first and of the second layer "
        f"begin at a ratio of {total[0][0] / total[1][0]:.3g} and end at {total[0][-1] / total[1][-1]:.3g}: "
        "at 1 the charges would rest.",
        _miss(charge, law, before),
        {
            "charges": line_plot(lines | told, title="Charges of two units", across="step", up="Q", dashed=told),
            "balance": line_plot(balance, title="Squared gradients", across="step", up="mean over a window"),
        },
    )


def _miss(found: jax.Array, said: jax.Array, before: jax.Array) -> float:
    return float(jnp.max(jnp.abs(found - said)) / jnp.max(jnp.abs(found - before)))


def equilibrium(steps: int, rate: float = 0.1, decay: float = 0.01, size: int = 64) -> Law:
    """rotational-equilibrium: length and angle of a scale-invariant matrix under weight decay."""
    images, labels = digits()

    def loss(matrix: jax.Array, last: jax.Array, batch: jax.Array) -> jax.Array:
        return cross_entropy((matrix / jnp.linalg.norm(matrix), last), images[batch], labels[batch])

    first, last = network(64, HIDDEN, CLASSES, seed=2)
    last = 3 * last

    def step(matrix: jax.Array, batch: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        gradient = jax.grad(loss)(matrix, last, batch)
        moved = (1 - rate * decay) * matrix - rate * gradient
        lengths = jnp.linalg.norm(matrix), jnp.linalg.norm(moved), jnp.linalg.norm(gradient)
        cosine = jnp.sum(matrix * moved) / (lengths[0] * lengths[1])
        return moved, (*lengths, cosine)

    _, (before, after, slope, cosine) = jax.jit(lambda p: jax.lax.scan(step, p, batches(steps, size)))(first)
    tangent = rate * slope / ((1 - rate * decay) * before)
    angle = jnp.arccos(jnp.clip(cosine, -1, 1))
    at, limit = np.arange(1, steps + 1), math.acos(1 - rate * decay)
    window = max(steps // CHECKPOINTS, 1)
    mean = jnp.mean((slope * before) ** 2)
    # Kept is ‖W‖⁴ of the balance 2λ‖W‖² = η‖g‖², with g = g̃/‖W‖ and g̃ the gradient at length 1.
    rest = (rate * mean / (2 * decay)) ** 0.25
    tail = float(jnp.mean(angle[-steps // 4 :]))
    smooth = np.asarray(angle).reshape(-1, window).mean(1)
    lines = {"training": (at[::window], smooth), "√(2ηλ)": (at[[0, -1]], [limit, limit])}
    lengths = {
        "training": thinned(at, after),
        "(η E‖g̃‖²/2λ)^¼": (at[[0, -1]], [float(rest)] * 2),
    }
    return Law(
        "Norm and angle of a normalised layer under weight decay",
        "W enters as W/‖W‖, so ⟨W, ∇L⟩ = 0, and a step turns W by an angle of tangent η‖g‖/((1 − ηλ)‖W‖), exactly; "
        "where the length no longer changes, the angle is √(2ηλ), whatever the data "
        "([`rotational-equilibrium`](properties.md#rotational-equilibrium)).",
        f"{steps} steps of size {rate}, decay {decay}, batches of {size}. Angles follow the tangent's law to within "
        f"{float(jnp.max(jnp.abs(jnp.tan(angle) - tangent)) / jnp.max(tangent)):.1e} (as an arc cosine leaves them). "
        f"The mean angle of the last quarter is {tail:.4f}, √(2ηλ) is {limit:.4f}; the last length is "
        f"{float(after[-1]):.3f}, that of the mean gradient {float(rest):.3f}.",
        float(jnp.max(jnp.abs(cosine * before * after - (1 - rate * decay) * before**2)) / jnp.max(before**2)),
        {
            "angle": line_plot(lines, title="Angle of a step", across="step", up="radians"),
            "length": line_plot(lengths, title="Length of the layer", across="step", up="‖W‖"),
        },
    )


def margin(steps: int, rate: float = 0.02) -> Law:
    """margin: log(1/L)/‖θ‖^p of a homogeneous network grows once all images are on the right side."""
    images, labels = digits()
    signs = jnp.where(labels < CLASSES // 2, 1.0, -1.0)
    params = network(64, HIDDEN, 1, seed=3)

    def logarithm(params: Params) -> jax.Array:
        return jax.nn.logsumexp(-signs * outputs(params, images)[:, 0])

    def step(params: Params, _: None) -> tuple[Params, tuple[jax.Array, jax.Array]]:
        value, gradient = jax.value_and_grad(logarithm)(params)  # of log L: the flow of L at another speed
        square = sum(jnp.sum(matrix**2) for matrix in params)
        shrink = rate / jnp.sqrt(sum(jnp.sum(g**2) for g in gradient))
        moved = tuple(matrix - shrink * g for matrix, g in zip(params, gradient, strict=True))
        return moved, (value, -value / square)  # p = 2: ‖θ‖^p is the square

    _, (values, margins) = jax.jit(lambda p: jax.lax.scan(step, p, None, length=steps))(params)
    values, margins = np.asarray(values), np.asarray(margins)
    began = int(np.argmax(values < 0)) if (values < 0).any() else steps
    grown = margins[began:]
    fell = float(np.max(np.maximum.accumulate(grown) - grown, initial=0.0) / grown[-1]) if len(grown) else math.inf
    at = np.arange(began, steps)
    return Law(
        "The margin of a homogeneous network",
        "With L = Σ e^(−q) over the images and p = 2 layers, log(1/L)/‖θ‖^p never falls along gradient flow once L < 1 "
        "([`margin`](properties.md#margin)).",
        f"{steps} steps of length {rate} along the gradient flow of L. L falls below 1 at step {began}; from there the "
        f"margin grows from {grown[0]:.3g} to {grown[-1]:.3g}, and is never more than {fell:.1e} of the "
        "last below what it was.",
        0.0 if fell < 1e-2 else math.inf,
        {"margin": line_plot({"log(1/L)/‖θ‖²": thinned(at, grown)}, title="Margin", across="step", up="γ")},
    )


def curvature(steps: int, rate: float = 0.1, size: int = 64) -> Law:
    """layer-spectrum: directions of negative curvature counted, and λ_max beside its lower bound."""
    images, labels = digits()
    params, few = network(64, NARROW, NARROW, CLASSES, seed=4), images[:64]
    flat, back = ravel_pytree(params)
    weights = jnp.asarray(np.random.default_rng(5).normal(size=(len(few), CLASSES)))

    @jax.jit
    def seen(flat: jax.Array) -> tuple[jax.Array, ...]:
        def function(vector: jax.Array) -> jax.Array:
            return outputs(back(vector), few).ravel()

        sign = jnp.sign(jnp.vdot(weights.ravel(), function(flat)))
        bent = jax.hessian(lambda vector: sign * jnp.vdot(weights.ravel(), function(vector)))(flat)
        jacobian, value = jax.jacobian(function)(flat), function(flat)
        bound = jnp.sum(value**2) * sum(1 / jnp.sum(matrix**2) for matrix in back(flat))
        eigenvalues = jnp.linalg.eigvalsh(bent)
        negative = jnp.sum(eigenvalues < -1e-9 * jnp.max(jnp.abs(eigenvalues)))
        return negative, jnp.linalg.norm(jacobian, 2) ** 2, bound

    @jax.jit
    def trained(flat: jax.Array, chosen: jax.Array) -> jax.Array:
        def step(flat: jax.Array, batch: jax.Array) -> tuple[jax.Array, None]:
            return flat - rate * jax.grad(lambda v: cross_entropy(back(v), images[batch], labels[batch]))(flat), None

        return jax.lax.scan(step, flat, chosen)[0]

    window, found = max(steps // CHECKPOINTS, 1), [seen(flat)]
    for chosen in batches(steps, size).reshape(-1, window, size):
        flat = trained(flat, chosen)
        found.append(seen(flat))
    negative, sharpness, bound = (np.asarray(column, float) for column in zip(*found, strict=True))
    at = window * np.arange(len(found))
    least = len(params) - 1
    kept = bool((negative >= least).all() and (sharpness >= bound * (1 - ALLOWED)).all())
    return Law(
        "Negative directions counted, and the sharpness bound",
        "n layers, each homogeneous: the Hessian of ⟨w, f⟩ > 0 has n − 1 directions of negative curvature "
        "or more, and that of ½‖f − f(θ)‖² has λ_max ≥ ‖f‖² Σ 1/‖W_j‖² "
        "([`layer-spectrum`](properties.md#layer-spectrum)).",
        f"Three layers of {len(flat)} parameters, {steps} steps of size {rate}: between {negative.min():.0f} and "
        f"{negative.max():.0f} negative directions at {len(found)} points (2 or more are predicted); λ_max is "
        f"{np.min(sharpness / bound):.2f} to {np.max(sharpness / bound):.2f} times its bound.",
        0.0 if kept else math.inf,
        {
            "directions": line_plot(
                {"counted": (at, negative), "predicted at least": (at[[0, -1]], [least, least])},
                title="Negative directions of ⟨w, f⟩",
                across="step",
                up="number",
            ),
            "sharpness": line_plot(
                {"λ_max": (at, sharpness), "bound": (at, bound)},
                title="Sharpness of ½‖f − f(θ)‖²",
                across="step",
                up="λ",
                logarithmic=True,
            ),
        },
    )


LAWS: tuple[Callable[[int], Law], ...] = (charges, equilibrium, margin, curvature)


def page(found: list[Law]) -> str:
    """docs/laws.md."""
    return "\n".join(_page(found))


def _page(found: list[Law]) -> Iterator[str]:
    yield f"<!-- Written by `{COMMAND}`. Do not edit. -->\n\n# What training does, beside the laws\n"
    yield "Small networks that learn scikit-learn's handwritten digits, in float64. Each law is judged by a property at"
    yield "single steps and points; here whole runs are drawn beside what the law says from the gradients alone.\n"
    for law in found:
        yield f"## {law.title}\n\n{law.claim}\n\n{law.found}\n"
        yield from (f"![{name}](laws/{name}.svg)\n" for name in law.pictures)


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--steps", default=4000, show_default=True, help="Steps of each training; a multiple of 40.")
@click.option("--write", is_flag=True, help="Write docs/laws.md and its pictures.")
def main(steps: int, *, write: bool) -> None:
    """Run every training, and print what was found."""
    with jax.enable_x64(True):
        found = [law(steps) for law in LAWS]
    for law in found:
        click.echo(f"{law.title}\n  {law.found}")
    if write:
        PAGE.write_text(page(found), encoding="utf-8")
        (PAGE.parent / "laws").mkdir(exist_ok=True)
        for name, picture in (item for law in found for item in law.pictures.items()):
            (PAGE.parent / "laws" / f"{name}.svg").write_text(picture, encoding="utf-8")
    missed = [law.title for law in found if not law.miss < ALLOWED]
    if missed:
        msg = f"missed: {', '.join(missed)}"
        raise SystemExit(msg)


if __name__ == "__main__":
    main()
