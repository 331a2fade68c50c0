"""The optimisers of the table: how each is made, and from which linear maps its step cannot tell the moved gradient.

The predictions are derived, not fitted. With u(θ) the step and A the linear part of K_g:

- gradient descent, momentum, Nesterov: u is a sum of past gradients, each A⁻ᵀ∇L at the moved parameters. That is A u
  for A⁻ᵀ = A, so for every orthogonal A. Clipping by the global norm multiplies it by a function of ‖∇L‖, which an
  orthogonal A keeps.
- Muon: an odd polynomial p(G) = c G + c′ GGᵀG + … of each matrix, divided by ‖G‖: p(AGB) = A p(G) B for orthogonal A
  and B. Shampoo: powers of GGᵀ and GᵀG. Neither survives a map that mixes two tensors. (Muon gives vectors to Adam.)
- Adam, AdamW, Lion, sign descent, RMSProp, AdaGrad, clipping by value: φ(−a) = −φ(a), entry by entry, with moments
  that move along: every permutation and every change of signs of the entries. A rotation mixes entries before φ.
- Adafactor divides entry by entry (below 128 rows; factored moments beyond, which permutations move along), clips by
  the RMS of a tensor and scales by the RMS of its parameters, which permutations within it and signs keep.
- Newton without damping: H(K_gθ)⁻¹∇L(K_gθ) = (A⁻ᵀHA⁻¹)⁻¹A⁻ᵀ∇L = A H⁻¹∇L for every invertible A.
- A scale-invariant block, A = c: ∇L(cW) = ∇L(W)/c, and u(cW) must be c u(W), as Newton's is. Gradient descent has u/c,
  Adam u; Adafactor has c u as well, but for tensors that are smaller than the 1e-3 that it takes them to be at least.
  What they have instead: (η, λ, W) ~ (c²η, λ/c², cW) for gradient descent, (cη, λ/c, cW) where u does not see ‖∇L‖.
- Weight decay −ηλθ is linear, so every linear K commutes with it. A translation does not: A = 1 leaves the step as it
  is, while K_g moves θ. Whatever looks at θ itself is told apart by a translation, and nothing else is.

Charges: Q(θ + u) − Q(θ) = ⟨u, k⟩ + ½⟨u, A u⟩ exactly, and ⟨∇L, k⟩ = 0. The first term vanishes at every step where u is
along the gradient (gradient descent, also clipped by its norm). Of a scale-invariant block it is ⟨u, W⟩: only where it
vanishes ⟨W, W⁺⟩ = (1 − ηλ)‖W‖² (``rotational-equilibrium``), and so it does for no other. Of a translation k is one
constant vector, so sums of past gradients will do (momentum, Nesterov), and so do p(G) and L^(−¼)G R^(−¼) where the
translation adds the same row to a whole matrix (1ᵀG = 0 gives 1ᵀp(G) = 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from eqprop.engine import Tree
from eqprop.errors import InvalidInput
from eqprop.optimizers import preconditioners

if TYPE_CHECKING:
    import optax


class Maps(IntEnum):
    """Kinds of linear maps on parameters, each a part of the next."""

    SIGNED = 1
    """Permutations of the units, with signs."""
    SIDES = 2
    """An orthogonal matrix on each side of each matrix."""
    ORTHOGONAL = 3
    INVERTIBLE = 4


@dataclass(frozen=True)
class Row:
    """One optimiser of the table.

    Attributes:
        name: as in the table.
        make: makes it.
        commutes: the largest kind of maps that its step commutes with; None where nothing is predicted.
        looks: whether its step depends on θ other than through gradients, so that translations are told apart.
        along: of a translation, whether the step is orthogonal to it, as gradients are.
        gradient: whether the step is along the gradient, so that every charge moves at second order only.
        hessian: whether it solves with the Hessian, which is singular where a translation leaves the loss.
        charge: what happens to the charges, in a few words.
        address: where a replay finds it, if not in this file.
        refuses: whether it may refuse some parameters: nobody chose it for these.
    """

    name: str
    make: Callable[[], Tree]
    commutes: Maps | None = None
    looks: bool = False
    along: bool = False
    gradient: bool = False
    hessian: bool = False
    charge: str = "moves at first order: u is not along ∇L"
    address: str = ""
    refuses: bool = False

    @property
    def found_at(self) -> str:
        """Where a replay finds it."""
        return self.address or f"{__name__}:{self.make.__name__}"

    def predicts(self, maps: Maps | None) -> bool | None:
        """Whether its step commutes with such maps (None: with translations)."""
        if self.commutes is None:
            return None
        return not self.looks if maps is None else self.commutes >= maps

    def predicts_charge(self, maps: Maps | None) -> bool | None:
        """Whether charges of such maps move at second order only (of translations: not at all)."""
        if self.commutes is None:
            return None
        return self.along if maps is None else self.gradient


def require_optax() -> Tree:
    """The module.

    Raises:
        InvalidInput: where it is not installed, saying how to.
    """
    try:
        import optax
    except ModuleNotFoundError as error:
        msg = "optax is not installed, and most optimisers of the table are optax's; pip install 'eqprop[optimizers]'."
        raise InvalidInput(msg) from error
    return optax


RATE = 0.01
BOUND = 0.005
"""At which gradients are clipped: below most of them, so that clipping is what is verified."""


def sgd() -> optax.GradientTransformation:
    """Gradient descent."""
    return require_optax().sgd(RATE)


def momentum() -> optax.GradientTransformation:
    """Heavy ball."""
    return require_optax().sgd(RATE, momentum=0.9)


def nesterov() -> optax.GradientTransformation:
    """Nesterov's momentum."""
    return require_optax().sgd(RATE, momentum=0.9, nesterov=True)


def adam() -> optax.GradientTransformation:
    """Adam."""
    return require_optax().adam(RATE)


def adamw() -> optax.GradientTransformation:
    """Adam with decoupled weight decay."""
    return require_optax().adamw(RATE, weight_decay=0.1)


def lion() -> optax.GradientTransformation:
    """Lion, with the weight decay that optax gives it."""
    return require_optax().lion(RATE)


def sign_descent() -> optax.GradientTransformation:
    """The sign of the gradient."""
    return require_optax().sign_sgd(RATE)


def rmsprop() -> optax.GradientTransformation:
    """RMSProp."""
    return require_optax().rmsprop(RATE)


def adagrad() -> optax.GradientTransformation:
    """AdaGrad."""
    return require_optax().adagrad(RATE)


def adafactor() -> optax.GradientTransformation:
    """Adafactor, which scales by the size of the parameters."""
    return require_optax().adafactor(RATE)


def muon() -> optax.GradientTransformation:
    """Muon."""
    return require_optax().contrib.muon(RATE)


def shampoo() -> preconditioners.GradientTransformation:
    """Shampoo, full-matrix, of our own."""
    return preconditioners.shampoo(RATE)


def newton() -> preconditioners.GradientTransformation:
    """Newton's method without damping, of our own."""
    return preconditioners.newton(10 * RATE)


def clip_by_norm() -> optax.GradientTransformation:
    """Gradient descent, the gradient clipped by its norm over all parameters."""
    optax = require_optax()
    return optax.chain(optax.clip_by_global_norm(BOUND), optax.sgd(RATE))


def clip_by_value() -> optax.GradientTransformation:
    """Gradient descent, each entry of the gradient clipped."""
    optax = require_optax()
    return optax.chain(optax.clip(BOUND), optax.sgd(RATE))


_PAST = "moves at second order: ⟨g_s, k(θ_t)⟩ = O(η) for s < t"
_EXACT = "½η²⟨∇L, A∇L⟩ a step, exactly"

ROWS: tuple[Row, ...] = (
    Row("sgd", sgd, Maps.ORTHOGONAL, along=True, gradient=True, charge=_EXACT),
    Row("momentum", momentum, Maps.ORTHOGONAL, along=True, charge=_PAST),
    Row("nesterov", nesterov, Maps.ORTHOGONAL, along=True, charge=_PAST),
    Row("adam", adam, Maps.SIGNED),
    Row("adamw", adamw, Maps.SIGNED, looks=True, charge="moves at first order, and decays"),
    Row("lion", lion, Maps.SIGNED, looks=True, charge="moves at first order, and decays"),
    Row("sign descent", sign_descent, Maps.SIGNED),
    Row("rmsprop", rmsprop, Maps.SIGNED),
    Row("adagrad", adagrad, Maps.SIGNED),
    Row("adafactor", adafactor, Maps.SIGNED, looks=True),
    Row("muon", muon, Maps.SIDES, along=True),
    Row("shampoo", shampoo, Maps.SIDES, along=True),
    Row("newton", newton, Maps.INVERTIBLE, hessian=True, charge="moves at first order; ⟨u, A∇L⟩ = 0 instead"),
    Row("clip by norm", clip_by_norm, Maps.ORTHOGONAL, along=True, gradient=True, charge=_EXACT.replace("∇L", "cg")),
    Row("clip by value", clip_by_value, Maps.SIGNED),
)
