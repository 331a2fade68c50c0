"""Products of factors: low-rank updates, factorised matrices and tensors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Inputs, Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.surroundings import Block, Embedded, Shape, batches, examples, widths

FROZEN_SEED = 7


def factors() -> st.SearchStrategy[int]:
    """Ranks, and sizes of modes; shrinks to 1."""
    return st.integers(1, 3)


@dataclass(frozen=True)
class LowRank:
    """h W₀ + s (h A) B with a frozen W₀, as in LoRA; the defaults are what it shrinks to.

    Attributes:
        d_in: features that enter.
        rank: of the update.
        d_out: features that leave.
        scale: s.
        frozen: whether there is a W₀.
    """

    d_in: int = 1
    rank: int = 1
    d_out: int = 1
    scale: float = 1.0
    frozen: bool = False

    def block(self) -> Block:
        """``(…, d_in) → (…, d_out)`` with parameters a (d_in, rank) and b (rank, d_out)."""
        weights = np.random.default_rng(FROZEN_SEED).standard_normal((self.d_in, self.d_out)) * self.frozen

        def apply(params: Params, h: Array) -> Outputs:
            return h @ weights + self.scale * (h @ params["a"]) @ params["b"]

        return Block(apply, {"a": (self.d_in, self.rank), "b": (self.rank, self.d_out)}, self.d_in, self.d_out)


@st.composite
def low_ranks(draw: st.DrawFn) -> LowRank:
    """Low-rank updates of a drawn layer."""
    scale = draw(st.sampled_from((1.0, 0.5, 2.0)))
    return LowRank(draw(widths(1, 4)), draw(factors()), draw(widths(1, 4)), scale, draw(st.booleans()))


@dataclass(frozen=True)
class Factorised:
    """A tensor that is a product of factors, seen through linear measurements of it.

    Attributes:
        name: of the factorisation.
        factors: shape of each factor, by name.
        subscripts: of the product, as in ``einsum``, the factors in this order.
        shape: of the tensor.
        measurements: how many.
    """

    name: str
    factors: Mapping[str, Shape]
    subscripts: str
    shape: Shape
    measurements: int = 1

    def net(self, own: Mapping[str, Hashable]) -> Embedded:
        """⟨x, product of the factors⟩ for a batch of tensors x."""
        names = tuple(self.factors)

        def apply(params: Params, inputs: Inputs) -> Outputs:
            tensor = jnp.einsum(self.subscripts, *(params[name] for name in names))
            return jnp.tensordot(inputs, tensor, len(self.shape))

        params, example = examples(dict(self.factors), (self.measurements, *self.shape))
        return Embedded(apply, params, example, {**own, "measurements": self.measurements})


def measurements() -> st.SearchStrategy[int]:
    """How many measurements of a tensor are seen; shrinks to 1."""
    return batches()


MODES = st.tuples(factors(), factors(), factors())


@st.composite
def matrices(draw: st.DrawFn, *, symmetric: bool = False) -> tuple[int, Embedded]:
    """The rank and the model of U Vᵀ, or of U Uᵀ."""
    d, e, rank, seen = draw(widths(1, 4)), draw(widths(1, 4)), draw(widths(1 + symmetric, 3)), draw(measurements())
    if symmetric:
        net = Factorised("symmetric", {"u": (d, rank)}, "ir,jr->ij", (d, d), seen)
        return rank, _squared(net, {"rows": d, "rank": rank})
    net = Factorised("matrix", {"u": (d, rank), "v": (e, rank)}, "ir,jr->ij", (d, e), seen)
    return rank, net.net({"rows": d, "columns": e, "rank": rank})


def _squared(factorised: Factorised, own: Mapping[str, Hashable]) -> Embedded:
    """The product of one factor with itself."""
    twice = Factorised(
        factorised.name,
        {**factorised.factors, "again": factorised.factors["u"]},
        factorised.subscripts,
        factorised.shape,
        factorised.measurements,
    ).net(own)
    params = {"u": twice.params["u"]}
    return twice._replace(apply=lambda params, x: twice.apply({**params, "again": params["u"]}, x), params=params)


@st.composite
def canonical(draw: st.DrawFn) -> tuple[int, Embedded]:
    """The rank and the model of a CP decomposition: a sum of outer products of three vectors."""
    modes, rank, seen = draw(MODES), draw(factors()), draw(measurements())
    shapes = {name: (size, rank) for name, size in zip("abc", modes, strict=True)}
    return rank, Factorised("cp", shapes, "ir,jr,kr->ijk", modes, seen).net({"modes": modes, "rank": rank})


@st.composite
def tucker(draw: st.DrawFn) -> tuple[tuple[int, int], Embedded]:
    """The inner sizes and the model of a Tucker decomposition of a matrix-valued map: a core between two factors."""
    d, e, p, q, seen = draw(factors()), draw(factors()), draw(factors()), draw(factors()), draw(measurements())
    shapes = {"core": (p, q), "left": (d, p), "right": (e, q)}
    net = Factorised("tucker", shapes, "pq,ip,jq->ij", (d, e), seen)
    return (p, q), net.net({"modes": (d, e), "core": (p, q)})


@st.composite
def tensor_trains(draw: st.DrawFn) -> tuple[tuple[int, int], Embedded]:
    """The bonds and the model of a tensor train of three cores."""
    modes, left, right, seen = draw(MODES), draw(factors()), draw(factors()), draw(measurements())
    shapes = {"first": (modes[0], left), "middle": (left, modes[1], right), "last": (right, modes[2])}
    net = Factorised("tensor-train", shapes, "ip,pjq,qk->ijk", modes, seen)
    return (left, right), net.net({"modes": modes, "bonds": (left, right)})
