"""Everything that is derived at one probe, computed on demand and once: what properties are written in."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import jax
import jax.numpy as jnp

from eqprop.claims import Inputs, Pair, functions_of
from eqprop.engine import (
    LARGE,
    Array,
    Leaves,
    Local,
    Memory,
    Partition,
    Tree,
    batched,
    bracket,
    coarsest,
    floats_as,
    generator,
    gradient,
    inner,
    jitted,
    lowest_precisions,
    one_by_one,
    remembered,
)
from eqprop.errors import InvalidInput
from eqprop.groups import Algebra, Element, LieGroup
from eqprop.probes import Loss, Probe, output_factor, widened
from eqprop.properties.traits import Subspace, Traits, traits_of

Found = TypeVar("Found")


class Point:
    """A pair at a probe: f at θ, f′ at K_gθ, the actions and the generators, as functions of the floating-point leaves.

    Parameters are tuples of floating-point leaves here; integer and boolean leaves are carried inside the functions:
    the example's in f, those that K_g makes of them in f′.
    What is asked for before a loop is known inside of it; what is first asked for inside is worked out in every round.
    """

    def __init__(self, pair: Pair, probe: Probe, loss: Loss, *, reverse_only: bool = False) -> None:
        self.pair = pair
        self.reverse_only = reverse_only
        self.probe = probe
        self.transformation = pair.transformation
        self.source: Partition = pair.model.param_leaves
        self.image: Partition = pair.image.param_leaves
        self.theta: Leaves = probe.params
        self._integers = self.source.arrays
        self._loss = loss
        self._shared = Memory()
        functions = functions_of(pair)
        self.f, self.f_image, self.act = functions.f, functions.f_image, functions.act

    @property
    def traits(self) -> Traits:
        """What the transformation was seen to be."""
        return traits_of(self.pair)

    def acting(self, carried: Leaves) -> Callable[[Tree, Tree], Tree]:
        """K as a function of the element and the floating-point leaves, beside these integers."""
        if not carried:
            return self.act
        move, source = self.transformation.on_params, self.source
        return jitted(lambda element, theta: self.image.split(move(element, source.join(theta, carried))))

    def integers(self, element: Element, theta: Tree, carried: Leaves | None = None) -> Leaves:
        """The integer and boolean leaves of K_gθ; those that K does not touch are the objects that they were.

        Args:
            element: g.
            theta: the floating-point leaves of θ.
            carried: the other leaves; those of the example by default.
        """
        if not self.image.carried:
            return ()
        whole = self.source.join(theta, self._integers if carried is None else carried)
        return self.image.rest(self.transformation.on_params(jax.tree.map(jnp.asarray, element), whole))

    @remembered
    def f_there(self) -> Callable[[Tree, Tree], Tree]:
        """f′ beside the integers of K_gθ."""
        carried = self.integers(self.probe.element, self.theta)
        if not carried or (self.pair.target is None and all(map(operator.is_, carried, self._integers))):
            return self.f_image
        return jitted(lambda theta, inputs: self.pair.image.apply(self.image.join(theta, carried), inputs))

    # -- the functions ------------------------------------------------------------------------------------------------

    def near(self, function: Callable[[Tree], Tree], at: Tree) -> Local:
        """A function near a point, with the care about reverse-only models that this probe takes."""
        return Local(function, at, reverse_only=self.reverse_only)

    @remembered
    def unit(self) -> float:
        """The unit roundoff of the lowest floating precision that f depends on."""
        return coarsest(lowest_precisions(jax.make_jaxpr(self.f)(self.theta, self.probe.inputs))).eps

    @property
    def over(self) -> Callable[..., Callable[..., Tree]]:
        """How f is best evaluated at several parameters: side by side where it is small, else one after the other."""
        return one_by_one if self.source.size >= LARGE else batched

    @remembered
    def moved_inputs(self) -> Inputs:
        """X_g x."""
        return self.transformation.on_inputs(self.probe.element, self.probe.inputs)

    @remembered
    def here(self) -> Local:
        """f near θ."""
        return self.near(lambda theta: self.f(theta, self.probe.inputs), self.theta)

    @remembered
    def there(self) -> Local:
        """f′ near K_gθ, at the inputs X_g x."""
        f, inputs = self.f_there, self.moved_inputs
        return self.near(lambda theta: f(theta, inputs), self.action.value)

    @remembered
    def identity(self) -> Element:
        """e, in arrays of JAX as elements that are drawn are: NumPy's would refuse to be indexed by a traced one."""
        return floats_as(None, self.transformation.group.identity())

    @remembered
    def at_identity(self) -> tuple[Tree, Tree]:
        """K_e θ and X_e x: a point of the target model that takes no element."""
        identity = self.identity
        if self.theta and isinstance(self.transformation.group, LieGroup):
            identity = self._identity
        return self.act(identity, self.theta), self.transformation.on_inputs(identity, self.probe.inputs)

    @remembered
    def action(self) -> Local:
        """K_g near θ."""
        return self.near(lambda theta: self.act(self.probe.element, theta), self.theta)

    @remembered
    def output_action(self) -> Local:
        """T_g near f(θ)."""
        return self.near(lambda y: self.transformation.on_outputs(self.probe.element, y), self.here.value)

    @remembered
    def input_action(self) -> Local:
        """X_g on the floating-point leaves, near x."""
        leaves, move = self.pair.model.input_leaves, self.transformation.on_inputs
        return self.near(
            lambda floats: leaves.split(move(self.probe.element, self.join_inputs(floats))),
            leaves.split(self.probe.inputs),
        )

    def of_both(self, theta: Tree, floats: Tree) -> Tree:
        """f(θ, x) as a function of the floating-point leaves of both, near the probe."""
        return self.f(theta, self.join_inputs(floats))

    def of_both_there(self, theta: Tree, floats: Tree) -> Tree:
        """f′(θ′, x′) likewise, near K_gθ and X_g x."""
        return self.f_there(theta, self.join_inputs(floats, self.moved_inputs))

    @remembered
    def here_in_inputs(self) -> Local:
        """x ↦ f(θ, x), near x."""
        return self.near(lambda floats: self.of_both(self.theta, floats), self.input_action.at)

    @remembered
    def there_in_inputs(self) -> Local:
        """x′ ↦ f′(K_gθ, x′), near X_g x."""
        return self.near(lambda floats: self.of_both_there(self.action.value, floats), self.input_action.value)

    # -- the loss -----------------------------------------------------------------------------------------------------

    @remembered
    def _factor(self) -> Array:
        """Of the outputs, and of the moved ones where the probe has an element that moves them."""
        if self.transformation.moves_outputs and self.probe.element is not None:
            return output_factor(widened(self.here.value), widened(self.output_action.value))
        return output_factor(widened(self.here.value))

    @remembered
    def loss(self) -> Callable[[Tree], Tree]:
        """ℓ. A drawn loss takes outputs times a constant of the probe (see ``losses.output_factor``)."""
        return self.pair.model.loss or self.loss_for(self.probe.targets)

    def loss_for(self, targets: Tree) -> Callable[[Tree], Tree]:
        """The drawn loss for some targets, those of a part of the samples perhaps."""
        factor = self._factor
        return lambda y: self._loss(jax.tree.map(lambda leaf: leaf * factor, widened(y)), targets)

    def loss_near(self, outputs: Tree) -> Local:
        """∇ℓ near some outputs: ``value`` is the gradient in the outputs, ``push`` applies ∇²ℓ."""
        return self.near(lambda y: y, outputs).gradient_of(self.loss)

    @remembered
    def gradient(self) -> Local:
        """∇L near θ."""
        return self.here.gradient_of(self.loss)

    def under(self, loss: Callable[[Tree], Tree]) -> Local:
        """∇(ℓ∘f) near θ, for another ℓ."""
        return self.here.gradient_of(loss)

    @remembered
    def gradient_there(self) -> Local:
        """∇L near K_gθ."""
        return self.there.gradient_of(self.loss)

    @remembered
    def gradient_expected(self) -> Local:
        """∇(ℓ∘T_g∘f) near θ, which is ∇L where T is the identity."""
        return self.here.gradient_of(self.loss_expected) if self.transformation.moves_outputs else self.gradient

    @remembered
    def loss_expected(self) -> Callable[[Tree], Tree]:
        """ℓ∘T_g."""
        if not self.transformation.moves_outputs:
            return self.loss
        element, moved, loss = self.probe.element, self.transformation.on_outputs, self.loss
        return lambda y: loss(moved(element, y))

    # -- the generators -----------------------------------------------------------------------------------------------

    def _lie(self) -> LieGroup:
        group = self.transformation.group
        if not isinstance(group, LieGroup):
            msg = f"{group!r} has no Lie algebra."
            raise InvalidInput(msg)
        return group

    def exponential(self, algebra: Algebra) -> Element:
        """exp(ξ), in the precision of the parameters."""
        dtype = jnp.result_type(*self.theta) if self.theta else None
        return floats_as(dtype, self._lie().exp(algebra))

    def field(self, algebra: Algebra) -> Local:
        """k_ξ near θ."""
        group = self._lie()
        return self.near(generator(self.act, self._identity, group.tangent(algebra)), self.theta)

    @remembered
    def _identity(self) -> Element:
        dtype = jnp.result_type(*self.theta) if self.theta else None
        return floats_as(dtype, self._lie().identity())

    @remembered
    def k(self) -> Local:
        """k_ξ near θ, for the probe's first algebra element."""
        return self.field(self.probe.algebra)

    def within(self, part: Subspace) -> Point:
        """This point with an element that a part of the algebra generates: exp of what of ξ lies in it."""
        element = self.exponential(part.nearest(self.probe.algebra))
        return Point(self.pair, replace(self.probe, element=element), self._loss, reverse_only=self.reverse_only)

    def k_within(self, part: Subspace) -> Local:
        """k_ξ near θ, for what of the probe's first algebra element lies in a part of the algebra."""
        return self.k if part.basis is None else self.field(part.nearest(self.probe.algebra))

    @remembered
    def k2(self) -> Local:
        """k_η, for the probe's second algebra element."""
        return self.field(self.probe.algebra2)

    def output_field(self, algebra: Algebra) -> Callable[[Tree], Tree]:
        """τ_ξ."""
        return generator(self.transformation.on_outputs, self._identity, self._lie().tangent(algebra))

    def rate_of_loss(self, algebra: Algebra) -> Local:
        """s_ξ(y) = ⟨∇ℓ(y), τ_ξ(y)⟩ near y = f(θ)."""
        tau, loss = self.output_field(algebra), self.loss
        return self.near(lambda y: inner(gradient(loss)(y), tau(y)), self.here.value)

    @remembered
    def loss_rate(self) -> Local:
        """s_ξ near f(θ), for the probe's first algebra element."""
        return self.rate_of_loss(self.probe.algebra)

    def defect_bound(self, algebra: Algebra, theta: Tree, inputs: Inputs) -> Array:
        """What the transformation says that no entry of δ_ξ exceeds at these parameters and inputs.

        Args:
            algebra: ξ.
            theta: the parameters, those in floating point.
            inputs: of the model.
        """
        bound = self.transformation.defect
        assert bound is not None, "the property has the hypothesis 'near'"
        return jnp.asarray(bound(algebra, self.source.join(theta, self._integers), inputs))

    @remembered
    def bracket(self) -> Local:
        """k_[ξ, η] near θ."""
        group, tangent = self._lie(), self._lie().tangent
        xi, eta = tangent(self.probe.algebra), tangent(self.probe.algebra2)
        both = bracket(group.compose, group.inverse, self._identity, xi, eta)
        return self.near(generator(self.act, self._identity, both), self.theta)

    def once(self, name: str, compute: Callable[[], Found]) -> Found:
        """What several properties of one family share, computed by the first of them."""
        return self._shared.once(name, compute)

    @remembered
    def chi(self) -> Array:
        """χ_ξ(x): like the inputs, without integer leaves; only where the transformation moves inputs."""
        return self.input_field.value

    @remembered
    def input_field(self) -> Local:
        """χ_ξ near x."""
        group = self._lie()
        leaves = self.pair.model.input_leaves

        def action(element: Element, floats: Tree) -> Tree:
            return leaves.split(self.transformation.on_inputs(element, self.join_inputs(floats)))

        tangent = group.tangent(self.probe.algebra)
        return self.near(generator(action, self._identity, tangent), leaves.split(self.probe.inputs))

    def join_inputs(self, floats: Tree, inputs: Inputs = None) -> Inputs:
        """Inputs, the probe's by default, with these floating-point leaves."""
        leaves = self.pair.model.input_leaves
        given = iter(floats)
        current = leaves.treedef.flatten_up_to(self.probe.inputs if inputs is None else inputs)
        return jax.tree.unflatten(
            leaves.treedef, [next(given) if f else leaf for leaf, f in zip(current, leaves.floating, strict=True)]
        )

    def with_inputs(self, function: Callable[[Tree, Tree], Tree]) -> Local:
        """(θ, x) ↦ function(θ, x) near the probe, for derivatives in parameters and inputs at once."""
        floats = self.pair.model.input_leaves.split(self.probe.inputs)
        return self.near(lambda both: function(both[0], self.join_inputs(both[1])), (self.theta, floats))
