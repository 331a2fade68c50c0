"""The property library: every prediction, in the order in which reports list them."""

from eqprop.arguments import short, suggestion
from eqprop.errors import InvalidInput
from eqprop.properties.averaged import AVERAGED_GRADIENT, AVERAGED_HESSIAN
from eqprop.properties.base import PAPER as PAPER
from eqprop.properties.base import Property as Property
from eqprop.properties.carried import CARRIED_INERTIA, VOLUME
from eqprop.properties.charges import CHARGE_DRIFT, CHARGE_FORM, MOMENTUM_STEP, SAMPLE_DRIFT
from eqprop.properties.compiled import COMPILED, COMPILED_HESSIAN
from eqprop.properties.consequences import (
    EXPONENTIAL_TRANSLATION,
    FLAT_TRANSLATION,
    GRADIENT_ALIGNMENT,
    HOMOGENEITY,
    QUASI_HOMOGENEITY,
    SCALE_INVARIANCE,
)
from eqprop.properties.critical_points import CRITICAL_NULL_SPACE, CRITICAL_ORBIT, DECAYED_STATIONARY
from eqprop.properties.defects import DEFECT, DEFECT_CURVATURE, DEFECT_DRIFT, NEAR_EQUIVARIANCE
from eqprop.properties.derivatives import DERIVATIVE, HESSIAN_INTEGRAL, HESSIAN_SYMMETRY, INPUT_DERIVATIVE
from eqprop.properties.derivatives import segment_length as segment_length
from eqprop.properties.first_order import GRADIENT_COVARIANCE, JACOBIAN_COVARIANCE, JACOBIAN_GENERATOR, NOETHER
from eqprop.properties.fixed_points import FIXED_POINT, FIXED_SET, IDENTICAL_UNITS
from eqprop.properties.flows import ANGULAR_MOMENTUM, CHARGE_DECAY, CHARGE_FLOW, NORM_GROWTH
from eqprop.properties.gauss_newton import GAUSS_NEWTON_COVARIANCE, GAUSS_NEWTON_NULL, TANGENT_KERNEL_COVARIANCE
from eqprop.properties.geometries import DAMPED_GAUSS_NEWTON, METRIC_DRIFT, MOMENTUM_FLOW
from eqprop.properties.higher_order import BRACKET, HIGHEST_ORDER, THIRD_ORDER, along_generator
from eqprop.properties.inputs import DATA_SENSITIVITY, INPUT_COVARIANCE, MIXED_COVARIANCE
from eqprop.properties.layers import LAYER_CURVATURE, LAYER_SPECTRUM
from eqprop.properties.learning import LEARNING_EQUIVARIANCE
from eqprop.properties.margins import MARGIN
from eqprop.properties.noise import ENTROPIC_FORCE, MINIBATCH_DRIFT, NOISE_COVARIANCE, NOISE_EQUILIBRIUM
from eqprop.properties.parts import irregular as irregular
from eqprop.properties.point import Point as Point
from eqprop.properties.premise import EQUIVARIANCE, GROUP_LAWS
from eqprop.properties.scale_invariant import DECAY_AS_SCHEDULE, ROTATIONAL_EQUILIBRIUM
from eqprop.properties.second_order import (
    HESSIAN_COVARIANCE,
    HESSIAN_GENERATOR,
    MODEL_SECOND_ORDER,
    ORBIT_CURVATURE,
)
from eqprop.properties.spectrum import EQUAL_SPECTRA, INERTIA, SHARPNESS
from eqprop.properties.stabilisers import FIXED_JACOBIAN, ISOTYPIC_BLOCKS
from eqprop.properties.training import TRAINING_RUN
from eqprop.properties.traits import straight_model as straight_model

LIBRARY: tuple[Property, ...] = (
    GROUP_LAWS,
    EQUIVARIANCE,
    NEAR_EQUIVARIANCE,
    CHARGE_FORM,
    JACOBIAN_COVARIANCE,
    GRADIENT_COVARIANCE,
    JACOBIAN_GENERATOR,
    NOETHER,
    DEFECT,
    BRACKET,
    DERIVATIVE,
    INPUT_DERIVATIVE,
    INPUT_COVARIANCE,
    AVERAGED_GRADIENT,
    FIXED_SET,
    LEARNING_EQUIVARIANCE,
    CHARGE_DRIFT,
    SAMPLE_DRIFT,
    DEFECT_DRIFT,
    METRIC_DRIFT,
    NOISE_COVARIANCE,
    MINIBATCH_DRIFT,
    MOMENTUM_STEP,
    CHARGE_FLOW,
    CHARGE_DECAY,
    NORM_GROWTH,
    MARGIN,
    ANGULAR_MOMENTUM,
    MOMENTUM_FLOW,
    ROTATIONAL_EQUILIBRIUM,
    DECAY_AS_SCHEDULE,
    TRAINING_RUN,
    HESSIAN_COVARIANCE,
    MODEL_SECOND_ORDER,
    GAUSS_NEWTON_COVARIANCE,
    TANGENT_KERNEL_COVARIANCE,
    HESSIAN_GENERATOR,
    ORBIT_CURVATURE,
    DEFECT_CURVATURE,
    GAUSS_NEWTON_NULL,
    DAMPED_GAUSS_NEWTON,
    HESSIAN_SYMMETRY,
    HESSIAN_INTEGRAL,
    MIXED_COVARIANCE,
    DATA_SENSITIVITY,
    AVERAGED_HESSIAN,
    FLAT_TRANSLATION,
    SCALE_INVARIANCE,
    HOMOGENEITY,
    QUASI_HOMOGENEITY,
    LAYER_CURVATURE,
    LAYER_SPECTRUM,
    EXPONENTIAL_TRANSLATION,
    GRADIENT_ALIGNMENT,
    NOISE_EQUILIBRIUM,
    ENTROPIC_FORCE,
    CRITICAL_NULL_SPACE,
    CRITICAL_ORBIT,
    DECAYED_STATIONARY,
    FIXED_POINT,
    IDENTICAL_UNITS,
    FIXED_JACOBIAN,
    ISOTYPIC_BLOCKS,
    EQUAL_SPECTRA,
    INERTIA,
    CARRIED_INERTIA,
    VOLUME,
    SHARPNESS,
    THIRD_ORDER,
)
"""In the order of derivatives; within an order what follows from the premise first, then that derivatives are any."""

CORE = tuple(prop for prop in LIBRARY if not prop.costly)
"""Judged at every probe; the others on a part of the batches (``Profile.costly_batches``)."""

HIGHER = {f"order-{order}": along_generator(order) for order in range(4, HIGHEST_ORDER + 1)}
"""Verified where they are asked for by name."""

TWOFOLD = (COMPILED, COMPILED_HESSIAN)
"""What is asked about the compiler, of users' own models: no statement of the theory."""

KNOWN = (*LIBRARY, *HIGHER.values(), *TWOFOLD)
"""What has a name that another process finds again."""


def by_name(name: str) -> Property:
    """The property of this name.

    Raises:
        InvalidInput: naming the closest, or all, where there is none.
    """
    known = {prop.name: prop for prop in KNOWN}
    if not isinstance(name, str) or name not in known:
        close = suggestion(name, known, otherwise=f"The properties are: {', '.join(known)}.")
        msg = f"no property is called {short(name)}. {close}"
        raise InvalidInput(msg)
    return known[name]
