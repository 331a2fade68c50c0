"""Hypotheses: each says why a property does not apply to a pair, or None where it does.

The first line of a docstring, after "Hypothesis: ", is what ``eqprop explain`` and the reference say. Those that ask
for a trait read it off the transformation itself (``eqprop.properties.traits``), never off a label that somebody set.
"""

from __future__ import annotations

from eqprop.claims import Pair
from eqprop.groups import LieGroup, Permutation, involutions
from eqprop.properties.subgroups import LEAVING_LOSS, LEAVING_OUTPUTS, TURNING_ALONE
from eqprop.properties.traits import (
    action_traits_of,
    keeps_distances,
    keeps_loss,
    layers_of,
    samples_of,
    stabiliser_of,
    traits_of,
)

SEEN = "stated for s = 0; every {} moves the outputs, and the loss sees it"

# -- what the pair declares -------------------------------------------------------------------------------------------


def continuous(pair: Pair) -> str | None:
    """Hypothesis: the group is a Lie group."""
    group = pair.transformation.group
    return None if isinstance(group, LieGroup) else f"{group!r} is discrete: it has no generator"


def discrete(pair: Pair) -> str | None:
    """Hypothesis: the group is discrete, or has a factor that is."""
    group = pair.transformation.group
    return None if group.discrete_factor else f"{group!r} is continuous: its generators say more"


def one_model(pair: Pair) -> str | None:
    """Hypothesis: K maps the parameters of one model to themselves."""
    return None if pair.target is None else "the transformation maps between two models"


def two_models(pair: Pair) -> str | None:
    """Hypothesis: K maps the parameters of one model to those of another."""
    return "the transformation is of one model" if pair.target is None else None


def symmetry(pair: Pair) -> str | None:
    """Hypothesis: T is the identity."""
    return (
        "stated for T = identity; this transformation moves the outputs" if pair.transformation.moves_outputs else None
    )


def still_loss(pair: Pair) -> str | None:
    """Hypothesis: T leaves the loss: it is the identity, or the model's own loss does not see it, ℓ∘T = ℓ, s = 0."""
    return None if keeps_loss(pair) else "stated for s = 0; this transformation moves the outputs, and the loss sees it"


def drawn_loss(pair: Pair) -> str | None:
    """Hypothesis: losses are drawn, and not the model's own, which cannot be asked of one sample."""
    return None if pair.model.loss is None else "the model's own loss has its targets inside, of all samples at once"


def separate_samples(pair: Pair) -> str | None:
    """Hypothesis: inputs and outputs have two samples or more along their first axes, and f(θ, x)_i = f(θ, x_i)."""
    return None if samples_of(pair) else "the model does not treat samples, along the first axes, one by one"


def isometric_outputs(pair: Pair) -> str | None:
    """Hypothesis: T keeps distances between outputs, or the model's own loss does not see it."""
    if keeps_distances(pair) or (pair.model.loss is not None and keeps_loss(pair)):
        return None
    return "stated for losses whose targets move with the outputs: T does not keep distances between these"


def still_inputs(pair: Pair) -> str | None:
    """Hypothesis: X is the identity."""
    return "stated for X = identity; this transformation moves the inputs" if pair.transformation.moves_inputs else None


def floating_params(pair: Pair) -> str | None:
    """Hypothesis: some parameter is floating point."""
    return None if any(pair.model.param_leaves.floating) else "no parameter is floating point: there is no derivative"


def floating_inputs(pair: Pair) -> str | None:
    """Hypothesis: some input is floating point."""
    return None if any(pair.model.input_leaves.floating) else "no input is floating point: nothing to differentiate in"


def coisometric(pair: Pair) -> str | None:
    """Hypothesis: DK DKᵀ = 1 (orthogonal DK, or a projection to fewer parameters), seen of K or declared."""
    if pair.transformation.isometry or action_traits_of(pair).coisometric_action:
        return None
    return "stated for DK DKᵀ = 1: DK_gᵀ changes the lengths of vectors"


def closed_form(pair: Pair) -> str | None:
    """Hypothesis: the transformation declares its charge in closed form."""
    return "the transformation declares no charge=" if pair.transformation.charge is None else None


def near(pair: Pair) -> str | None:
    """Hypothesis: the transformation says how far from exact it is, by a bound ``defect=``."""
    return "the transformation is claimed to be exact" if pair.transformation.defect is None else None


def with_involutions(pair: Pair) -> str | None:
    """Hypothesis: the group has simple elements that are their own inverses (transpositions, signs, mirrors)."""
    group = pair.transformation.group
    found = next(involutions(group), None) is not None
    return None if found else f"none of the simple elements of {group!r} is its own inverse"


def finite_subgroup(pair: Pair) -> str | None:
    """Hypothesis: simple elements of the group, whole numbers, generate a finite group of at most 24."""
    if stabiliser_of(pair):
        return None
    return f"simple elements of {pair.transformation.group!r} generate no small finite group of whole numbers"


def permutes_units(pair: Pair) -> str | None:
    """Hypothesis: the group is the group of permutations of three units or more."""
    group = pair.transformation.group
    if isinstance(group, Permutation) and group.n > 2:
        return None
    return f"stated for permutations of three or more units; the group is {group!r}"


# -- what the transformation is seen to be ----------------------------------------------------------------------------


def keeps_integers(pair: Pair) -> str | None:
    """Hypothesis: K leaves integer and boolean parameters, and state, as they are."""
    if action_traits_of(pair).keeps_integers:
        return None
    return f"K moves {'state' if pair.model.state else 'integers'}: between θ and K_gθ there is no model"


def affine_action(pair: Pair) -> str | None:
    """Hypothesis: K is affine in θ."""
    return None if action_traits_of(pair).affine_action else "DK_g changes with θ: K is not affine"


def orthogonal_action(pair: Pair) -> str | None:
    """Hypothesis: K is affine in θ, with an orthogonal linear part."""
    return None if action_traits_of(pair).orthogonal_action else "DK_g is not orthogonal, or changes with θ"


def stretching(pair: Pair) -> str | None:
    """Hypothesis: DK is not orthogonal."""
    return "DK_g is orthogonal: equal spectra say more" if orthogonal_elements(pair) is None else None


def affine_generator(pair: Pair) -> str | None:
    """Hypothesis: every generator k_ξ is affine in θ."""
    return None if traits_of(pair).affine_generator else "Dk_ξ changes with θ: the generator is not affine"


def changing_generator(pair: Pair) -> str | None:
    """Hypothesis: the generators are not all constant."""
    constant = traits_of(pair).constant
    return "every generator is constant (Dk = 0): all brackets vanish" if constant.dimension == constant.size else None


def constant_generator(pair: Pair) -> str | None:
    """Hypothesis: some generator is constant, Dk_ξ = 0 (a translation)."""
    return None if traits_of(pair).constant.dimension else "Dk_ξ = 0 for no ξ: nothing is translated"


def charged(pair: Pair) -> str | None:
    """Hypothesis: some Dk_ξ is symmetric, so that k_ξ is the gradient of a charge."""
    return None if traits_of(pair).symmetric.dimension else "Dk_ξ is symmetric for no ξ: there is no charge"


def turning(pair: Pair) -> str | None:
    """Hypothesis: some Dk_ξ is antisymmetric (a rotation or a translation)."""
    return None if traits_of(pair).antisymmetric.dimension else "Dk_ξ is antisymmetric for no ξ: nothing turns"


def moving(pair: Pair) -> str | None:
    """Hypothesis: some generator moves parameters, k_ξ ≠ 0."""
    return None if traits_of(pair).still.loss.size else "k_ξ = 0 for every ξ: no parameter is moved"


def still_generator(pair: Pair) -> str | None:
    """Hypothesis: some generator leaves the loss, s_ξ = 0: T does nothing, or nothing that the own loss sees."""
    return None if traits_of(pair).still.loss.dimension else SEEN.format("ξ")


def still_outputs(pair: Pair) -> str | None:
    """Hypothesis: some generator leaves the outputs, τ_ξ = 0."""
    return None if traits_of(pair).still.outputs.dimension else "stated for τ = 0; every ξ moves the outputs"


def elements_leaving_loss(pair: Pair) -> str | None:
    """Hypothesis: T leaves the loss, ℓ∘T = ℓ; or some ξ do, s_ξ = 0, and the elements are those that they generate."""
    part = LEAVING_LOSS.part(pair)
    return None if part is not None and part.dimension else still_loss(pair)


def elements_leaving_outputs(pair: Pair) -> str | None:
    """Hypothesis: T is the identity; or it is along some ξ, τ_ξ = 0, and the elements are those that they generate."""
    part = LEAVING_OUTPUTS.part(pair)
    return None if part is not None and part.dimension else symmetry(pair)


def orthogonal_elements(pair: Pair) -> str | None:
    """Hypothesis: K is affine, with an orthogonal linear part, and ℓ∘T = ℓ; or this holds of what turning ξ generate.

    Those are the ξ with Dk_ξ = −Dk_ξᵀ and s_ξ = 0, where every k_ξ is affine.
    """
    part = TURNING_ALONE.part(pair)
    if part is not None and part.dimension:
        return affine_generator(pair)
    return still_loss(pair) or orthogonal_action(pair)


def still_translation(pair: Pair) -> str | None:
    """Hypothesis: some constant generator leaves the loss, s_ξ = 0."""
    return None if traits_of(pair).still.constant.dimension else SEEN.format("translation")


def still_charge(pair: Pair) -> str | None:
    """Hypothesis: some generator with a charge leaves the loss, s_ξ = 0."""
    return None if traits_of(pair).still.symmetric.dimension else SEEN.format("ξ with a charge")


def still_turn(pair: Pair) -> str | None:
    """Hypothesis: some antisymmetric generator leaves the loss, s_ξ = 0."""
    return None if traits_of(pair).still.antisymmetric.dimension else SEEN.format("ξ that turns")


def scale_invariant(pair: Pair) -> str | None:
    """Hypothesis: some generator scales a block, and nothing else: Dk_ξ = P = Pᵀ = P² and Pk_ξ = k_ξ, with s_ξ = 0."""
    return None if traits_of(pair).scaling() else "no simple ξ scales a block of parameters and leaves the loss"


def centrally_scaled(pair: Pair) -> str | None:
    """Hypothesis: some generator scales a block about 0, k_ξ = Pθ, P = Pᵀ = P², and the loss stays, s_ξ = 0."""
    return (
        None
        if traits_of(pair).central_scaling()
        else "no simple ξ scales a block of parameters about 0 and leaves the loss"
    )


def homogeneous(pair: Pair) -> str | None:
    """Hypothesis: some generator scales all parameters, Dk_ξ = 1, and multiplies the outputs, τ_ξ(y) = p y, p ≠ 0."""
    return None if traits_of(pair).dilation() else "no simple ξ scales all parameters and multiplies the outputs"


def quasi_homogeneous(pair: Pair) -> str | None:
    """Hypothesis: some generator scales each number about 0 by a power, Dk_ξ = Λ diagonal, and τ_ξ(y) = p y, p ≠ 0."""
    return (
        None if traits_of(pair).stretch() else "no simple ξ scales each parameter by a power and multiplies the outputs"
    )


def layered(pair: Pair) -> str | None:
    """Hypothesis: two blocks or more without a common number are scaled about 0, each with τ_j(y) = p_j y, p_j > 0."""
    if len(layers_of(pair)) > 1:
        return None
    return "there are no two simple ξ that scale blocks apart from each other and multiply the outputs"


def exponential(pair: Pair) -> str | None:
    """Hypothesis: some generator is constant, Dk_ξ = 0, and multiplies the outputs, τ_ξ(y) = c y with c ≠ 0."""
    return None if traits_of(pair).translation() else "no simple ξ translates parameters and multiplies the outputs"


def aligned(pair: Pair) -> str | None:
    """Hypothesis: Dk_ξ = P = Pᵀ = P² with s_ξ = 0, homogeneity of a degree other than 1, or an exponential translation.

    At degree 1 it would be H k = 0, which is along every direction.
    """
    traits = traits_of(pair)
    if traits.projection() or traits.dilation(but=1.0) or traits.translation():
        return None
    return "no simple ξ scales parameters (with a degree other than 1), or multiplies the outputs by translating them"


def no_scaling(pair: Pair) -> str | None:
    """Hypothesis: no block is scaled about 0, k_ξ = Pθ, s_ξ = 0 (weight decay leaves it no stationary point but 0)."""
    if traits_of(pair).central_scaling() is None:
        return None
    return "a scale-invariant block has no nonzero stationary point under weight decay"


def linear_or_constant(pair: Pair) -> str | None:
    """Hypothesis: every k_ξ is linear in θ, or every k_ξ is constant."""
    traits = traits_of(pair)
    if traits.linear_generator or traits.constant.dimension == traits.constant.size:
        return None
    return "the generator is affine, neither linear nor constant: its charges decay at two rates"
