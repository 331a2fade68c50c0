"""Each property's two sides against the formula written out with dense Jacobians and Hessians.

The pairs are not equivariant: the two sides differ, so that a side computed from the other, or from the composed map,
shows. That each property holds where the premise does, is tested below on pairs that are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.claims import unmoved
from eqprop.engine import compiler_options
from eqprop.evaluation import Program, applicable
from eqprop.groups import LieGroup
from eqprop.probes import Loss, output_shapes, probes_of
from eqprop.probes.losses import EXPONENTIAL, SMOOTH
from eqprop.properties import CORE, LIBRARY, Point, by_name
from eqprop.properties.parts import irregular

FIELDS = frozenset(eqprop.Probe.__dataclass_fields__) - {"involution"}  # scalings have none
OF_CALCULUS = {"derivative", "input-derivative", "hessian-symmetry"}
OF_DEFECTS = {"near-equivariance", "defect", "defect-curvature"}
ALONG_SEGMENTS = {*OF_CALCULUS, "hessian-integral"}
COMPARED = (
    *(prop for prop in CORE if prop.name not in OF_CALCULUS | OF_DEFECTS),
    *(by_name(name) for name in ("bracket", "critical-orbit", "third-order", "order-4")),
)
"""The others are compared with dense matrices in test_derivatives.py, test_defects.py, test_consequences.py and
test_dynamics.py."""

# -- pairs that are not equivariant -----------------------------------------------------------------------------------


def curved(params: Any, inputs: Any) -> Any:
    hidden = jnp.tanh(inputs["x"] @ params["b"]) + 0.1 * inputs["i"][:, None]
    return {"y": hidden @ params["a"], "z": params["n"] * jnp.sum(params["a"] ** 3)}


def large(params: Any, inputs: Any) -> Any:
    return jax.tree.map(lambda y: 30.0 * y, curved(params, inputs))


@jax.custom_vjp
def cubed(x: Any) -> Any:
    return x**3


cubed.defvjp(lambda x: (x**3, x), lambda x, w: (3 * x**2 * w,))


def reverse_only(params: Any, inputs: Any) -> Any:
    return {**curved(params, inputs), "z": jnp.sum(cubed(params["b"])) + params["n"] * jnp.sum(cubed(params["a"]))}


def its_twin(params: Any, inputs: Any) -> Any:
    """What ``reverse_only`` computes, in a form that the oracle can differentiate in forward mode."""
    return {**curved(params, inputs), "z": jnp.sum(params["b"] ** 3) + params["n"] * jnp.sum(params["a"] ** 3)}


def bent(g: Any, params: Any) -> Any:
    """Nonlinear in θ, and not the identity at the identity."""
    return {
        "a": params["a"] * g + 0.3 * g**2 * params["a"] ** 2,
        "b": jnp.sin(params["b"]) / g[:, None],
        "n": params["n"],
    }


def bent_outputs(g: Any, y: Any) -> Any:
    return {"y": y["y"] * g[0] + 0.2 * g[1] * y["y"] ** 2, "z": y["z"] - y["z"] ** 2 * g[0]}


def bent_inputs(g: Any, x: Any) -> Any:
    return {"x": x["x"] * g[None] + 0.2 * g[0] * x["x"] ** 2, "i": x["i"]}


def folded(g: Any, params: Any) -> Any:
    return {"v": (params["a"][:, None] * params["b"]).T * g[None], "w": jnp.exp(params["a"])}


def after_folding(params: Any, inputs: Any) -> Any:
    return {"y": jnp.sin(inputs["x"] @ params["v"]) @ params["w"], "z": jnp.sum(params["v"] ** 2 @ params["w"])}


PARAMS = {"a": np.array([0.7, -0.4]), "b": np.array([[0.5, -1.1], [0.3, 0.8]]), "n": np.array(2, np.int32)}
INPUTS = {"x": np.array([[0.2, -0.6], [1.0, 0.4], [-0.3, 0.9]]), "i": np.array([0, 2, 1], np.int32)}


def generic(apply: Callable[..., Any] = curved, **actions: Any) -> eqprop.Pair:
    model = eqprop.Model(apply, PARAMS, INPUTS, name=apply.__name__)
    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(2), bent, isometry=True, **actions))


def conversion() -> eqprop.Pair:
    target = eqprop.Model(after_folding, {"v": np.zeros((2, 2)), "w": np.zeros(2)}, INPUTS)
    transformation = eqprop.Transformation(groups.Scaling(2), folded, isometry=True, on_outputs=bent_outputs)
    model = eqprop.Model(curved, PARAMS, INPUTS, loss=lambda y: jnp.sum(jnp.cosh(y["y"] - 0.3)) * y["z"])
    return eqprop.Pair(model, transformation, target)


CASES: dict[str, tuple[Callable[[], eqprop.Pair], Loss]] = {
    "T = id, X = id": (generic, SMOOTH),
    "T ≠ id, X ≠ id": (lambda: generic(on_outputs=bent_outputs, on_inputs=bent_inputs), SMOOTH),
    "two models and a loss of their own": (conversion, SMOOTH),
    "T ≠ id, outputs too large for an exponential": (lambda: generic(large, on_outputs=bent_outputs), EXPONENTIAL),
    "reverse-only, X ≠ id": (lambda: generic(reverse_only, on_inputs=bent_inputs), SMOOTH),
    "reverse-only, T = id": (lambda: generic(reverse_only), SMOOTH),
}


# -- the dense oracle -------------------------------------------------------------------------------------------------


class Dense:
    """f, f′, K, T, X, ℓ as functions of flat vectors at a probe; derivatives are whole matrices."""

    def __init__(self, pair: eqprop.Pair, probe: eqprop.Probe, loss: Loss) -> None:
        source, image, floats = pair.model.param_leaves, pair.image.param_leaves, pair.model.input_leaves
        t = pair.transformation
        self.pair, self.probe, self.group = pair, probe, t.group
        apply = its_twin if pair.model.apply is reverse_only else pair.model.apply
        self.theta, theta_tree = ravel_pytree(probe.params)
        self.x, x_tree = ravel_pytree(floats.split(probe.inputs))
        y_example = apply(source.join(probe.params), probe.inputs)
        y_tree = ravel_pytree(y_example)[1]
        integers = floats.treedef.flatten_up_to(probe.inputs)

        def inputs(x: Any) -> Any:
            given = iter(x_tree(x))
            leaves = [next(given) if f else leaf for leaf, f in zip(integers, floats.floating, strict=True)]
            return jax.tree.unflatten(floats.treedef, leaves)

        image_tree = ravel_pytree(image.split(pair.image.params))[1]
        self.F = lambda p, x: ravel_pytree(apply(source.join(theta_tree(p)), inputs(x)))[0]
        self.F_image = lambda p, x: ravel_pytree(pair.image.apply(image.join(image_tree(p)), inputs(x)))[0]
        self.K = lambda g, p: ravel_pytree(image.split(t.on_params(g, source.join(theta_tree(p)))))[0]
        self.T = lambda g, y: ravel_pytree(t.on_outputs(g, y_tree(y)))[0]
        self.X = lambda g, x: ravel_pytree(floats.split(t.on_inputs(g, inputs(x))))[0]
        self.y = self.F(self.theta, self.x)
        moved = self.T(probe.element, self.y) if t.moves_outputs else self.y
        largest = jnp.maximum(jnp.max(jnp.abs(self.y)), jnp.max(jnp.abs(moved)))
        scale = jax.lax.stop_gradient(jnp.where(largest > 8.0, largest, 1.0))
        own = pair.model.loss
        self.loss = (lambda y: own(y_tree(y))) if own else lambda y: loss(y_tree(y / scale), probe.targets)
        self.u, self.v, self.w = (ravel_pytree(f)[0] for f in (probe.tangent, probe.tangent2, probe.cotangent))

    def along(self, action: Callable[..., Any], algebra: Any, at: Any) -> Any:
        """d/dt action(exp(tξ), at) at t = 0."""
        assert isinstance(self.group, LieGroup)
        exp = self.group.exp
        return jax.jacfwd(lambda t: action(exp(t * algebra), at))(0.0)


def dense_sides(pair: eqprop.Pair, probe: eqprop.Probe, loss: Loss) -> dict[str, tuple[Any, Any]]:
    """The formulas of every property, in whole matrices."""
    d = Dense(pair, probe, loss)
    g, theta, x, y, u, v, w = probe.element, d.theta, d.x, d.y, d.u, d.v, d.w
    jac, hess = jax.jacrev, lambda f: jax.jacfwd(jax.jacrev(f))
    moved, moved_x = d.K(g, theta), d.X(g, x)

    def f_image(p):
        return d.F_image(p, moved_x)

    def f(p):
        return d.F(p, x)

    act, out = lambda p: d.K(g, p), lambda z: d.T(g, z)
    y_image, j, j_image, dk, dt = f_image(moved), jac(f)(theta), jac(f_image)(moved), jac(act)(theta), jac(out)(y)
    gradient_image = jac(lambda p: d.loss(f_image(p)))(moved)
    hessian_image = hess(lambda p: d.loss(f_image(p)))(moved)

    def expected(p):
        return d.loss(out(f(p)))

    ggn_moved = (dt @ j).T @ hess(d.loss)(out(y)) @ dt @ j
    ggn_image = j_image.T @ hess(d.loss)(y_image) @ j_image
    sides = {
        "equivariance": (y_image, out(y)),
        "jacobian-covariance": (
            jnp.concatenate([j_image @ dk @ u, dk.T @ j_image.T @ w]),
            jnp.concatenate([dt @ j @ u, j.T @ dt.T @ w]),
        ),
        "gradient-covariance": (dk.T @ gradient_image, jac(expected)(theta)),
        "hessian-covariance": (
            dk.T @ hessian_image @ dk @ u + jnp.einsum("i,ijk,k->j", gradient_image, hess(act)(theta), u),
            hess(expected)(theta) @ u,
        ),
        "model-second-order": (
            jnp.einsum("oij,i,j->o", hess(f_image)(moved), dk @ u, dk @ v)
            + j_image @ jnp.einsum("oij,i,j->o", hess(act)(theta), u, v),
            jnp.einsum("oij,i,j->o", hess(out)(y), j @ u, j @ v) + dt @ jnp.einsum("oij,i,j->o", hess(f)(theta), u, v),
        ),
        "gauss-newton-covariance": (dk.T @ ggn_image @ dk @ u, ggn_moved @ u),
        "tangent-kernel-covariance": (
            jnp.concatenate([j_image @ j_image.T @ w, dk @ dk.T @ dk @ u]),
            jnp.concatenate([dt @ j @ j.T @ dt.T @ w, dk @ u]),
        ),
    }
    sides |= dense_input_sides(d)
    if pair.target is not None:
        return sides
    sides["critical-orbit"] = dense_critical_orbit(d, f, f_image, act)
    return {**sides, **dense_generator_sides(d), **dense_higher_sides(d), **dense_laws(d)}


def dense_input_sides(d: Dense) -> dict[str, tuple[Any, Any]]:
    """Derivatives in the inputs, and in inputs and parameters: whole matrices of the loss as a function of both."""
    jac, g = jax.jacrev, d.probe.element
    act, move, out = (lambda at, a=a: a(g, at) for a in (d.K, d.X, d.T))
    theta, x, u, v = d.theta, d.x, d.u, irregular(d.x)
    dk, dx, dt = jac(act)(theta), jac(move)(x), jac(out)(d.y)
    there, here = jac(d.F_image, 1)(act(theta), move(x)), jac(d.F, 1)(theta, x)
    mixed = lambda of: jac(jac(of, 0), 1)  # noqa: E731
    m_there = mixed(lambda p, z: d.loss(d.F_image(p, z)))(act(theta), move(x))
    m_here = mixed(lambda p, z: d.loss(out(d.F(p, z))))(theta, x)
    return {
        "input-covariance": (
            jnp.concatenate([there @ dx @ v, dx.T @ there.T @ d.w]),
            jnp.concatenate([dt @ here @ v, here.T @ dt.T @ d.w]),
        ),
        "mixed-covariance": (
            jnp.concatenate([dk.T @ m_there @ dx @ v, dx.T @ m_there.T @ dk @ u, (u @ m_here @ v)[None]]),
            jnp.concatenate([m_here @ v, m_here.T @ u, (v @ m_here.T @ u)[None]]),
        ),
    }


def dense_critical_orbit(d: Dense, f: Any, f_image: Any, act: Any) -> tuple[Any, Any]:
    jac, targets = jax.jacrev, f(d.theta)
    hess = lambda g: jax.jacfwd(jax.jacrev(g))  # noqa: E731
    there, here = (lambda p, g=g: 0.5 * jnp.sum((g(p) - targets) ** 2) for g in (f_image, f))
    moved, dk = act(d.theta), jac(act)(d.theta)
    lhs = jnp.concatenate([dk.T @ jac(there)(moved), dk.T @ hess(there)(moved) @ dk @ d.u])
    return lhs, jnp.concatenate([jnp.zeros_like(d.u), hess(here)(d.theta) @ d.u])


def dense_higher_sides(d: Dense) -> dict[str, tuple[Any, Any]]:
    """Where X = id: derivatives of the Noether identity along u, of the whole product."""
    jac = jax.jacfwd
    xi, eta, u = d.probe.algebra, d.probe.algebra2, d.u

    def field(algebra, p):
        return d.along(d.K, algebra, p)

    def rate(algebra, z):
        return jac(d.loss)(z) @ d.along(d.T, algebra, z)

    def total(p):
        return d.loss(d.F(p, d.x))

    def defect(p):  # of the Noether identity; its gradient is that of the second order
        return jac(total)(p) @ field(xi, p)

    def along(g, times):
        for _ in range(times):
            g = lambda p, g=g: jac(g)(p) @ u  # noqa: E731
        return g(d.theta)

    k, k2 = field(xi, d.theta), field(eta, d.theta)
    commutator = jac(lambda p: field(eta, p))(d.theta) @ k - jac(lambda p: field(xi, p))(d.theta) @ k2
    turned = [jac(lambda z, a=a: rate(a, z))(d.y) @ d.along(d.T, b, d.y) for a, b in ((eta, xi), (xi, eta))]
    return {
        # Scalings commute: the algebra's bracket is 0.
        "bracket": (
            jnp.concatenate([commutator, (jac(total)(d.theta) @ commutator)[None]]),
            jnp.concatenate([jnp.zeros_like(commutator), (turned[0] - turned[1])[None]]),
        ),
        **{
            name: (along(jac(defect), times), along(jac(lambda p: rate(xi, d.F(p, d.x))), times))
            for name, times in (("third-order", 1), ("order-4", 2))
        },
    }


def dense_generator_sides(d: Dense) -> dict[str, tuple[Any, Any]]:
    theta, x, y = d.theta, d.x, d.y
    jac = jax.jacfwd
    xi, eta = d.probe.algebra, d.probe.algebra2
    k, k2, chi = d.along(d.K, xi, theta), d.along(d.K, eta, theta), d.along(d.X, xi, x)
    tau, tau2 = d.along(d.T, xi, y), d.along(d.T, eta, y)

    def total(p, z):
        return d.loss(d.F(p, z))

    gradient, hessian = jac(total)(theta, x), jac(jac(total))(theta, x)
    mixed = jac(jac(total), 1)(theta, x)
    j, j_x, dk = jac(d.F)(theta, x), jac(d.F, 1)(theta, x), jac(lambda p: d.along(d.K, xi, p))(theta)

    def rate(z):
        return jac(d.loss)(z) @ d.along(d.T, xi, z)

    dchi = jac(lambda z: d.along(d.X, xi, z))(x)
    bent = j.T @ jac(jac(d.loss))(y)
    return {
        "jacobian-generator": (j @ k + j_x @ chi, tau),
        "noether": (gradient @ k + jac(total, 1)(theta, x) @ chi, jac(d.loss)(y) @ tau),
        "hessian-generator": (hessian @ k + mixed @ chi + dk.T @ gradient, jac(lambda p: rate(d.F(p, x)))(theta)),
        "orbit-curvature": (k2 @ hessian @ k, jac(rate)(y) @ tau2 - gradient @ dk @ k2),
        "gauss-newton-null": (bent @ j @ k, bent @ tau),
        "data-sensitivity": (
            mixed.T @ k + jac(jac(total, 1), 1)(theta, x) @ chi + dchi.T @ jac(total, 1)(theta, x),
            jac(lambda z: rate(d.F(theta, z)))(x),
        ),
    }


def dense_laws(d: Dense) -> dict[str, tuple[Any, Any]]:
    t = d.pair.transformation
    g, h, e = d.probe.element, d.probe.element2, d.group.identity()
    product = g * h  # of scalings
    acting = [(d.K, d.theta)] + [(d.T, d.y)] * t.moves_outputs + [(t.on_inputs, d.probe.inputs)] * t.moves_inputs
    lhs = [side for act, at in acting for side in (act(e, at), act(g, act(h, at)))]
    rhs = [side for act, at in acting for side in (at, act(product, at))]
    unmoved = np.zeros(2)  # of the one integer, at the identity and composed: nothing differs
    lhs, rhs = ([*side[:2], unmoved, *side[2:]] for side in (lhs, rhs))
    return {"group-laws": (ravel_pytree(lhs)[0], ravel_pytree(rhs)[0])}


@pytest.mark.parametrize("case", ["T = id, X = id", "T ≠ id, X ≠ id"])
def test_a_property_alone_reads_no_other_field_of_the_probe_than_it_declares(case: str, float64: None):
    make, loss = CASES[case]
    pair = make()
    for prop in (*applicable(pair, LIBRARY), by_name("order-4")):
        rng, shapes = np.random.default_rng(0), output_shapes(pair, "float64")
        probe = probes_of(pair, loss, shapes, prop.needs, rng, 1).at(0)
        parts = jax.eval_shape(lambda at, prop=prop: [part.lhs for part in prop.sides(Point(pair, at, loss))], probe)
        assert jax.tree.leaves(parts), prop.name


MOST = [pytest.param(case, marks=[pytest.mark.slow] * (case == "reverse-only, T = id")) for case in CASES]
"""The one that is slow has the derivatives of another case and the transformation of a third."""


@pytest.mark.parametrize("case", MOST)
def test_the_sides_of_every_property_are_those_of_the_dense_formula(case: str, float64: None):
    make, loss = CASES[case]
    pair = make()
    properties = applicable(pair, COMPARED)
    program = Program(pair, properties, loss)
    rng = np.random.default_rng(7)
    probes = probes_of(pair, loss, output_shapes(pair, "float64"), FIELDS, rng, 3)
    elements = pair.transformation.group.sample_many(rng, np.full(3, 0.05))
    probes = eqprop.Probe(**{**vars(probes), "element": elements, "element2": elements[::-1]})
    probes = program.cast(probes)
    found, judged = program.evaluate(probes.only(program.needed)), program.judge(probes.only(program.needed), rng)
    expected = jax.jit(jax.vmap(lambda p: dense_sides(pair, p, loss)), compiler_options=compiler_options())(probes)
    assert program.reverse_only == case.startswith("reverse-only")
    for prop in properties:
        lhs, rhs, *_ = found[prop.name]
        for side, dense in zip((lhs, rhs), expected[prop.name], strict=True):
            # Sums of a few hundred terms in float64: far below 1e-11 of the largest; a wrong term is of its size.
            np.testing.assert_allclose(side, in_order(dense, side), atol=1e-11 * np.abs(dense).max(initial=1.0), rtol=0)
        if prop.name == "bracket":  # the generators of diagonal scalings commute, whatever they scale
            continue
        assert (np.abs(lhs - rhs).max(axis=1) > 1e-3).all(), (
            f"{prop.name}: the sides agree where nothing is equivariant"
        )
        assert judged[prop.name].suspect.any(), f"{prop.name}: judged to hold where nothing is equivariant"


def in_order(dense: Any, side: np.ndarray) -> np.ndarray:
    assert dense.reshape(len(side), -1).shape == side.shape
    return np.asarray(dense).reshape(side.shape)


def test_every_property_is_among_those_compared():
    compared = {p.name for make, _ in CASES.values() for p in applicable(make(), COMPARED)}
    assert compared == {p.name for p in COMPARED}
    assert {p.name for p in set(CORE) - set(COMPARED)} == OF_CALCULUS | OF_DEFECTS


# -- pairs that are equivariant ---------------------------------------------------------------------------------------


def linear_gl() -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: x @ p["w1"] @ p["w2"],
        {"w1": np.ones((2, 2)), "w2": np.ones((2, 2))},
        np.ones((3, 2)),
        trained=False,
    )
    return eqprop.Pair(model, eqprop.hidden_units(groups.GeneralLinear(2), writes={"w1": 1}, reads={"w2": 0}))


def homogeneous() -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: (x @ p["w1"]) ** 2 @ p["w2"],
        {"w1": np.ones((2, 3)), "w2": np.ones((3, 2))},
        np.ones((3, 2)),
        trained=False,
    )

    def grow(c, p):
        return jax.tree.map(lambda leaf: leaf * c[0], p)

    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), grow, lambda c, y: y * c[0] ** 3))


def sheared() -> eqprop.Pair:
    """K nonlinear: f depends on p + q² alone."""
    model = eqprop.Model(
        lambda p, x: jnp.sin(x @ (p["p"] + p["q"] ** 2)),
        {"p": np.ones(2), "q": np.ones(2)},
        np.ones((3, 2)),
        trained=False,
    )

    def act(g, p):
        return {"p": p["p"] + p["q"] ** 2 - (g * p["q"]) ** 2, "q": g * p["q"]}

    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(2), act))


def powers() -> eqprop.Pair:
    """T nonlinear: exp(x·cw) = exp(x·w)^c."""
    model = eqprop.Model(lambda p, x: jnp.exp(0.1 * x @ p), np.ones(2), np.ones((3, 2)), trained=False)
    small = groups.Scaling(1)
    return eqprop.Pair(model, eqprop.Transformation(small, lambda c, p: c[0] * p, lambda c, y: y ** c[0]))


def scaled_inputs() -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["w"]) @ p["a"],
        {"w": np.ones((2, 3)), "a": np.ones(3)},
        np.ones((3, 2)),
        trained=False,
    )

    def act(c, p):
        return {**p, "w": p["w"] / c[:, None]}

    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(2), act, on_inputs=lambda c, x: x * c[None]))


def everything_moves() -> eqprop.Pair:
    model = eqprop.Model(lambda p, x: (x @ p) ** 2, np.ones((2, 3)), np.ones((3, 2)), trained=False)

    def act(c, p):
        return p / c[0]

    return eqprop.Pair(
        model, eqprop.Transformation(groups.Scaling(1), act, lambda c, y: c[0] ** 2 * y, lambda c, x: c[0] ** 2 * x)
    )


def rotated_readout() -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["w"]) @ p["a"],
        {"w": np.ones((2, 3)), "a": np.ones((3, 2))},
        np.ones((3, 2)),
        trained=False,
    )

    def act(r, p):
        return {**p, "a": p["a"] @ r.T}

    return eqprop.Pair(
        model,
        eqprop.Transformation(groups.Rotation(2), act, lambda r, y: y @ r.T, isometry=True, name="rotated-readout"),
    )


def gain_folded() -> eqprop.Pair:
    example = {"gain": np.ones(2), "w1": np.ones((2, 3)), "w2": np.ones((3, 1))}
    model = eqprop.Model(
        lambda p, x: jnp.tanh((x * p["gain"][None]) @ p["w1"]) @ p["w2"], example, np.ones((3, 2)), trained=False
    )
    target = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["v"]) @ p["w2"], {"v": np.ones((2, 3)), "w2": np.ones((3, 1))}, np.ones((3, 2))
    )
    group = groups.Permutation(3)

    def fold(s, p):
        return {"v": group.act(s, p["gain"][:, None] * p["w1"], 1), "w2": group.act_dual(s, p["w2"], 0)}

    return eqprop.Pair(model, eqprop.Transformation(group, fold), target)


EQUIVARIANT = [linear_gl, homogeneous, sheared, powers, scaled_inputs, everything_moves, rotated_readout, gain_folded]


@pytest.mark.parametrize("make", EQUIVARIANT)
def test_every_property_that_applies_holds_where_the_premise_does(make: Callable[[], eqprop.Pair]):
    pair = make()
    properties = applicable(pair, LIBRARY)
    program = Program(pair, properties, SMOOTH)
    rng = np.random.default_rng(5)
    probes = program.draw(rng, 24)
    for name, judged in program.judge(probes, rng).items():
        suspects = np.flatnonzero(judged.suspect)
        assert not suspects.size or not program.under_noise(name, probes.at(suspects), rng).suspect.any(), name
        assert (~judged.inconclusive & ~judged.vacuous).sum() >= 8, f"{name}: too few probes settle anything"
        resolutions = judged.resolution[~judged.vacuous & ~judged.inconclusive]
        # Short segments keep clear of kinks and leave few digits of a difference; on long ones an error of 1e-9 shows.
        seen = np.min(resolutions) if name in ALONG_SEGMENTS else np.median(resolutions)
        assert seen < 1e-9, name


# -- hypotheses -------------------------------------------------------------------------------------------------------

NOT_APPLICABLE = [
    ("group-laws", gain_folded, "two models"),
    ("jacobian-generator", gain_folded, "is discrete: it has no generator"),
    ("noether", conversion, "two models"),
    ("hessian-generator", conversion, "two models"),
    ("orbit-curvature", scaled_inputs, "X = identity"),
    ("damped-gauss-newton", homogeneous, "every ξ moves the outputs"),
    ("critical-orbit", homogeneous, "T = identity"),
    ("gauss-newton-null", scaled_inputs, "X = identity"),
    ("tangent-kernel-covariance", linear_gl, "DK DKᵀ = 1"),
]


@pytest.mark.parametrize(
    ("name", "make", "reason"), NOT_APPLICABLE, ids=[f"{n}-{m.__name__}" for n, m, _ in NOT_APPLICABLE]
)
def test_a_hypothesis_that_is_not_met_is_named(name: str, make: Callable[[], eqprop.Pair], reason: str):
    assert reason in str(by_name(name).reason_if_not_applicable(make()))


def test_a_hypothesis_that_is_met_says_nothing():
    of_exact = [p for p in CORE if p.name not in OF_DEFECTS]
    assert [p.name for p in of_exact if p.reason_if_not_applicable(linear_gl())] == ["tangent-kernel-covariance"]
    assert [p.name for p in of_exact if p.reason_if_not_applicable(rotated_readout())] == []


def test_a_property_rests_only_on_properties_of_no_higher_order():
    for prop in LIBRARY:
        assert all(by_name(name).order <= prop.order for name in prop.rests_on)


def test_an_unknown_property_is_answered_with_all_names():
    with pytest.raises(eqprop.InvalidInput, match=r"no property is called 'nother'.*noether"):
        by_name("nother")


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_group_laws_tell_a_left_action_from_a_right_action(side: str):
    multiply = {"left": lambda m, w: m @ w, "right": lambda m, w: w @ m}
    for claimed in ("left", "right"):
        model = eqprop.Model(lambda w, x: x @ w, np.ones((2, 2)), np.ones((1, 2)))
        pair = eqprop.Pair(model, eqprop.Transformation(groups.GeneralLinear(2), multiply[side], side=claimed))
        program = Program(pair, (by_name("group-laws"),), SMOOTH)
        rng = np.random.default_rng(0)
        assert program.judge(program.draw(rng, 8), rng)["group-laws"].suspect.any() == (claimed != side)


def test_an_isometry_that_is_none_is_falsified_by_the_property_that_relies_on_it():
    good = linear_gl()
    claimed = eqprop.Transformation(groups.GeneralLinear(2), good.transformation.on_params, isometry=True)
    program = Program(good.replaced(transformation=claimed), (by_name("tangent-kernel-covariance"),), SMOOTH)
    rng = np.random.default_rng(0)
    assert program.judge(program.draw(rng, 8), rng)["tangent-kernel-covariance"].suspect.any()


def test_transformations_without_actions_on_outputs_and_inputs_are_told_apart_from_those_with_trivial_ones():
    trivial = eqprop.Transformation(groups.Scaling(1), unmoved, lambda g, y: y)
    assert trivial.moves_outputs
    assert not trivial.moves_inputs
