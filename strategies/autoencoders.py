"""Linear autoencoders: plain, with a penalty, and variational with a fixed posterior variance."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.surroundings import Embedded, Shape, batches, examples, shifted, widths


@st.composite
def linear_autoencoders(draw: st.DrawFn, *, least_latent: int = 1, penalty: float = 0.0) -> tuple[int, bool, Embedded]:
    """The latent size, whether the encoder has a bias, and a model that returns reconstructions (and a penalty).

    Shrinks to one feature, the least latent size, no bias, one sample.

    Args:
        draw: of a composite strategy.
        least_latent: the smallest latent size.
        penalty: times the squares of all parameters, as a second output; none at 0.
    """
    features, latent, bias = draw(widths(1, 4)), draw(widths(least_latent, 3)), draw(st.booleans())
    batch, out = draw(batches()), draw(st.booleans())
    shapes: dict[str, Shape] = {"encode": (features, latent), "decode": (latent, features)}
    shapes |= ({"bias": (latent,)} if bias else {}) | ({"shift": (features,)} if out else {})

    def apply(params: Params, x: Array) -> Outputs:
        z = x @ params["encode"]
        z = shifted(z, params["bias"]) if bias else z
        y = z @ params["decode"]
        y = shifted(y, params["shift"]) if out else y
        return (y, penalty * sum(jnp.sum(leaf**2) for leaf in params.values())) if penalty else y

    params, inputs = examples(shapes, (batch, features))
    drawn = {"features": features, "latent": latent, "bias": bias, "output bias": out, "batch": batch}
    return latent, bias, Embedded(apply, params, inputs, drawn)


@st.composite
def linear_vaes(draw: st.DrawFn) -> tuple[int, Embedded]:
    """The latent size and a model that returns all that the evidence bound of a linear VAE is made of.

    The posterior is N(x E, σ² 1) with one trained σ, the prior N(0, 1). The outputs are the reconstruction of the mean,
    the divergence of each sample's posterior from the prior, and σ² ‖D‖², which the noise adds to the squared error.
    """
    features, latent, batch = draw(widths(1, 4)), draw(widths(2, 3)), draw(batches())
    shapes: dict[str, Shape] = {"encode": (features, latent), "decode": (latent, features), "log_sigma": (1,)}

    def apply(params: Params, x: Array) -> Outputs:
        mean, variance = x @ params["encode"], jnp.exp(2 * params["log_sigma"][0])
        divergence = 0.5 * (jnp.sum(mean**2, axis=-1) + latent * (variance - 1 - 2 * params["log_sigma"][0]))
        return mean @ params["decode"], divergence, variance * jnp.sum(params["decode"] ** 2)

    params, inputs = examples(shapes, (batch, features))
    return latent, Embedded(apply, params, inputs, {"features": features, "latent": latent, "batch": batch})
