"""The one place that differentiates: directional derivatives of a pair at a probe, matrix-free.

``Local`` is a function near a point. Its derivative and the derivative's transpose are linear maps, so the Hessian is
the ``push`` of the gradient map's ``Local`` and the second derivative of a model the ``push`` of its first: one idea
serves every order. Nothing here is of size P×P.

Models with a reverse-only derivative rule (``jax.custom_vjp``) refuse forward mode. Their Jacobian products come from
the derivative of the cotangent map w ↦ Jᵀw, which is linear in w and has J as its own transpose; Hessian products are
forward over reverse where the rule allows it and reverse over reverse where it does not.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from eqprop.engine.compiling import jitted
from eqprop.engine.jaxprs import primitives
from eqprop.engine.memory import in_a_scope, remembered
from eqprop.engine.trees import Array, Tree, is_floating
from eqprop.errors import NotDifferentiable


def inner(a: Tree, b: Tree) -> Tree:
    """⟨a, b⟩ over all leaves."""
    products = [jnp.sum(x * y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]
    return sum(products[1:], products[0]) if products else jnp.zeros(())


def inner_magnitude(a: Tree, b: Tree) -> Tree:
    """Σ|aᵢ bᵢ|: the size of the terms that cancel in ⟨a, b⟩."""
    return inner(jax.tree.map(jnp.abs, a), jax.tree.map(jnp.abs, b))


def norm(a: Tree) -> Tree:
    """The Euclidean norm over all leaves."""
    return jnp.sqrt(inner(a, a))


def add(a: Tree, b: Tree) -> Tree:
    """a + b, leaf by leaf."""
    return jax.tree.map(jnp.add, a, b)


def subtract(a: Tree, b: Tree) -> Tree:
    """a − b, leaf by leaf."""
    return jax.tree.map(jnp.subtract, a, b)


def scaled(a: Tree, factor: Array | float) -> Tree:
    """factor · a, leaf by leaf."""
    return jax.tree.map(lambda leaf: leaf * factor, a)


def zeros_like(a: Tree) -> Tree:
    """0, in the structure, shapes and dtypes of a tree."""
    return jax.tree.map(jnp.zeros_like, a)


def in_types_of(example: Tree, given: Tree) -> Tree:
    """A tree in the dtypes of another one: derivatives are taken in the types of the function's own leaves.

    A model may return float32 or bfloat16 whatever it is given, and a leaf of each.
    """

    def cast(like: Tree, leaf: ArrayLike) -> Tree:
        dtype = jnp.result_type(like)
        return leaf if jnp.result_type(leaf) == dtype else jnp.asarray(leaf, dtype)

    return jax.tree.map(cast, example, given)


def gradient(function: Callable[[Tree], Tree]) -> Callable[[Tree], Tree]:
    """x ↦ ∇f(x) of a function with values in ℝ."""
    return jax.grad(function)


def value_and_gradient(
    function: Callable[[Tree], Tree], *, beside: bool = False
) -> Callable[[Tree], tuple[Tree, Tree]]:
    """x ↦ f(x), ∇f(x); with ``beside`` f gives its value and something beside it, which stays beside the value."""
    return jax.value_and_grad(function, has_aux=beside)


def value_and_derivative(function: Callable[[Tree], Tree], at: Tree, tangent: Tree) -> tuple[Tree, Tree]:
    """f(at) and Df(at)·u, where they are asked for once.

    Args:
        function: f, from a tree to a tree.
        at: where: a tree of arrays.
        tangent: u, of the shapes of ``at``.
    """
    return jax.jvp(function, (at,), (tangent,))


def derivative(function: Callable[[Tree], Tree], at: Tree, tangent: Tree) -> Tree:
    """Df(at)·u, likewise.

    Args:
        function: f, from a tree to a tree.
        at: where: a tree of arrays.
        tangent: u, of the shapes of ``at``.
    """
    return value_and_derivative(function, at, tangent)[1]


def is_reverse_only(error: Exception) -> bool:
    """Whether JAX refused a program because forward mode met a ``custom_vjp`` rule.

    Under a trace JAX says so only when the program is lowered, so this cannot be tried where the derivative is taken.
    """
    return "custom_vjp" in str(error) or "custom_lin" in str(error)


NO_DERIVATIVE = ("not support JVP", "ifferentiation rule", "Transpose rule", "Linearization rule", "Reverse-mode diff")
"""What JAX says of an operation (a callback, a loop of unknown length) that has no derivative."""


def has_no_derivative(error: Exception) -> bool:
    """Whether JAX, or who evaluates a part of it, refused a program because something in it has no derivative."""
    if isinstance(error, NotDifferentiable):
        return True
    return isinstance(error, NotImplementedError | ValueError) and any(words in str(error) for words in NO_DERIVATIVE)


def allows_forward(f: Callable[[Tree], Tree], at: Tree) -> bool:
    """Whether forward mode goes through f: no ``custom_vjp`` rule lies on the way of the tangents."""
    jaxpr = jax.make_jaxpr(in_a_scope(lambda at, u: jax.jvp(f, (at,), (u,))[1]))(at, at)
    return not any(name.startswith("custom_lin") for name in primitives(jaxpr))


def double_vjp(f: Callable[[Tree], Tree], at: Tree) -> tuple[Tree, Callable[[Tree], Tree]]:
    """f(at), and u ↦ Df(at)·u as the transpose of the cotangent map w ↦ Df(at)ᵀ·w, which is linear in w."""
    value, pull = jax.vjp(f, at)
    _, transpose = jax.vjp(lambda w: pull(w)[0], zeros_like(value))
    return value, lambda u: transpose(u)[0]


class Local:
    """A function near one point: its value, its derivative and the derivative's transpose, each traced once.

    Args:
        function: of one tree.
        at: the point.
        reverse_only: whether the function may be reverse-only; each derivative is then taken the way that JAX allows.
    """

    def __init__(self, function: Callable[[Tree], Tree], at: Tree, *, reverse_only: bool = False) -> None:
        self.function = function
        self.at = at
        self.reverse_only = reverse_only

    def _near(self, function: Callable[[Tree], Tree]) -> Local:
        return Local(function, self.at, reverse_only=self.reverse_only)

    @remembered
    def _forward(self) -> bool:
        return not self.reverse_only or allows_forward(self.function, self.at)

    @remembered
    def _pushing(self) -> Callable[[Tree], Tree]:
        """u ↦ Df(at)·u, from f's own operations with their derivatives beside them.

        Not by ``jax.linearize``, which traces each operation by itself and takes six times as long. What is computed
        again at each tangent is merged by whoever evaluates it.
        """
        if not self._forward:
            return double_vjp(self.function, self.at)[1]
        moved = jitted(lambda at, tangent: derivative(self.function, at, tangent))
        return lambda tangent: moved(self.at, tangent)

    @remembered
    def _reverse(self) -> tuple[Tree, Callable[[Tree], tuple[Tree]]]:
        return jax.vjp(self.function, self.at)

    @remembered
    def value(self) -> Tree:
        """f(at)."""
        return self.function(self.at)

    @remembered
    def pushes(self) -> bool:
        """Whether JAX has Df(at)·u: not where f has a backward rule alone, and something in that has no transpose."""
        if self._forward:
            return True
        try:
            jax.eval_shape(in_a_scope(lambda at: double_vjp(self.function, at)[1](at)), self.at)
        except Exception as error:
            if not has_no_derivative(error):
                raise
            return False
        return True

    def push(self, tangent: Tree) -> Tree:
        """Df(at)·u."""
        return self._pushing(in_types_of(self.at, tangent))

    def pull(self, cotangent: Tree) -> Tree:
        """Df(at)ᵀ·w."""
        return self.value_and_pull(cotangent)[1]

    def value_and_pull(self, cotangent: Tree) -> tuple[Tree, Tree]:
        """f(at), as it is computed on the way to a derivative, and Df(at)ᵀ·w."""
        value, pull = self._reverse
        return value, pull(in_types_of(value, cotangent))[0]

    def gradient_of(self, loss: Callable[[Tree], Tree]) -> Local:
        """θ ↦ ∇(ℓ∘f)(θ), near the same point: ``value`` is the gradient, ``push`` the Hessian-vector product."""
        return self._near(jitted(jax.grad(lambda at: loss(self.function(at)))))

    def along(self, tangent: Tree) -> Local:
        """θ ↦ Df(θ)·u for a fixed u, near the same point: its ``push`` is the second derivative D²f[u, ·]."""
        tangent = in_types_of(self.at, tangent)
        if self._forward:
            return self._near(lambda at: jax.jvp(self.function, (at,), (tangent,))[1])
        return self._near(lambda at: double_vjp(self.function, at)[1](tangent))

    def against(self, cotangent: Tree) -> Local:
        """θ ↦ Df(θ)ᵀ·w for a fixed w, near the same point: its ``push`` is Σᵢ wᵢ ∇²fᵢ applied to a tangent."""
        return self._near(lambda at: Local(self.function, at).pull(cotangent))


def floats_as(dtype: DTypeLike | None, tree: Tree) -> Tree:
    """The tree with its floating-point leaves in this dtype; integers stay integers."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype if is_floating(leaf) else None), tree)


def _moving(identity: Tree) -> tuple[tuple[Tree, ...], Callable[[Tree], tuple[Tree, ...]], Callable[..., Tree]]:
    """The numbers of a group's identity that move along exp(tξ), how to pick and how to replace them in an element.

    Integers (of a discrete factor) stay what they are.
    """
    # JAX's own arrays: one of NumPy's that a rule of a custom derivative meets is a constant that JAX refuses.
    identity = jax.tree.map(jnp.asarray, identity)
    kept, treedef = jax.tree.flatten(identity)
    floating = [is_floating(leaf) for leaf in kept]

    def floats(element: Tree) -> tuple[Tree, ...]:
        return tuple(leaf for leaf, f in zip(treedef.flatten_up_to(element), floating, strict=True) if f)

    def joined(*moving: Tree) -> Tree:
        given = iter(moving)
        return jax.tree.unflatten(treedef, [next(given) if f else leaf for leaf, f in zip(kept, floating, strict=True)])

    return floats(identity), floats, joined


def generator(action: Callable[[Tree, Tree], Tree], identity: Tree, tangent: Array) -> Callable[[Tree], Tree]:
    """k_ξ: the derivative of g ↦ action(g, ·) at the identity along the tangent of exp(tξ).

    Args:
        action: (g, θ) ↦ K_g θ.
        identity: e, a tree of arrays.
        tangent: of exp(tξ) at e, of its shapes.
    """
    start, floats, joined = _moving(identity)
    return lambda at: jax.jvp(lambda *moving: action(joined(*moving), at), start, floats(tangent))[1]


def bracket(
    compose: Callable[..., Tree], inverse: Callable[..., Tree], identity: Tree, first: Tree, second: Tree
) -> Tree:
    """[ξ, η] in the coordinates of the group's elements: ∂s ∂t g(s) h(t) g(s)⁻¹ at 0, with tangents ξ of g and η of h.

    Only first derivatives in s and in t enter, so any two curves with these tangents serve and no exp is needed.

    Args:
        compose: (g, h) ↦ g h, of elements.
        inverse: g ↦ g⁻¹.
        identity: e: a tree of arrays, as all elements are.
        first: ξ, a tangent at e: of the shapes of e's floating-point leaves.
        second: η, likewise.
    """
    start, floats, joined = _moving(identity)

    def carried(*moving: Tree) -> Tree:
        g = joined(*moving)
        return jax.jvp(lambda *h: floats(compose(compose(g, joined(*h)), inverse(g))), start, floats(second))[1]

    return joined(*jax.jvp(carried, start, floats(first))[1])
